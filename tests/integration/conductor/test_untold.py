"""What a supervisor has begun and could not tell anybody is begun again soon, not left to the net:
nobody sends it again (protocol 4.5, 5)."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from unittest import mock

import pytest

from actalog_bus.envelope import body
from actalog_bus.ports import Outgoing
from actalog_conductor.supervisor import INBOX_AFTER, Patience
from actalog_contracts.calls import CallModel, answer
from actalog_contracts.runs import ToolReturned
from actalog_core.errors import Transient
from actalog_log.beside_ports import InboxRow
from actalog_log.call_ports import ledger_key
from actalog_log.ports import WAKE_CLAIM
from tests.integration.conductor.test_supervisor import a_tool_that_nobody_ran
from tests.integration.conductor.world import World

CLAIM_S = WAKE_CLAIM.total_seconds()


def refuses(world: World, *, until: Callable[[], bool] = lambda: False) -> "mock._patch[object]":
    """The broker takes nothing, until then."""
    whole = world.bus.publish_many

    async def publish_many(records: Sequence[Outgoing]) -> None:
        if not until():
            raise Transient("the broker acknowledges nothing")
        await whole(records)

    return mock.patch.object(world.bus, "publish_many", publish_many)


async def test_runs_that_could_not_be_woken_are_woken_a_claim_later(world: World):
    await world.waits_for("llm", "a", "b", "c")
    world.deaf, world.ahead = set(), timedelta(seconds=31)
    with refuses(world), pytest.raises(Transient):
        await world.supervisor.look()
    await world.look()
    assert world.count(CallModel) == 3  # nobody knows yet that its supervisor failed
    await world.look(ahead_s=CLAIM_S)
    assert sorted(one["run_id"] for one in await world.results()) == ["a", "b", "c"]


async def test_who_was_woken_before_the_broker_went_is_left_alone(world: World):
    await world.waits_for("llm", "a", "b", "c")
    world.ahead = timedelta(seconds=31)
    calls = iter([True, False])
    with refuses(world, until=lambda: next(calls, False)), pytest.raises(Transient):
        await world.supervisor.look()
    await world.look(ahead_s=CLAIM_S)
    asked = sorted(one.run_id for one in world.asked if isinstance(one, CallModel))
    assert asked == ["a", "a", "b", "b", "c", "c"]
    assert len(await world.log.due_runs(world.clock() + timedelta(seconds=20), 10)) == 0


async def test_a_supervisor_that_is_stopped_while_it_wakes_leaves_the_run_to_the_next(world: World):
    await world.waits_for("llm")
    world.ahead = timedelta(seconds=31)
    begun = asyncio.Event()

    async def hangs(records: Sequence[Outgoing]) -> None:
        begun.set()
        await asyncio.Event().wait()

    with mock.patch.object(world.bus, "publish_many", hangs):
        look = asyncio.create_task(world.supervisor.look())
        await asyncio.wait_for(begun.wait(), 5)
        look.cancel()
        with pytest.raises(asyncio.CancelledError):
            await look
    await world.look(ahead_s=CLAIM_S)
    assert world.count(CallModel) == 2


async def test_an_inbox_row_stays_until_what_follows_from_it_was_told(world: World):
    """The run is committed with the first hearing; only the row brings its command about."""
    await world.start()
    task = {"type": "task.submit.v1", "target": "agent:a", "input": "hello", "run_id": "r"}
    row = InboxRow("default", "r", json.dumps(task).encode(), received_at=world.clock())
    await world.log.put_inbox(row)
    world.ahead = INBOX_AFTER + timedelta(seconds=1)
    with refuses(world), pytest.raises(Transient):
        await world.supervisor.look()
    assert await world.log.find_run("default", "r") is not None
    assert await world.log.get_inbox("default", "r") is not None
    await world.look(ahead_s=INBOX_AFTER.total_seconds() + 1)
    assert (await world.result())["status"] == "completed"
    assert await world.log.get_inbox("default", "r") is None
    assert await world.types() == [
        "run.accepted", "run.started", "context.built", "model.replied", "run.completed",
    ]  # fmt: skip


async def test_an_unheard_answer_stays_until_what_follows_from_it_was_told(world: World):
    number, ledger, command = await a_tool_that_nobody_ran(world)
    key = ledger_key(number, command.call_id)
    await ledger.claim(key, run_no=number, holder="dead", lease_ms=1)
    told = answer(command, ToolReturned(call_id=command.call_id, epoch=1, content="42"))
    assert await ledger.settle(key, epoch=1, outcome=body(told))
    await asyncio.sleep(0.01)
    with refuses(world), pytest.raises(Transient):
        await world.supervisor.look()
    assert (await world.types())[-1] == "tool.returned"
    assert await world.log.outcome(key) is not None
    await asyncio.sleep(2.1)  # the ledger names it again
    await world.look()
    assert (await world.result())["status"] == "completed"
    assert await world.log.outcome(key) is None
    assert (await world.types()).count("tool.returned") == 1


def test_what_the_servers_kept_from_being_done_waits_no_longer_for_it():
    now = 0.0
    patience = Patience(lambda: now)
    for now in (0.0, 0.5, 1.0):  # noqa: B007, the clock reads it
        assert patience.may("call")
        patience.not_tried("call")
    assert patience.may("call")
    now = 2.0
    assert not patience.may("call")
    now = 4.1
    assert patience.may("call")
    now = 9.0
    assert not patience.may("call")
