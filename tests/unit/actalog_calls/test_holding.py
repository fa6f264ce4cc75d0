"""What a process knows of the calls that it holds: whether they are its own, renewed and settled."""

import asyncio
from collections.abc import Collection

import pytest

from actalog_bus.envelope import body
from actalog_bus.ports import Record
from actalog_calls.answering import answer_claimed
from actalog_contracts.runs import ToolReturned
from actalog_core.errors import Transient
from actalog_log.call_ports import Claim, Renewed
from tests.unit.actalog_calls.world import COMMAND, KEY, LEASE_MS, Heard, Process, World


async def holding(world: World) -> Process:
    process = await world.process()
    await process.claims.claim(KEY, run_no=7)
    return process


def renewed(world: World) -> bool:
    return world.log.calls.rows[KEY].lease_until > world.time.now


async def test_6_5_an_outcome_stands_although_the_answer_to_its_settling_was_lost():
    world = World()
    process = await holding(world)
    process.calls.lose_answers = True
    assert await process.claims.settle(KEY, epoch=1, outcome=b"mine")
    assert world.outcome() == b"mine"


async def test_6_5_an_outcome_that_the_log_took_meanwhile_stands():
    world = World()
    process = await holding(world)
    settle = process.calls.settle

    async def heard(call_id: str, *, epoch: int, outcome: bytes) -> bool:
        process.calls.settle = settle  # type: ignore[method-assign]
        await settle(call_id, epoch=epoch, outcome=outcome)
        world.log.calls.clear([call_id])  # by the decision that heard it
        raise Transient("the connection broke")

    process.calls.settle = heard  # type: ignore[method-assign]
    assert await process.claims.settle(KEY, epoch=1, outcome=b"mine")


@pytest.mark.parametrize("theirs", [b"theirs", None], ids=["answered", "still at it"])
async def test_6_5_an_outcome_that_was_kept_from_standing_is_too_late_where_another_has_the_call(
    theirs: bytes | None,
):
    world = World()
    one, other = await holding(world), await world.process()
    await world.pass_time(2 * LEASE_MS, other)
    assert (await other.claims.claim(KEY, run_no=7)).state == "expired"
    one.calls.down = True
    settling = asyncio.create_task(one.claims.settle(KEY, epoch=1, outcome=b"mine"))
    await asyncio.sleep(0.01)
    if theirs is not None:
        assert await other.claims.settle(KEY, epoch=2, outcome=theirs)
    await world.pass_time(2 * LEASE_MS, one)  # whoever looks takes nothing over
    one.calls.down = False
    assert not await settling
    row = world.log.calls.rows[KEY]
    assert (row.epoch, row.outcome) == (2, theirs)
    assert row.holder == other.claims.holder


async def test_work_that_is_resumed_stands_and_is_renewed_as_all_work_is():
    world = World()
    process = await world.process()

    async def breaks(claim: Claim) -> ToolReturned:
        raise Transient("the log was away")

    async def goes_on(claim: Claim) -> ToolReturned:
        async with asyncio.timeout(1):
            stands = await process.claims.stands(claim.call_id)
        assert (stands.state, stands.epoch) == ("expired", 2)
        return await process.work(claim)

    with pytest.raises(Transient):
        await process.hear(beside=True, run=breaks)
    running = await process.begin(beside=True, run=goes_on)
    await world.pass_time(3 * LEASE_MS, process)
    assert renewed(world)
    process.go.set()
    await running
    assert world.outcome() is not None


async def test_what_broke_off_and_another_took_is_busy():
    world = World()
    one, other = await holding(world), await world.process()
    one.claims.broke_off(KEY)
    await world.pass_time(2 * LEASE_MS, one, other)
    await other.claims.claim(KEY, run_no=7)
    assert await one.claims.claim(KEY, run_no=7) == Claim(KEY, "busy", 1)


async def test_a_claim_that_is_on_its_way_is_not_lost_to_a_renewal():
    """A renewal that named it would be told that nobody of this name holds it."""
    world = World()
    process = await world.process()
    claim, comes = process.calls.claim, asyncio.Event()

    async def slowly(*args: str, **more: int) -> Claim:
        await comes.wait()
        return await claim(*args, **more)  # type: ignore[arg-type]

    process.calls.claim = slowly  # type: ignore[method-assign,assignment]
    running = await process.begin(beside=True)
    await process.claims.beat()
    comes.set()
    await asyncio.sleep(0)
    await world.pass_time(3 * LEASE_MS, process)
    assert renewed(world)
    process.go.set()
    await running
    assert len(world.replies()) == 1


async def test_renewals_go_on_after_one_that_broke():
    world = World()
    process = await holding(world)
    process.claims.lease_ms = 15
    renew, broken = process.calls.renew, asyncio.Event()

    async def breaks(holder: str, lease_ms: int, call_ids: Collection[str]) -> Renewed:
        process.calls.renew = renew  # type: ignore[method-assign]
        broken.set()
        raise ZeroDivisionError

    await process.claims.start()
    process.calls.renew = breaks  # type: ignore[method-assign]
    await broken.wait()
    world.time.pass_(5)
    before = world.log.calls.rows[KEY].lease_until
    await asyncio.sleep(0.03)
    assert world.log.calls.rows[KEY].lease_until > before
    await process.claims.stop()


