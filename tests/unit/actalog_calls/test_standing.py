"""Whether a claim stands: who waits for that, who is told, and what is left of an earlier one."""

import asyncio
import gc
from datetime import timedelta

import pytest

from actalog_bus.envelope import body
from actalog_bus.ports import Record
from actalog_calls.answering import answer_claimed
from actalog_contracts.runs import ToolReturned
from actalog_core.errors import Transient
from actalog_log.call_ports import Claim
from tests.unit.actalog_calls.world import COMMAND, KEY, LEASE_MS, Heard, World, open_run


async def test_6_3_who_gives_up_waiting_for_a_claim_takes_it_from_nobody():
    world = World()
    process = await world.process()
    process.calls.answers = asyncio.Event()
    claiming = asyncio.create_task(process.claims.claim(KEY, run_no=7))
    await asyncio.sleep(0)
    gives_up, waits = [asyncio.create_task(process.claims.stands(KEY)) for _ in range(2)]
    await asyncio.sleep(0)
    gives_up.cancel()
    await asyncio.wait([gives_up])
    process.calls.answers.set()
    assert (await claiming).state == "claimed"
    assert await waits == await claiming


@pytest.mark.parametrize("why", ["no database", "another's"])
async def test_6_3_who_waits_for_a_claim_hears_that_it_will_not_stand(
    why: str, caplog: pytest.LogCaptureFixture
):
    world = World()
    one, other = await world.process(), await world.process()
    if why == "another's":
        await other.claims.claim(KEY, run_no=7)
    for waited in (True, False):
        one.calls.slow = asyncio.Event()
        one.calls.down = why == "no database"
        claiming = asyncio.create_task(one.claims.claim(KEY, run_no=7))
        await asyncio.sleep(0)
        waits = asyncio.create_task(one.claims.stands(KEY)) if waited else None
        await asyncio.sleep(0)
        one.calls.slow.set()
        await asyncio.wait([claiming])
        if waits is not None:
            with pytest.raises(Transient):
                await asyncio.wait_for(waits, 1)
        assert (claiming.exception() is None) == (why == "another's")
        assert not one.claims.holds(KEY)
        one.claims.forget(KEY)  # once more is no fault
    del claiming, waits
    gc.collect()
    assert caplog.records == []  # nobody needs to have waited


async def test_6_3_work_beside_a_claim_that_is_another_s_is_told_so():
    """What it has cost by then is recorded: that needs a reason, and not only a cancellation."""
    world = World()
    one, other = await world.process(), await world.process()
    await other.claims.claim(KEY, run_no=7)
    told: list[str] = []

    async def works(claim: Claim) -> ToolReturned:
        one.claims.on_lost(claim.call_id, lambda: told.append("lost"))
        return await one.work(claim)

    one.calls.answers = asyncio.Event()
    running = await one.begin(beside=True, run=works)
    assert told == []
    one.calls.answers.set()
    await running
    assert told == ["lost"]
    assert world.replies() == []


async def test_6_7_who_may_not_raise_an_epoch_does_not_take_the_call_for_its_own():
    world = World()
    process = await world.process()
    await process.claims.claim(KEY, run_no=7)
    assert process.claims.surely_ours(KEY)
    world.log.calls.rows[KEY].holder = "another"
    assert await process.claims.next_epoch(KEY, 1) is None
    assert not process.claims.surely_ours(KEY)


async def test_6_4_what_was_resumed_behind_a_gap_is_surely_ours_from_then_on():
    world = World()
    process = await world.process()
    await process.claims.claim(KEY, run_no=7)
    process.claims.broke_off(KEY)
    world.time.pass_(60_000)  # it stood still
    await process.claims.beat()
    assert (await process.claims.claim(KEY, run_no=7)).state == "expired"
    assert process.claims.surely_ours(KEY)


async def test_6_5_an_outcome_is_too_late_where_the_log_has_another_s():
    """Its row says nothing of whose it was: only who may have stored it himself believes that."""
    world = World()
    one, other = await world.process(), await world.process()
    await one.claims.claim(KEY, run_no=7)
    await world.pass_time(2 * LEASE_MS, other)
    await other.claims.claim(KEY, run_no=7)
    assert await other.claims.settle(KEY, epoch=2, outcome=b"theirs")
    world.log.calls.clear([KEY])  # by the decision that heard it
    assert not await one.claims.settle(KEY, epoch=1, outcome=b"mine")


