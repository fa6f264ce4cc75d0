"""Services work with the rights of their role, and with no others."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from actalog import Agent, App, Client, tool
from actalog.cli.waiting import missing_migrations
from actalog.platform import Platform
from actalog.services import Ground
from actalog_bus.memory import MemoryBus
from actalog_bus.processes import free_port
from actalog_core.settings import Settings
from actalog_log.calls import PostgresCalls
from actalog_log.database import connect
from actalog_log.memories_postgres import PostgresMemories
from actalog_log.postgres import PostgresLog
from actalog_testing.scripted import ScriptedServer
from tests.logins import login

LOGIN = "a_service"
pytestmark = pytest.mark.postgres


@tool(idempotent=True)
def order_status(order_id: str, session_state: dict[str, str]) -> str:
    """Where an order is now."""
    session_state["last"] = order_id
    return f"order {order_id} is on its way"


@pytest.fixture
async def dsn(fresh_database: str) -> str:
    """The database, as somebody who has the services' role."""
    return await login(fresh_database, LOGIN, with_="in role actalog_service")


async def test_a_service_may_ask_whether_all_migrations_are_there(dsn: str):
    assert LOGIN in dsn
    assert await missing_migrations(dsn) == []


@pytest.mark.parametrize(
    "command", [("service", "llm"), ("status",), ("deploy", "--app", "actalog.examples.support_desk.app:app")]
)  # fmt: skip
async def test_a_login_without_the_role_is_told_what_to_grant(
    fresh_database: str, command: tuple[str, ...], tmp_path: Path
):
    env = {
        "PATH": os.environ["PATH"], "ACTALOG_KAFKA": f"127.0.0.1:{free_port()}",
        "ACTALOG_DATABASE_URL": await login(fresh_database, "nobody"),
        "ACTALOG_HEALTH_PORT": "0", "ACTALOG_HOME": str(tmp_path),
        "ACTALOG_LOG_LEVEL": "error",
    }  # fmt: skip
    done = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "actalog", *command], env=env, text=True,
        capture_output=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "grant actalog_service" in done.stderr
    assert done.stderr.count("\n") == 1


async def test_a_platform_with_the_rights_of_the_role_runs_calls_and_remembers(dsn: str):
    models, log = ScriptedServer(), PostgresLog(dsn)
    settings = Settings(
        openai_api_key="k", openai_base_url=f"{await models.start()}/v1", port=free_port()
    )
    agent = Agent(
        name="a", model="openai:m", tools=[order_status], update_memory_on_run=True,
        session_state={"last": ""},
    )  # fmt: skip
    app = App(agents=[agent])
    await log.start()
    ground = Ground(
        bus=MemoryBus(), log=log, calls=PostgresCalls(log.pool),
        memories=PostgresMemories(log.pool), settings=settings, callables=app.callables(),
    )  # fmt: skip
    platform = Platform(ground, definitions=app.definitions())
    await platform.start()
    try:
        async with asyncio.timeout(20), Client(platform=platform) as client:
            for said in ("My name is Ada, remember that.", "Where is order 1042?"):
                run_id = await client.submit("agent:a", said, user_id="u", session_id="s")
                assert (await client.result(run_id)).status == "completed"
            await client.cancel("nobody-knows-it")
            while not await ground.memories.memories("default", "u"):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await log.keep_ranges_ahead()
        assert len(await log.session_ops("default", "s")) == 1
        assert await platform.missing() == []
    finally:
        await platform.stop(2.0)
        await log.stop()
        await models.stop()


async def test_a_service_does_not_choose_what_the_owners_function_works_on(dsn: str):
    """Its temporary tables would come before the log's: with its owner's rights, on theirs."""
    connection = await connect(dsn)
    try:
        await connection.execute(
            "create temporary table run_numbers (last_value bigint, is_called bool)"
        )
        await connection.execute("insert into run_numbers values (500000000, true)")
        assert await connection.fetchval("select keep_ranges_ahead()") == 0
    finally:
        await connection.close()


async def test_nobody_else_makes_ranges(fresh_database: str):
    connection = await connect(await login(fresh_database, "nobody"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.fetchval("select keep_ranges_ahead(1)")
    finally:
        await connection.close()
