"""The supervisor: what has not come by itself is asked again, and nothing else (protocol 5)."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from actalog_bus.envelope import body
from actalog_bus.ports import Outgoing
from actalog_calls.reach import Reach
from actalog_conductor.supervisor import WAKES_PER_LOOK
from actalog_contracts.calls import CallModel, RunTool, answer
from actalog_contracts.runs import ToolInDoubt, ToolReturned
from actalog_core.errors import Transient
from actalog_log.beside_ports import InboxRow
from actalog_log.call_ports import Calls, ledger_key
from actalog_log.calls import PostgresCalls
from actalog_log.ports import OpenRun
from actalog_log.postgres import PostgresLog
from tests.integration.conductor.world import SERVICES, World
from tests.unit.actalog_conductor.spec import PLAIN


def calls_of(world: World) -> Calls:
    log = world.log
    return PostgresCalls(log.pool) if isinstance(log, PostgresLog) else log.calls


async def run_no(world: World, run_id: str = "r") -> int:
    found = await world.log.find_run("default", run_id)
    assert found is not None
    return found.row.run_no


async def a_tool_that_nobody_ran(world: World) -> tuple[int, Calls, RunTool]:
    """A run that waits for it: its number, the ledger, the command."""
    world.script, world.deaf = {1: ["lookup"]}, {"tools"}
    await world.start()
    await world.task()
    await world.bus.drained()
    command = next(one for one in world.asked if isinstance(one, RunTool))
    return await run_no(world), calls_of(world), command


async def test_a_lost_command_is_asked_again(world: World):
    await world.waits_for("llm")
    world.deaf = set()
    await world.look()
    assert await world.statuses() == set()
    await world.look(ahead_s=31)
    assert await world.statuses() == {"completed"}


async def test_what_somebody_holds_is_not_asked_again(world: World):
    await world.waits_for("llm")
    number = await run_no(world)
    key = ledger_key(number, "r:m1")
    await calls_of(world).claim(key, run_no=number, holder="w", lease_ms=600_000)
    await world.look(ahead_s=31)
    assert world.count(CallModel) == 1


async def test_after_a_broker_lost_its_data_every_open_run_is_looked_at_at_once(world: World):
    await world.waits_for("llm")
    world.deaf = set()
    world.supervisor.broker_began_anew()
    await world.look()
    assert await world.statuses() == {"completed"}
    before = len(world.asked)
    await world.look()
    assert len(world.asked) == before


async def test_an_answer_that_its_worker_stored_and_never_told_is_heard(world: World):
    number, ledger, command = await a_tool_that_nobody_ran(world)
    key = ledger_key(number, command.call_id)
    await ledger.claim(key, run_no=number, holder="dead", lease_ms=1)
    told = answer(command, ToolReturned(call_id=command.call_id, epoch=1, content="42"))
    assert await ledger.settle(key, epoch=1, outcome=body(told))
    await asyncio.sleep(0.01)
    await world.look()
    assert world.count(RunTool) == 1  # nobody is asked again
    assert await world.statuses() == {"completed"}
    assert await world.log.outcome(key) is None


async def test_a_call_that_is_claimed_again_while_its_doubt_is_told_stays_claimed(world: World):
    """The supervisor stands still between telling a doubt and clearing it, and a person is fast."""
    number, ledger, command = await a_tool_that_nobody_ran(world)
    key = ledger_key(number, command.call_id)
    await ledger.claim(key, run_no=number, holder="dead", lease_ms=1)
    doubt = ToolInDoubt(call_id=command.call_id, epoch=1, message="its worker died")
    assert await ledger.settle(key, epoch=1, outcome=body(answer(command, doubt)))
    await asyncio.sleep(0.01)
    tell = world.supervisor.hear_answer

    async def tells_and_stands_still(stored: bytes) -> None:
        await tell(stored)
        await world.send(
            type="requirement.resolve.v1", run_id="r", decision="not_done",
            requirement_id=f"{command.call_id}:doubt1",
        )  # fmt: skip
        await world.bus.drained()
        claim = await ledger.claim(
            key, run_no=number, holder="next", lease_ms=60_000, after_epoch=1
        )
        assert (claim.state, claim.epoch) == ("claimed", 2)

    world.supervisor.hear_answer = tells_and_stands_still
    await world.look()
    assert world.count(RunTool) == 2
    assert not (await ledger.renew("next", 60_000, [key])).lost
    assert await ledger.settle(key, epoch=2, outcome=b"2")


async def test_a_stored_answer_that_means_nothing_any_more_is_let_go(world: World):
    number, ledger, command = await a_tool_that_nobody_ran(world)
    other = command.model_copy(update={"call_id": "r:t9.9"})
    key = ledger_key(number, other.call_id)
    await ledger.claim(key, run_no=number, holder="dead", lease_ms=1)
    told = answer(other, ToolReturned(call_id=other.call_id, epoch=1, content="42"))
    assert await ledger.settle(key, epoch=1, outcome=body(told))
    await asyncio.sleep(0.01)
    await world.look()
    assert await world.log.outcome(key) is None
    assert await world.statuses() == set()


async def test_a_dead_worker_is_noticed_when_its_lease_has_run_out(world: World):
    world.script, world.deaf = {1: ["lookup", "lookup"]}, {"tools"}
    await world.start()
    await world.task()
    await world.bus.drained()
    number = await run_no(world)
    key = ledger_key(number, "r:t1.1")
    await calls_of(world).claim(key, run_no=number, holder="dead", lease_ms=1)
    await asyncio.sleep(0.01)
    await world.look()
    assert [one.call_id for one in world.asked if isinstance(one, RunTool)][2:] == ["r:t1.1"]
    # Not where the dead worker's partitions wait for the end of its session.
    records = world.bus.records("actalog.tools.commands")
    first, again = (one for one in records if one.key == b"r:t1.1")
    assert abs(first.partition - again.partition) == world.bus.partitions(first.topic) // 2
    await world.look()  # at once again: it was just asked
    assert world.count(RunTool) == 3


async def test_calls_of_an_ended_run_whose_holder_is_gone_keep_nothing_open(world: World):
    await world.waits_for("llm")
    number = await run_no(world)
    key = ledger_key(number, "r:m1")
    await calls_of(world).claim(key, run_no=number, holder="dead", lease_ms=1)
    await world.send(type="run.cancel.v1", run_id="r")
    await world.look(ahead_s=31)
    async with asyncio.timeout(10):  # the row goes after the commit, when its end is published
        while await world.log.due_runs(world.clock() + timedelta(days=1), 10):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_the_deadline_ends_a_run_that_nobody_answers(world: World):
    world.deaf = set(SERVICES)
    await world.start()
    soon = (world.clock() + timedelta(seconds=45)).isoformat().replace("+00:00", "Z")
    await world.task(deadline=soon)
    await world.look(ahead_s=31)  # wakes for the net, and sees that the deadline is next
    assert await world.statuses() == set()
    await world.look(ahead_s=15)
    (result,) = await world.results()
    assert result["error"]["code"] == "deadline_exceeded"


async def test_a_short_deadline_does_not_wait_for_the_net(world: World):
    world.deaf = set(SERVICES)
    await world.start()
    soon = (world.clock() + timedelta(seconds=2)).isoformat().replace("+00:00", "Z")
    await world.task(deadline=soon)
    await world.look(ahead_s=2.1)
    assert (await world.result())["error"]["code"] == "deadline_exceeded"


async def test_a_paused_run_is_only_timed(world: World):
    world.script = {1: ["refund"]}
    await world.start()
    await world.task()
    await world.look(ahead_s=31)
    assert await world.statuses() == {"paused"}
    assert world.ran() == []
    await world.look(ahead_s=600)
    assert await world.statuses() == {"paused", "failed"}


async def test_a_turn_that_was_freed_unheard_is_found(world: World):
    world.deaf = {"llm"}
    await world.start()
    for name in ("a", "b"):
        await world.task(name, session_id="s")
        await world.bus.drained()
    lost = world.bus.publish_many

    async def loses_turns(records: Sequence[Outgoing]) -> None:
        kept = [one for one in records if b"turn.free" not in (one.value or b"")]
        await lost(kept)

    world.bus.publish_many = loses_turns
    await world.send(type="run.cancel.v1", run_id="a")
    assert await world.types("b") == ["run.accepted"]
    world.bus.publish_many, world.deaf = lost, set()
    await world.look(ahead_s=31)
    assert (await world.types("b"))[-1] == "run.completed"


async def test_wakes_back_off(world: World):
    world.deaf = {"llm"}
    await world.start(PLAIN.model_copy(update={"limits": PLAIN.limits.model_copy(
        update={"deadline_ms": 86_400_000})}))  # fmt: skip
    await world.task()
    for _ in range(100):
        await world.look(ahead_s=10)
    assert 3 <= world.count(CallModel) <= 7


async def test_a_broker_that_acknowledges_nothing_stops_it(world: World):
    world.deaf = {"llm"}
    await world.start()
    for n in range(5):
        await world.task(f"r{n}")
    await world.bus.drained()
    told = 0

    async def silent(records: Sequence[Outgoing]) -> None:
        nonlocal told
        told += 1
        raise Transient("no broker")

    world.bus.publish_many = silent
    world.ahead += timedelta(seconds=31)
    with pytest.raises(Transient):
        await world.supervisor.look()
    assert told == 1


async def test_an_idle_look_asks_one_question(world: World):
    await world.start()
    await world.look()
    asked: list[str] = []
    looming = world.log.looming

    async def counted(*args: object) -> object:
        asked.append("looming")
        return await looming(*args)  # pyright: ignore[reportArgumentType]

    world.log.looming = counted  # pyright: ignore[reportAttributeAccessIssue]
    await world.look()
    assert asked == ["looming"]


async def test_it_starts_looks_and_stops_with_its_service(world: World):
    await world.waits_for("llm")
    assert await world.service.missing() == ["supervisor: not started"]
    world.deaf, world.ahead = set(), timedelta(seconds=31)
    world.supervisor.every_s = 0.01
    await world.service.start()
    assert await world.service.missing() == []
    async with asyncio.timeout(5):
        while not await world.statuses():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await world.service.stop()


async def test_after_a_gap_the_living_have_a_lease_to_renew_theirs(world: World):
    world.script, world.deaf = {1: ["lookup"]}, {"tools"}
    await world.start()
    await world.task()
    await world.bus.drained()
    number, now = await run_no(world), 100.0
    await calls_of(world).claim(
        ledger_key(number, "r:t1.0"), run_no=number, holder="cut off", lease_ms=1
    )
    world.supervisor.reach = Reach(lease_s=5.0, clock=lambda: now)
    await asyncio.sleep(0.01)
    for now in (100.0, 103.0, 104.9, 115.0):  # noqa: B007, the clock reads it
        await world.look()
        assert world.count(RunTool) == 1
    for now in (118.0, 120.1):  # noqa: B007
        await world.look()
    assert world.count(RunTool) == 2


async def test_a_crowd_is_woken_by_so_many_at_a_time(world: World):
    world.deaf = {"llm"}
    await world.start()
    crowd = WAKES_PER_LOOK + 20
    for n in range(crowd):
        await world.task(f"r{n}")
    await world.look(ahead_s=31)
    assert world.count(CallModel) == crowd + WAKES_PER_LOOK
    await world.look()
    assert world.count(CallModel) == 2 * crowd
    await world.look()
    assert world.count(CallModel) == 2 * crowd


async def test_all_that_a_dead_worker_held_is_asked_again_at_once(world: World):
    world.script, world.deaf = {1: ["lookup"]}, {"tools"}
    await world.start()
    crowd = 2 * WAKES_PER_LOOK + 20
    for n in range(crowd):
        await world.task(f"r{n}")
    await world.bus.drained()
    for n in range(crowd):
        number = await run_no(world, f"r{n}")
        key = ledger_key(number, f"r{n}:t1.0")
        await calls_of(world).claim(key, run_no=number, holder="dead", lease_ms=1)
    await asyncio.sleep(0.01)
    await world.look()
    assert world.count(RunTool) == 2 * crowd
    await world.look()
    assert world.count(RunTool) == 2 * crowd


async def test_a_call_that_stays_undone_keeps_none_behind_it_waiting(world: World):
    world.script, world.deaf = {1: ["lookup"]}, {"tools"}
    await world.start()
    await world.task()
    await world.bus.drained()
    number, ledger = await run_no(world), calls_of(world)
    for n in range(WAKES_PER_LOOK):  # nobody waits for these any more
        key = ledger_key(number, f"r:t0.{n}")
        await ledger.claim(key, run_no=number, holder="dead", lease_ms=1)
    await asyncio.sleep(0.01)
    last = ledger_key(number, "r:t1.0")
    await ledger.claim(last, run_no=number, holder="dead", lease_ms=1)
    await asyncio.sleep(0.01)
    await world.look()
    await world.look()
    assert world.count(RunTool) == 2


async def test_several_share_the_work(fresh_database: str):
    one, two = PostgresLog(fresh_database), PostgresLog(fresh_database)
    await one.start()
    await two.start()
    world, other = World(one), World(two)
    world.deaf = {"llm", "tools"}
    await world.start()
    for n in range(40):
        await world.task(f"r{n}")
    await world.bus.drained()
    for n in range(40):
        row = InboxRow("default", f"i{n}", b"not json", received_at=None)
        await one.put_inbox(row)
    other.bus, other.ahead = world.bus, timedelta(seconds=31)
    other.supervisor.waking.postman = world.supervisor.waking.postman
    other.supervisor.waking.teller = world.supervisor.waking.teller
    world.ahead = timedelta(seconds=31)
    woken: list[str] = []
    heard: list[str] = []

    async def hears(row: InboxRow) -> None:
        heard.append(row.inbox_id)

    for each in (world, other):
        wake = each.supervisor.waking.wake

        async def counted(due: OpenRun, wake: Callable[..., Any] = wake) -> None:
            woken.append(due.row.run_id)
            await wake(due)

        each.supervisor.waking.wake = counted
        each.supervisor.hear_row = hears
    await asyncio.gather(*(each.supervisor.look() for each in (world, other, world, other)))
    assert sorted(woken) == sorted(f"r{n}" for n in range(40))
    assert sorted(heard) == sorted(f"i{n}" for n in range(40))
    await world.bus.stop()
    await one.stop()
    await two.stop()
