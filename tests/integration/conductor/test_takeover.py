"""A conductor dies, or its partitions go to another: nothing is lost and nothing done twice."""

import asyncio
import json
from collections.abc import Callable, Sequence

import pytest

from actalog_bus.ports import Outgoing
from actalog_contracts.calls import CallModel, RunTool, answer
from actalog_contracts.runs import ToolReturned
from actalog_core import events
from actalog_core.errors import DataRefused, Transient
from actalog_log.ports import Append, Decision, Head, NewEvent
from tests.integration.conductor.world import SERVICES, World
from tests.unit.actalog_conductor.spec import PLAIN


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def another(world: World) -> World:
    """A second conductor over the same log and broker, with a cold cache."""
    await world.bus.drained()
    await world.bus.crash()
    second = World(world.log, broker=world.broker)
    await second.start()
    return second


async def test_a_cold_run_asks_for_all_that_is_due_when_it_hears_of_one_call(world: World):
    world.script, world.deaf = {1: ["lookup", "lookup", "lookup"]}, {"tools"}
    await world.start()
    await world.task()
    second = await another(world)
    first = next(one for one in world.asked if isinstance(one, RunTool))
    await second.postman.reply(answer(first, ToolReturned(call_id=first.call_id, content="x")))
    assert await second.statuses() == {"completed"}
    assert set(second.ran()) >= {"r:t1.1", "r:t1.2"}
    await second.bus.stop()


async def test_a_broker_that_was_silent_after_the_commit_is_told_all_of_it(world: World):
    await world.start()
    tells, failing = world.bus.publish_many, [True]

    async def silent_once(records: Sequence[Outgoing]) -> None:
        if failing and any(one.topic == "actalog.events" for one in records):
            failing.clear()
            raise Transient("no broker")
        await tells(records)

    world.bus.publish_many = silent_once
    await world.task()
    assert await world.statuses() == {"completed"}
    told = [one.header("ce_id") for one in world.bus.records("actalog.events")]
    assert told == [f"r:{seq}".encode() for seq in range(1, 6)]


