"""`actalog rebuild --memories` on a real database, as the login that services have."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from typer.testing import CliRunner, Result

from actalog.cli.main import app
from actalog_log.memories_postgres import PostgresMemories
from actalog_log.postgres import PostgresLog
from tests.integration.memory.test_memories import World, pool_of, summarised, updated
from tests.logins import login

Typed = Callable[..., Awaitable[Result]]
pytestmark = pytest.mark.postgres


@pytest.fixture
async def real(fresh_database: str) -> AsyncIterator[World]:
    store = PostgresLog(fresh_database)
    await store.start()
    yield World(store, PostgresMemories(store.pool))
    await store.stop()


@pytest.fixture
async def typed(fresh_database: str) -> Typed:
    dsn = await login(fresh_database, "a_service", with_="in role actalog_service")

    async def type_in(*words: str) -> Result:
        env = {"ACTALOG_DATABASE_URL": dsn}
        return await asyncio.to_thread(CliRunner().invoke, app, ["rebuild", *words], env=env)

    return type_in


async def test_what_was_lost_or_made_up_is_as_the_log_has_it_again(real: World, typed: Typed):
    await real.run(updated(("add", "1", "likes tea"), ("add", "2", "lives in Bern")))
    await real.run(updated(("delete", "2", "")), summarised("About tea."))
    await real.memories.catch_up()
    pool = pool_of(real)
    await pool.execute("update memories set text = 'likes mud'")
    await pool.execute("delete from summaries")
    told = await typed("--memories")
    assert (told.exit_code, told.stderr) == (0, "")
    assert told.stdout == "3 events applied: 1 memory, 1 summary\n"
    assert await real.texts() == ["likes tea"]
    assert await real.memories.summary("default", "s") == "About tea."
    assert await real.memories.catch_up() == 0


async def test_machines_are_told_the_same(real: World, typed: Typed):
    nothing = await typed("--memories", "--json")
    assert json.loads(nothing.stdout) == {"applied": 0, "memories": 0, "summaries": 0}
    await real.run(updated(("add", "1", "likes tea"), ("add", "2", "lives in Bern")))
    told = await typed("--memories", "--json")  # of what nobody has followed yet, too
    assert json.loads(told.stdout) == {"applied": 1, "memories": 2, "summaries": 0}


@pytest.mark.parametrize(
    "words",
    [("r", "--memories"), ("--session", "s", "--memories"), (), ("--memories", "--at", "3")],
)
async def test_one_thing_is_rebuilt_at_a_time(words: tuple[str, ...], typed: Typed):
    told = await typed(*words)
    assert told.exit_code == 2
    assert "give RUN, or --session S, or --memories" in told.stderr