async def test_6_4_who_stood_still_asks_whether_a_call_is_still_its_own():
    world = World()
    process = await holding(world)
    assert await process.claims.still_ours(KEY)
    world.time.pass_(60_000)
    assert not process.claims.surely_ours(KEY)
    process.calls.down = True
    asking = asyncio.create_task(process.claims.still_ours(KEY))
    await asyncio.sleep(0.01)
    assert not asking.done()  # however long it takes to know
    process.calls.down = False
    assert await asking
    assert process.claims.surely_ours(KEY)
    assert renewed(world)


async def test_6_4_a_call_that_another_has_or_that_was_given_up_is_not_one_s_own():
    world = World()
    one, other = await holding(world), await world.process()
    await world.pass_time(2 * LEASE_MS, other)
    await other.claims.claim(KEY, run_no=7)
    assert not await one.claims.still_ours(KEY)
    one.claims.forget(KEY)
    assert not await one.claims.still_ours(KEY)


async def test_6_3_work_beside_its_claim_begins_once_under_the_first_epoch():
    world = World()
    process = await world.process()
    process.calls.answers = asyncio.Event()
    running = await process.begin(beside=True)
    assert [(one.state, one.epoch) for one in world.ran] == [("claimed", 1)]
    process.calls.answers.set()
    process.go.set()
    await running
    assert len(world.ran) == 1
    (reply,) = world.replies()
    assert getattr(reply.outcome, "epoch") == 1  # noqa: B009


@pytest.mark.parametrize("cut_off", [True, False], ids=["no database", "shutdown"])
async def test_6_3_work_beside_a_claim_that_will_not_stand_ends_with_it(cut_off: bool):
    """Nobody would have what it says, and a model is paid for each second."""
    world = World()
    process = await world.process()
    process.calls.slow, ended = asyncio.Event(), asyncio.Event()

    async def works(claim: Claim) -> ToolReturned:
        try:
            return await process.work(claim)
        finally:
            ended.set()

    running = await process.begin(beside=True, run=works)
    if cut_off:
        process.calls.down = True
        process.calls.slow.set()
    else:
        running.cancel()
    with pytest.raises(Transient if cut_off else asyncio.CancelledError):
        await running
    assert ended.is_set()


@pytest.mark.parametrize("beside", [True, False])
async def test_who_is_stopped_while_it_works_is_not_taken_for_one_that_lost_its_call(beside: bool):
    world = World()
    process = await world.process()
    running = await process.begin(beside=beside)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_call_that_was_lost_is_run_here_when_it_comes_back():
    """Whoever took it has died meanwhile as well."""
    world = World()
    one, other = await world.process(), await world.process()
    lost = await one.begin(beside=True)
    await world.pass_time(2 * LEASE_MS, other)
    taken = await other.begin(beside=True)
    await one.claims.beat()
    await lost
    await world.pass_time(3 * LEASE_MS, one)
    one.go.set()
    await one.hear(beside=True, again=True)
    assert [(one.state, one.epoch) for one in world.ran[-1:]] == [("expired", 3)]
    assert len(world.replies()) == 1
    taken.cancel()


async def test_what_a_person_says_was_not_done_runs_although_its_outcome_is_known():
    world = World()
    process = await world.process()
    await process.hear()
    again = COMMAND.model_copy(update={"after_epoch": 1})
    for _ in range(2):
        record = Record("actalog.tools.commands", 0, 1, 0, None, body(again), ())
        await answer_claimed(
            Heard(record), again, claims=process.claims, postman=process.postman,
            run=process.work, beside=False,
        )  # fmt: skip
    assert [one.epoch for one in world.ran] == [1, 2]
    assert len(world.replies()) == 3


@pytest.mark.parametrize("beside", [True, False])
async def test_what_died_unheard_and_a_person_lets_run_has_an_epoch_that_counts(beside: bool):
    """Also where the work begins beside its claim."""
    world = World()
    process = await world.process()
    told = COMMAND.model_copy(update={"after_epoch": 1})
    record = Record("actalog.tools.commands", 0, 1, 0, None, body(told), ())
    process.calls.slow = asyncio.Event()
    asyncio.get_running_loop().call_later(0.05, process.calls.slow.set)
    await answer_claimed(
        Heard(record), told, claims=process.claims, postman=process.postman, run=process.work,
        beside=beside,
    )  # fmt: skip
    assert [(one.state, one.epoch) for one in world.ran] == [("claimed", 2)]
    (reply,) = world.replies()
    assert isinstance(reply.outcome, ToolReturned)
    assert reply.outcome.epoch == 2


async def test_who_could_take_a_call_over_asks_no_more_while_another_is_at_it():
    world = World()
    one, other = await world.process(), await world.process()
    running = await one.begin()
    await other.hear()
    assert other.claims.waiting == {}
    world.time.pass_(LEASE_MS)  # a gap: it cannot tell whether the lease has run out
    await other.hear()
    assert list(other.claims.waiting) == [KEY]
    running.cancel()


async def test_6_5_what_another_holds_is_not_surely_ours_however_well_we_reach_the_database():
    world = World()
    process = await holding(world)
    assert process.claims.surely_ours(KEY)
    world.log.calls.rows[KEY].holder = "another"
    await process.claims.beat()
    assert not process.claims.surely_ours(KEY)


async def test_6_4_who_has_just_started_takes_over_what_a_supervisor_asked_for_again():
    """It had reached the database for a lease, and knows that the holder did not renew."""
    world = World()
    await (await world.process()).begin()
    world.time.pass_(LEASE_MS + 1_000)
    started = await world.process("next", steady=False)
    assert [key for key, _ in await world.log.expired_calls(10)] == [KEY]
    await started.hear(again=True)
    assert [claim.state for claim in world.ran] == ["claimed", "expired"]
