"""What a run is shown of its session: the context service with the conductor that asks it."""

import json
from collections.abc import AsyncIterator

import pytest

from actalog_contracts.calls import GatherContext
from actalog_contracts.runs import ContextBuilt, ModelNeeded
from actalog_log.memories import MemoryMemories
from actalog_log.memories_postgres import PostgresMemories
from actalog_log.memory import MemoryLog
from actalog_log.postgres import PostgresLog
from tests.integration.memory.world import World, says
from tests.unit.actalog_conductor.spec import PLAIN

SHOWS = PLAIN.model_copy(
    update={"history_runs": 2, "show_state": True, "session_state": '{"n": 0}'}
)


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "memory":
        log = MemoryLog()
        made = World(log, MemoryMemories(log))
        yield made
        await made.stop()
        return
    store = PostgresLog(request.getfixturevalue("fresh_database"))
    await store.start()
    made = World(store, PostgresMemories(store.pool))
    yield made
    await made.stop()
    await store.stop()


async def context_of(world: World, run_no: int) -> ContextBuilt:
    (found,) = [one for one in await world.events(run_no) if isinstance(one, ContextBuilt)]
    return found


async def test_the_last_completed_runs_are_shown_up_to_their_end(world: World):
    await world.start(SHOWS)
    numbers = [await world.task(f"r{at}") for at in range(4)]
    context = await context_of(world, numbers[-1])
    assert [run.run_id for run in context.history] == ["r1", "r2"]
    for run in context.history:
        assert (await world.events(run.run_no))[run.seq - 1].type == "run.completed.v1"


async def test_runs_that_did_not_complete_are_skipped(world: World):
    def script(purpose: str, needed: ModelNeeded | None) -> str:
        return says(purpose, needed)

    world.script = script
    await world.start(SHOWS)
    await world.task("r0")
    await world.bus.publish("actalog.tasks", value=b'{"type": "run.cancel.v1", "run_id": "gone"}')
    await world.bus.drained()
    await world.task("gone")  # its cancel came before it
    context = await context_of(world, await world.task("r2"))
    assert [run.run_id for run in context.history] == ["r0"]


async def test_another_session_and_another_tenant_are_not_shown(world: World):
    await world.start(SHOWS)
    await world.task("r0")
    context = await context_of(world, await world.task("r1", session_id="other"))
    assert context.history == ()


async def test_what_a_task_sets_in_the_session_state_stays(world: World):
    await world.start(SHOWS)
    first = await context_of(world, await world.task("r0", session_state={"who": "ann"}))
    assert json.loads(first.session_state or "") == {"n": 0, "who": "ann"}
    second = await context_of(world, await world.task("r1", session_state={"n": 2}))
    assert json.loads(second.session_state or "") == {"n": 2, "who": "ann"}
    assert second.state_version > first.state_version > 0


async def test_a_question_heard_again_changes_nothing_and_a_broken_one_is_a_dead_letter(
    world: World,
):
    await world.start(SHOWS)
    run_no = await world.task("r0")
    before = await world.events(run_no)
    world.bus.redeliver("actalog.context")
    await world.bus.publish("actalog.context.commands", value=b'{"type": "secret"}')
    await world.postman.command(
        GatherContext(
            tenant_id="default", run_no=run_no, run_id="r0", session_id="s", call_id="x",
            definition="sha256:unknown", deadline="2030-01-01T00:00:00.000000Z", turn=1,
        )
    )  # fmt: skip
    await world.bus.drained()
    assert await world.events(run_no) == before
    dead = world.bus.records("actalog.context.commands.dlq")
    assert len(dead) == 2
    assert all(b"secret" not in value for one in dead for _, value in one.headers)
