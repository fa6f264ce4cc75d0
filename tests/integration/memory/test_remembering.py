"""Remembering and being reminded: conductor, context and memory service together."""

from collections.abc import AsyncIterator

import pytest

from actalog_contracts.calls import Remember
from actalog_contracts.runs import (
    ContextBuilt,
    MemoryUpdated,
    ModelNeeded,
    RememberFailed,
    RunFailed,
    SessionSummarised,
)  # fmt: skip
from actalog_log.memories import MemoryMemories
from actalog_log.memories_postgres import PostgresMemories
from actalog_log.memory import MemoryLog
from actalog_log.postgres import PostgresLog
from tests.integration.memory.world import World, says
from tests.unit.actalog_conductor.spec import PLAIN

LEARNS = PLAIN.model_copy(update={"learn": True, "memories": True, "summary": True})


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
    made = World(store, PostgresMemories(store))
    yield made
    await made.stop()
    await store.stop()


async def context_of(world: World, run_no: int) -> ContextBuilt:
    (found,) = [one for one in await world.events(run_no) if isinstance(one, ContextBuilt)]
    return found


async def test_the_next_run_is_reminded_of_what_the_last_one_told(world: World):
    await world.start(LEARNS)
    first = await world.task("r1", "I like tea")
    assert (await context_of(world, first)).memories == ()
    second = await context_of(world, await world.task("r2"))
    assert [note.text for note in second.memories] == ["likes tea"]
    assert second.summary == "They talked."
    assert any(reason.startswith("memories: 1") for reason in second.reasons)


async def test_the_projector_follows_without_being_asked(world: World):
    await world.start(LEARNS.model_copy(update={"memories": False, "summary": False}))
    await world.task("r1")
    await world.until_remembered(1)


async def test_a_second_run_may_change_and_delete_what_the_first_one_added(world: World):
    def script(purpose: str, needed: ModelNeeded | None) -> str:
        if purpose != "memories" or needed is None or "likes tea" not in needed.text:
            return says(purpose, needed)
        return '```json\n[{"op": "update", "id": "1", "text": "likes coffee"}]\n```'

    world.script = script
    await world.start(LEARNS)
    await world.task("r1")
    await world.task("r2")
    await world.memories.catch_up()
    assert await world.texts() == ["likes coffee"]


async def test_an_answer_that_cannot_be_read_twice_fails_the_memory_run_alone(world: World):
    world.script = lambda purpose, needed: "fine" if purpose == "answer" else "no JSON"
    await world.start(LEARNS.model_copy(update={"summary": False}))
    run_no = await world.task("r1")
    child = await world.child(run_no)
    assert sum(isinstance(one, ModelNeeded) for one in child) == 2
    assert any(isinstance(one, RememberFailed) for one in child)
    assert isinstance(child[-1], RunFailed)
    assert (await world.events(run_no))[-1].type == "run.completed.v1"


async def test_where_nobody_spoke_no_model_is_asked_to_remember(world: World):
    await world.start(LEARNS)
    child = await world.child(await world.task("r1", "  "))
    assert world.recipes == []
    assert [type(one) for one in child[2:4]] == [MemoryUpdated, SessionSummarised]


async def test_commands_heard_again_change_nothing(world: World):
    await world.start(LEARNS)
    run_no = await world.task("r1")
    before = await world.child(run_no)
    for group in ("actalog.memory", "actalog.context"):
        world.bus.redeliver(group)
    await world.bus.drained()
    assert await world.child(run_no) == before
    await world.memories.catch_up()
    assert await world.texts() == ["likes tea"]
    await world.memories.rebuild()
    assert await world.texts() == ["likes tea"]


async def test_a_summary_covers_the_runs_that_an_earlier_failure_left_out(world: World):
    broken = True

    def script(purpose: str, needed: ModelNeeded | None) -> str:
        return "no JSON" if broken and purpose == "summary" else says(purpose, needed)

    world.script = script
    await world.start(LEARNS.model_copy(update={"learn": False}))
    await world.task("r1")
    broken = False
    await world.task("r2")
    assert [run.run_id for run in world.recipes[-1].refs] == ["r1", "r2"]
    await world.task("r3")
    assert [run.run_id for run in world.recipes[-1].refs] == ["r3"]


async def test_a_command_about_a_run_that_is_not_there_is_a_dead_letter(world: World):
    await world.start(LEARNS)
    await world.postman.command(
        Remember(
            tenant_id="default", run_no=2, run_id="m", session_id="s", user_id="u", call_id="m:1",
            definition="sha256:a", deadline="2030-01-01T00:00:00.000000Z", step="memories",
            about_run_no=999_999, about_seq=9,
        )
    )  # fmt: skip
    await world.bus.publish("actalog.memory.commands", value=b"{")
    await world.bus.drained()
    assert len(world.bus.records("actalog.memory.commands.dlq")) == 2
