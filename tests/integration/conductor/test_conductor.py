"""A task's way through the conductor, with scripted services that answer its commands."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import pytest

from actalog_bus.memory import MemoryBroker
from actalog_bus.ready import PRIORITY
from actalog_contracts.calls import CallModel, RunTool, answer
from actalog_contracts.tasks import PublishedEvent
from actalog_core.errors import Transient
from actalog_log.beside_ports import Tombstone
from actalog_log.call_ports import ledger_key
from actalog_log.ports import Decision, Head
from tests.integration.conductor.world import SERVICES, World


async def test_a_task_becomes_a_run_with_a_result_and_every_step_in_the_log(world: World):
    world.script = {1: ["lookup", "lookup"]}
    await world.start()
    await world.task(correlation_id="c", metadata={"shop": 1})
    (result,) = await world.results()
    assert (result["status"], result["output"], result["correlation_id"]) == (
        "completed", "answer 2", "c",
    )  # fmt: skip
    assert result["usage"]["tool_calls"] == 2
    assert await world.types() == [
        "run.accepted", "run.started", "context.built", "model.replied", "tool.called",
        "tool.called", "tool.returned", "tool.returned", "model.replied", "run.completed",
    ]  # fmt: skip
    for one in world.bus.records("actalog.events"):
        told = PublishedEvent.model_validate_json(one.value or b"")
        assert one.header("ce_time") == told.recorded_at.encode()  # and not of when it was told
    published = [json.loads(one.value or b"") for one in world.bus.records("actalog.events")]
    assert [one["seq"] for one in published] == list(range(1, 11))
    assert [one["previous_hash"] for one in published[1:]] == [
        one["hash"] for one in published[:-1]
    ]


async def test_everything_delivered_twice_is_one_run_and_one_result_id(world: World):
    world.script = {1: ["lookup"]}
    await world.start()
    await world.task()
    await world.task()
    first = await world.types()
    world.bus.redeliver("actalog.conductor")
    ids = {one["id"] for one in await world.results()}
    assert len(ids) == 1
    assert await world.types() == first
    assert set(world.ran()) == {"r:t1.0"}


async def test_an_answer_that_lies_in_the_ledger_is_fetched_there_and_cleared(world: World):
    world.script, world.stores = {1: ["lookup", "lookup"]}, True
    await world.start()
    await world.task()
    (result,) = await world.results()
    assert (result["status"], result["output"]) == ("completed", "answer 2")
    first = await world.types()
    assert first.count("tool.returned") == 2
    assert await world.log.outcome(ledger_key(1, "r:t1.0")) is None
    world.bus.redeliver("actalog.conductor")  # what was heard is not there any more
    assert {one["id"] for one in await world.results()} == {result["id"]}
    assert await world.types() == first


async def test_a_stored_answer_heard_again_by_the_next_conductor_sends_what_may_be_lost(
    world: World,
):
    """The first may have died between its commit and its commands (protocol 4.4)."""
    world.script, world.deaf = {1: ["lookup"]}, {"tools"}
    await world.start()
    await world.task()
    await world.bus.drained()
    world.deaf.add("llm")
    command = next(one for one in world.asked if isinstance(one, RunTool))
    said = await world.store(command, answer(command, await world.outcome(command)))
    for _ in range(2):
        world.runs().forget()
        await world.postman.reply(said)
        await world.bus.drained()
    assert [one.call_id for one in world.asked if isinstance(one, CallModel)] == [
        "r:m1", "r:m2", "r:m2",
    ]  # fmt: skip
    assert (await world.types()).count("tool.returned") == 1


async def test_another_body_under_a_known_id_is_refused(world: World):
    await world.start()
    await world.task()
    await world.bus.drained()
    await world.task(input="something else")
    results = await world.results()
    (refused,) = [one for one in results if one["type"] == "message.refused.v1"]
    assert (refused["error"]["code"], refused["winner"]) == ("conflict", "r:1")
    assert len(world.bus.records("actalog.tasks.dlq")) == 1


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"\xff", "bad_input"), (b"{", "bad_input"), (b'{"target":"a","input":"x","x":1}', "bad_input"),
        (b'{"target":"agent:nobody","input":"x"}', "unknown_target"),
        (b'{"target":"a","input":"x","deadline":"soon"}', "bad_input"),
        (b'{"type":"requirement.resolve.v1","run_id":"no","requirement_id":"x","decision":"approve"}',
         "unknown_run"),
        (b'{"type":"run.fork.v1","run_id":"r","seq":1}', "not_allowed"),
    ],
)  # fmt: skip
async def test_bad_input_is_refused_kept_and_harms_nobody(world: World, value: bytes, code: str):
    await world.start()
    await world.raw(value)
    await world.task()
    results = await world.results()
    codes = [one["error"]["code"] for one in results if one["type"] == "message.refused.v1"]
    assert codes == [code]
    assert [one["status"] for one in results if one["type"] == "run.result.v1"] == ["completed"]
    (letter,) = world.bus.records("actalog.tasks.dlq")
    assert letter.value == value


async def test_a_cancel_that_overtakes_its_task_still_cancels_it(world: World):
    world.deaf = set(SERVICES)
    await world.start()
    await world.send(type="run.cancel.v1", run_id="r", reason="changed my mind")
    await world.bus.drained()
    await world.task()
    assert [one["status"] for one in await world.results()] == ["cancelled"]


async def test_a_cancel_that_comes_after_the_end_is_told_what_ended_the_run(world: World):
    await world.start()
    await world.task()
    await world.bus.drained()
    before = await world.types()
    await world.send(type="run.cancel.v1", run_id="r", by="ann")
    (told,) = [one for one in await world.results() if one["type"] == "message.refused.v1"]
    assert (told["error"]["code"], told["winner"]) == ("already_resolved", f"r:{len(before)}")
    assert await world.types() == before


async def test_a_cancel_that_overtook_its_task_and_was_seen_after_the_end_is_told_what_stands(
    world: World,
):
    await world.start()
    await world.task()
    await world.bus.drained()
    before = await world.types()
    # Who accepted the task died between its commit and its look for such a cancel.
    await world.log.put_tombstone(Tombstone("default", "r", "changed my mind", "ann"))
    await world.task()  # delivered again
    (told,) = [one for one in await world.results() if one["type"] == "message.refused.v1"]
    assert (told["refused_type"], told["run_id"]) == ("run.cancel.v1", "r")
    assert (told["error"]["code"], told["winner"]) == ("already_resolved", f"r:{len(before)}")
    assert await world.types() == before


async def test_what_is_cancelled_may_be_cancelled_again(world: World):
    world.deaf = {"llm"}
    await world.start()
    await world.task()
    for by in ("ann", "ann", "bob"):
        await world.send(type="run.cancel.v1", run_id="r", by=by)
    assert await world.refusals() == []
    assert (await world.types()).count("run.cancelled") == 1


async def _loses_an_answer(world: World) -> None:
    """The next commit stands, and whoever made it does not hear of that."""
    append = world.log.append

    async def lost(decision: Decision) -> Sequence[Head]:
        world.log.append = append  # type: ignore[method-assign]
        await append(decision)
        raise Transient("the connection broke")

    world.log.append = lost  # type: ignore[method-assign]


async def test_a_cancel_that_overtakes_a_task_whose_commit_was_not_told_still_cancels_it(
    world: World,
):
    await world.start()
    await world.send(type="run.cancel.v1", run_id="r", by="ann")
    await world.bus.drained()
    await _loses_an_answer(world)
    await world.task()
    assert await world.statuses() == {"cancelled"}
    assert world.asked == []


async def test_a_turn_that_was_free_when_its_task_was_committed_untold_is_taken(world: World):
    world.deaf = {"llm"}
    await world.start()
    await world.task("a", session_id="s")
    await world.bus.drained()
    append = world.log.append

    async def ends_meanwhile(decision: Decision) -> Sequence[Head]:
        world.log.append = append  # type: ignore[method-assign]
        await append(decision)
        await world.send(type="run.cancel.v1", run_id="a")
        await asyncio.sleep(0.05)
        raise Transient("the connection broke")

    world.log.append = ends_meanwhile  # type: ignore[method-assign]
    world.deaf = set()
    await world.task("b", session_id="s")
    assert await world.statuses() == {"cancelled", "completed"}


async def test_runs_of_a_session_take_turns(world: World):
    world.deaf = set(SERVICES)
    await world.start()
    for run_id in ("a", "b"):
        await world.task(run_id, session_id="s")
        await world.bus.drained()
    assert await world.types("b") == ["run.accepted"]
    await world.send(type="run.cancel.v1", run_id="a")
    await world.bus.drained()
    assert (await world.types("b"))[1] == "run.started"


async def test_a_session_belongs_to_its_first_user(world: World):
    await world.start()
    await world.task("a", session_id="s", user_id="ann")
    await world.bus.drained()
    await world.task("b", session_id="s", user_id="bob")
    assert await world.refusals() == ["not_allowed"]


async def test_a_confirmation_pauses_the_run_and_its_approval_goes_on(world: World):
    world.script = {1: ["refund"]}
    await world.start()
    await world.task()
    (paused,) = await world.results()
    (required,) = paused["requirements"]
    assert (paused["status"], world.ran()) == ("paused", [])
    answer_: dict[str, Any] = {
        "type": "requirement.resolve.v1", "run_id": "r", "requirement_id": required["id"],
        "decision": "approve", "digest": required["tool_call"]["digest"], "by": "ann",
    }  # fmt: skip
    await world.send(**{**answer_, "digest": "sha256:other"})
    assert await world.refusals() == ["digest_mismatch"]
    await world.send(**answer_)
    assert await world.statuses() == {"paused", "completed"}
    await world.send(**answer_)
    assert await world.refusals() == ["already_resolved", "digest_mismatch"]
    assert world.ran() == ["r:t1.0"]


async def test_a_run_abandoned_between_commit_and_command_is_finished_by_another(world: World):
    world.deaf = set(SERVICES)
    await world.start()
    await world.task()
    await world.bus.drained()
    await world.bus.crash()
    second = World(log=world.log, broker=world.broker)
    await second.start()
    await second.task()  # a redelivery: the state is loaded, so what is due is asked again
    results = await second.results()
    assert {one["status"] for one in results} == {"completed"}
    await second.bus.stop()


async def test_a_finished_task_that_comes_again_elsewhere_gives_the_same_result(world: World):
    await world.start()
    await world.task()
    await world.bus.drained()
    other = World(log=world.log, broker=MemoryBroker())
    await other.start()
    await other.task()
    # Its result is published again with the same id, for whoever lost it (protocol 2.2).
    assert [one["id"] for one in await other.results()] == [
        one["id"] for one in await world.results()
    ]
    await other.bus.stop()


async def test_a_task_without_id_is_one_run_however_often_it_is_delivered(world: World):
    await world.start()
    await world.raw(b'{"target":"a","input":"x"}')
    await world.bus.drained()
    world.bus.redeliver("actalog.conductor")
    await world.bus.drained()
    assert len(await world.log.list_runs("default")) == 1


async def test_a_task_without_id_that_its_sender_sends_again_is_one_run(world: World):
    """Its producer's retry lies elsewhere, and is known by source and id (protocol 1.2)."""
    await world.start()
    told = {"ce_specversion": b"1.0", "ce_type": b"task.submit.v1", "ce_source": b"/crm"}
    for id in (b"1", b"1", b"2"):
        await world.raw(b'{"target":"a","input":"x"}', ce_id=id, **told)
    await world.bus.drained()
    assert len(await world.log.list_runs("default")) == 2


async def test_a_tasks_priority_goes_with_its_commands(world: World):
    await world.start()
    await world.task("urgent", priority=5)
    await world.task("usual")
    await world.bus.drained()
    told = {
        (one.header("ce_subject") or b"").decode(): one.header(PRIORITY)
        for one in world.bus.records("actalog.llm.commands")
    }
    assert told == {"urgent": b"5", "usual": None}
