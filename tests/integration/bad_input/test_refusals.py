"""Wrong answers, and a database of a newer build: refused clearly, and nothing is changed by it."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from actalog_contracts.calls import Command, Outcome, RunTool
from actalog_contracts.runs import ToolInDoubt
from actalog_log.database import connect
from actalog_log.memory import MemoryLog
from actalog_log.postgres import PostgresLog
from tests.integration.conductor.world import World

CONFIRM, DOUBT = "r:t1.0:confirm", "r:t1.0:doubt1"
Log = MemoryLog | PostgresLog


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    log: Log = MemoryLog()
    if request.param == "postgres":
        log = PostgresLog(request.getfixturevalue("fresh_database"))
        await log.start()
    made = World(log)
    await made.start()
    yield made
    await made.bus.stop()
    if isinstance(log, PostgresLog):
        await log.stop()


async def everything(world: World) -> list[tuple[Any, ...]]:
    """Every byte of every run, and where each stands."""
    await world.bus.drained()
    told: list[tuple[Any, ...]] = []
    for found in await world.log.list_runs("default", limit=100):
        events = await world.log.read(found.row.run_no)
        told += [(found.row.run_id, found.standing, found.head)]
        told += [(one.seq, one.type, one.payload, one.hash, one.recorded_at) for one in events]
    return told


async def pauses(world: World, run_id: str, *, doubt: bool) -> None:
    plain = World.outcome

    async def outcome(command: Command) -> Outcome:
        if isinstance(command, RunTool) and command.after_epoch is None and doubt:
            return ToolInDoubt(call_id=command.call_id, epoch=1, message="its worker died")
        return await plain(world, command)

    world.outcome = outcome  # type: ignore[method-assign]
    world.script = {1: ["lookup" if doubt else "refund"]}
    await world.task(run_id)
    await world.bus.drained()


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown run": ({"run_id": "nobody"}, "unknown_run"),
    "another tenant's run": ({"tenant_id": "other"}, "unknown_run"),
    "unknown requirement": ({"requirement_id": "r:t9.0:confirm"}, "bad_input"),
    "no requirement's name": ({"requirement_id": "?"}, "bad_input"),
    "a requirement of another run": ({"requirement_id": "q:t1.0:confirm"}, "bad_input"),
    "a requirement of another kind": ({"requirement_id": DOUBT, "decision": "done"}, "bad_input"),
    "other arguments than were seen": ({"digest": "sha256:0"}, "digest_mismatch"),
    "a decision about something else": ({"decision": "done"}, "not_allowed"),
    "values that nobody asked for": ({"decision": "provide"}, "not_allowed"),
    "no decision at all": ({"decision": "perhaps"}, "bad_input"),
}


@pytest.mark.parametrize("wrong", WRONG)
async def test_a_wrong_answer_is_refused_and_no_byte_of_the_log_changes(world: World, wrong: str):
    for run_id in ("r", "q"):
        await pauses(world, run_id, doubt=False)
    before, asked = await everything(world), list(world.asked)
    said, code = WRONG[wrong]
    usual = {"run_id": "r", "requirement_id": CONFIRM, "decision": "approve", "by": "eve"}
    await world.send(**{"type": "requirement.resolve.v1", **usual, **said})
    assert await world.refusals() == [code]
    assert await everything(world) == before
    assert world.asked == asked


@pytest.mark.parametrize("doubt", [False, True], ids=["confirmation", "doubt"])
@pytest.mark.parametrize("settled_by", ["an answer", "a cancel", "the deadline"])
async def test_an_answer_to_what_is_settled_is_refused_and_names_what_stands(
    world: World, settled_by: str, doubt: bool
):
    await pauses(world, "r", doubt=doubt)
    requirement = DOUBT if doubt else CONFIRM
    told = {"type": "requirement.resolve.v1", "run_id": "r", "requirement_id": requirement}
    match settled_by:
        case "an answer":
            await world.send(**told, decision="reject", by="ann")
        case "a cancel":
            await world.send(type="run.cancel.v1", run_id="r")
        case _:
            world.ahead += timedelta(days=1)
            await world.look()
    before = await everything(world)
    await world.send(**told, decision="done" if doubt else "approve", by="eve")
    (refusal,) = [one for one in await world.results() if one["type"] == "message.refused.v1"]
    expected = "expired" if settled_by == "the deadline" else "already_resolved"
    assert refusal["error"]["code"] == expected
    stands = {
        "an answer": "requirement.resolved", "a cancel": "run.cancelled", "the deadline": "run.failed"
    }[settled_by]  # fmt: skip
    assert refusal["winner"] == f"r:{(await world.types()).index(stands) + 1}"
    assert await everything(world) == before


async def _rows(dsn: str) -> list[tuple[Any, ...]]:
    connection = await connect(dsn)
    try:
        names = [
            row["tablename"] for row in await connection.fetch(
                "select tablename from pg_tables where schemaname = 'public' order by 1"
            )
        ]  # fmt: skip
        return [
            (name, sorted(map(repr, await connection.fetch(f'select * from "{name}"'))))
            for name in names
        ]
    finally:
        await connection.close()


@pytest.mark.postgres
@pytest.mark.parametrize("command", [("service", "conductor"), ("migrate",)], ids=lambda c: c[0])
async def test_a_database_of_a_newer_build_is_refused_and_left_as_it_is(
    fresh_database: str, command: tuple[str, ...], tmp_path: Any
):
    connection = await connect(fresh_database)
    await connection.execute("insert into migrations values ('9999_later.sql', 'x')")
    await connection.close()
    before = await _rows(fresh_database)
    settings = {
        "ACTALOG_DATABASE_URL": fresh_database, "ACTALOG_KAFKA": "127.0.0.1:1",
        "ACTALOG_HOME": str(tmp_path), "ACTALOG_HEALTH_PORT": "0",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "actalog", *command, env={**os.environ, **settings},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(60):
        said, _ = await process.communicate()
    assert process.returncode in (1, 2)
    assert b"9999_later" in said
    assert b"newer build" in said
    assert b"Traceback" not in said
    assert await _rows(fresh_database) == before
