"""Remembering: a child run that neither delays nor fails its parent."""

import pytest

from actalog_contracts.calls import CallModel, Remember
from tests.integration.conductor.world import World
from tests.unit.actalog_conductor.spec import PLAIN

LEARNS = PLAIN.model_copy(update={"learn": True, "summary": True})
REMEMBERED = [
    "run.accepted", "run.started", "model.needed", "model.replied", "memory.updated",
    "model.needed", "model.replied", "session.summarised", "run.completed",
]  # fmt: skip


async def test_a_run_that_is_remembered_starts_its_child_with_its_end(world: World):
    await world.start(LEARNS.model_copy(update={"history_runs": 0, "summary": False}))
    await world.task(user_id="ann")
    (child,) = await world.children()
    assert await world.types_of(child) == [*REMEMBERED[:5], "run.completed"]
    found = await world.log.find_run_no(child)
    assert found is not None
    assert (found.row.kind, found.row.turn, found.row.session_id) == ("memory", None, "r")
    assert (found.row.parent_run_id, found.row.user_id) == ("r", "ann")


async def test_memories_come_first_and_then_the_summary(world: World):
    await world.start(LEARNS)
    await world.task(user_id="ann")
    (child,) = await world.children()
    assert await world.types_of(child) == REMEMBERED
    asked = [one for one in world.asked if isinstance(one, Remember)]
    assert [(one.step, one.continuation, one.reply) for one in asked] == [
        ("memories", None, None), ("memories", "c", "answer 1"),
        ("summary", None, None), ("summary", "c", "answer 2"),
    ]  # fmt: skip
    assert {one.about_seq for one in asked} == {len(await world.types())}
    purposes = [one.purpose for one in world.asked if isinstance(one, CallModel)]
    assert purposes == ["answer", "memories", "summary"]


async def test_only_the_run_of_the_task_has_a_result(world: World):
    await world.start(LEARNS)
    await world.task(user_id="ann")
    assert [one["run_id"] for one in await world.results()] == ["r"]
    told = {(one.key, one.header("ce_subject")) for one in world.bus.records("actalog.events")}
    assert len(told) == 2


async def test_memories_are_a_users_and_nobodys_are_not_kept(world: World):
    await world.start(LEARNS.model_copy(update={"summary": False}))
    await world.task()
    assert list(await world.children()) == []


async def test_what_does_not_end_well_is_not_remembered(world: World):
    world.deaf = {"llm"}
    await world.start(LEARNS)
    await world.task(user_id="ann")
    await world.bus.drained()
    await world.send(type="run.cancel.v1", run_id="r")
    assert list(await world.children()) == []


async def test_a_memory_service_that_is_silent_delays_nobody(world: World):
    world.deaf = {"memory"}
    await world.start(LEARNS)
    await world.task("a", session_id="s", user_id="ann")
    await world.task("b", session_id="s", user_id="ann")
    assert await world.statuses() == {"completed"}
    assert len(await world.results()) == 2


async def test_everything_heard_twice_remembers_once(world: World):
    await world.start(LEARNS)
    await world.task(user_id="ann")
    (child,) = await world.children()
    world.bus.redeliver("actalog.conductor")
    assert list(await world.children()) == [child]
    assert await world.types_of(child) == REMEMBERED


@pytest.mark.parametrize("deaf", ["memory", "llm"])
async def test_a_memory_run_has_a_deadline_of_its_own(world: World, deaf: str):
    await world.start(LEARNS)
    world.deaf = {"memory"}
    await world.task(user_id="ann")
    await world.bus.drained()
    if deaf == "llm":
        world.deaf = {"llm"}
        await world.look(ahead_s=31)
    await world.look(ahead_s=700)
    (child,) = await world.children()
    assert (await world.types_of(child))[-1] == "run.failed"
    assert await world.statuses() == {"completed"}