@pytest.mark.tampers
async def test_a_run_with_events_of_a_newer_build_waits_for_one(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """While two builds run side by side, the older one may hear of a run that the newer one had."""
    await world.waits_for("llm")
    found = await world.log.find_run("default", "r")
    assert found is not None
    flown = NewEvent("run.flown.v9", b"{}", world.clock())
    await world.log.append(Decision((Append(found.row.run_no, found.head, (flown,)),)))
    world.runs().forget()
    (command,) = [one for one in world.asked if isinstance(one, CallModel)]
    await world.postman.reply(answer(command, await world.think(command)))
    world.deaf = set()
    await world.task("other")
    await _until(lambda: world.statuses_now() == {"completed"})
    assert {one["run_id"] for one in world.results_now()} == {"other"}
    assert world.bus.records("actalog.replies.dlq") == []
    newer: dict[str, events.Upcaster] = {"run.flown.v9": lambda told: ("run.started.v1", told)}
    monkeypatch.setattr(events, "UPCASTERS", newer)  # what the newer build knows
    await _until(lambda: len(world.results_now()) == 2)
    assert world.statuses_now() == {"completed"}


async def test_what_was_cached_is_forgotten_when_partitions_are_assigned(world: World):
    world.deaf = set(SERVICES)
    await world.start()
    await world.task()
    await world.bus.drained()
    found = await world.log.find_run("default", "r")
    assert found is not None
    assert world.runs().cached(found.row.run_no) is not None
    await world.bus.stop()
    await world.bus.start()
    assert world.runs().cached(found.row.run_no) is None


async def test_a_run_that_has_ended_leaves_the_cache(world: World):
    await world.start()
    await world.task()
    await world.bus.drained()
    found = await world.log.find_run("default", "r")
    assert found is not None
    assert world.runs().cached(found.row.run_no) is None


async def test_a_stale_cache_never_decides_that_there_is_nothing_to_do(world: World):
    await world.waits_for("llm")
    found = await world.log.find_run("default", "r")
    assert found is not None
    stale = world.runs().cached(found.row.run_no)
    assert stale is not None
    world.script, world.deaf = {1: ["refund"]}, set()
    await world.look(ahead_s=31)
    assert await world.statuses() == {"paused"}
    world.runs().keep(stale)  # as on a replica that heard nothing of it
    await world.send(
        type="requirement.resolve.v1", run_id="r", requirement_id="r:t1.0:confirm",
        decision="approve",
    )  # fmt: skip
    assert await world.statuses() == {"paused", "completed"}


@pytest.mark.parametrize("ce_id", [None, b"answer-1"])
async def test_an_answer_whose_hearer_died_before_it_told_is_no_late_one(
    world: World, ce_id: bytes | None
):
    world.script = {1: ["refund"]}
    await world.start()
    await world.task()
    assert await world.statuses() == {"paused"}
    tells, failing = world.bus.publish_many, [True]

    async def silent_once(records: Sequence[Outgoing]) -> None:
        if failing and any(one.topic == "actalog.tools.commands" for one in records):
            failing.clear()
            raise Transient("no broker")
        await tells(records)

    world.bus.publish_many = silent_once
    answered = {
        "type": "requirement.resolve.v1", "run_id": "r", "requirement_id": "r:t1.0:confirm",
        "decision": "approve",
    }  # fmt: skip
    await world.raw(json.dumps(answered).encode(), **({"ce_id": ce_id} if ce_id else {}))
    assert await world.statuses() == {"paused", "completed"}
    assert await world.refusals() == []
    await world.send(**answered)
    (refused,) = [one for one in await world.results() if one["type"] == "message.refused.v1"]
    types = await world.types()
    assert refused["winner"] == f"r:{types.index('requirement.resolved') + 1}"


def silent_once(world: World, topic: str, run_id: str | None = None) -> None:
    """The broker does not take the first command for a topic (of a run)."""
    tells, failing = world.bus.publish_many, [True]

    async def silent(records: Sequence[Outgoing]) -> None:
        told = [dict(one.headers)["ce_subject"] for one in records if one.topic == topic]
        if failing and told and (run_id is None or run_id.encode() in told):
            failing.clear()
            raise Transient("no broker")
        await tells(records)

    world.bus.publish_many = silent


async def test_7_1_what_was_told_is_not_told_again_with_what_was_not(world: World):
    await world.waits_for("llm")
    (command,) = world.asked
    silent_once(world, "actalog.events")
    await world.postman.reply(answer(command, await world.outcome(command)))
    assert await world.statuses() == {"completed"}
    told = [one.header("ce_id") for one in world.bus.records("actalog.events")]
    assert told == [f"r:{seq}".encode() for seq in range(1, 6)]


async def test_a_child_whose_first_command_was_not_taken_is_asked_with_its_parent(world: World):
    await world.start(PLAIN.model_copy(update={"learn": True}))
    silent_once(world, "actalog.memory.commands")
    await world.task(user_id="ann")
    (child,) = await world.children()
    await world.bus.drained()
    assert (await world.types_of(child))[-1] == "run.completed"


async def test_a_turn_whose_first_command_was_not_taken_is_asked_again(world: World):
    world.deaf = {"llm"}
    await world.start()
    await world.task("a", session_id="s")
    await world.bus.drained()
    await world.task("b", session_id="s")
    await world.bus.drained()
    world.deaf = set()
    silent_once(world, "actalog.llm.commands", "b")
    await world.look(ahead_s=31)
    assert (await world.types("b"))[-1] == "run.completed"


async def test_what_the_log_refuses_ends_its_own_run_typed(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    await world.start(PLAIN)
    append = world.log.append

    async def refuses(decision: Decision) -> tuple[Head, ...]:
        told = [event.type for one in decision.appends for event in one.events]
        if "model.replied.v1" in told:
            raise DataRefused("it is no text")
        return await append(decision)

    monkeypatch.setattr(world.log, "append", refuses)
    await world.task()
    result = await world.result()
    assert (result["status"], result["error"]["code"]) == ("failed", "internal")


async def test_a_cause_with_bytes_that_no_database_takes_is_cleaned(world: World):
    await world.waits_for("llm")
    (command,) = world.asked
    sent = world.postman.answer(answer(command, await world.outcome(command)))
    headers = (*sent.headers, ("ce_id", b"a\x00b\xff"))
    await world.bus.publish_many([Outgoing(sent.topic, sent.value, sent.key, headers, 0)])
    assert await world.statuses() == {"completed"}