async def test_6_8_what_broke_off_is_not_told_of_its_run_s_end():
    world = World()
    await open_run(world, "active")
    process = await world.process()
    told: list[str] = []
    for name in ("broke off", "goes on"):
        await process.claims.claim(KEY, run_no=7)
        process.claims.on_ended(KEY, lambda name=name: told.append(f"{name}: ended"))
        process.claims.on_lost(KEY, lambda name=name: told.append(f"{name}: lost"))
        if name == "broke off":
            process.claims.broke_off(KEY)
    world.log.open[7].standing = "ended"
    await process.claims.beat()
    world.log.calls.rows[KEY].holder = "another"
    await process.claims.beat()
    assert told == ["goes on: ended", "goes on: lost"]


async def test_6_1_what_acts_does_not_begin_before_its_claim_stands():
    world = World()
    process = await world.process()
    process.calls.slow = asyncio.Event()
    running = await process.begin()
    assert world.ran == []
    process.calls.slow.set()
    process.go.set()
    assert (await running).settled
    assert len(world.ran) == 1


@pytest.mark.parametrize("heard_before", [True, False])
async def test_6_3_what_another_may_have_heard_waits_for_its_claim(heard_before: bool):
    """After a change of hands, or where a topic is read once more: each model is paid for."""
    world = World()
    process = await world.process()
    process.calls.slow = asyncio.Event()
    heard, left = Heard(Record("t", 0, 0, 0, None, body(COMMAND), ())), list[str]()
    answer = answer_claimed(
        heard, COMMAND, claims=process.claims, postman=process.postman, run=process.work,
        beside=True, heard_before=heard_before,
        leaving=lambda: left.append(f"before {len(world.replies())} replies"),
    )  # fmt: skip
    answering = asyncio.create_task(answer)
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(world.ran) == (0 if heard_before else 1)
    process.calls.slow.set()
    await answering
    await process.put_off()
    assert (len(world.ran), len(world.replies())) == (1, 1)
    assert left == ["before 0 replies"]


async def test_6_3_where_the_claim_is_answered_at_once_nothing_begins_in_vain():
    world = World()
    one, other = await world.process(), await world.process()
    running = await one.begin(beside=True)
    assert (await other.hear(beside=True)).settled
    assert len(world.ran) == 1
    one.go.set()
    await running


@pytest.mark.parametrize("turns", [2, 20], ids=["before it works", "beside its work"])
async def test_6_3_who_is_stopped_while_it_claims_holds_nothing(turns: int):
    """A claim that nobody works under would be renewed for as long as the process lives."""
    world = World()
    process = await world.process()
    process.calls.answers = asyncio.Event()
    process.go.clear()
    running = asyncio.create_task(process.hear(beside=True))
    for _ in range(turns):
        await asyncio.sleep(0)
    assert len(process.claims.mine) == 1
    assert len(world.ran) == (turns > 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    process.calls.answers.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert process.claims.mine == {}


async def test_6_3_work_begun_in_vain_may_fail_as_it_likes():
    world = World()
    one, other = await world.process(), await world.process()
    running = await one.begin(beside=True)

    async def fails(_: Claim) -> ToolReturned:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("it does not like to be cancelled") from None
        raise AssertionError

    other.calls.answers = asyncio.Event()
    in_vain = await other.begin(beside=True, run=fails)
    other.calls.answers.set()
    assert (await in_vain).settled
    one.go.set()
    await running
    assert len(world.replies()) == 1


async def test_6_4_a_statement_that_had_no_answer_is_a_gap():
    world = World()
    process = await world.process()
    await process.claims.claim(KEY, run_no=7)
    assert process.claims.surely_ours(KEY)
    process.calls.down = True
    with pytest.raises(Transient):
        await process.claims.look(KEY)
    process.calls.down = False
    assert not process.claims.surely_ours(KEY)
    assert not process.claims.reach.steady()


async def test_who_stops_renews_no_more():
    world = World()
    process = await world.process()
    process.claims.lease_ms = 15
    await process.claims.start()
    await process.claims.claim(KEY, run_no=7)
    await process.claims.stop()
    world.time.pass_(5)
    before = world.log.calls.rows[KEY].lease_until
    await asyncio.sleep(0.03)
    assert world.log.calls.rows[KEY].lease_until == before


async def test_each_renewal_tells_how_far_this_machine_s_clock_is_off():
    world = World()
    process = await world.process()
    world.time.pass_(3_600_000)
    await process.claims.beat()
    assert abs(process.claims.sure.theirs() - world.time.now) < timedelta(minutes=1)
