"""Commands that are heard again, late, or by others (protocol 6.2, 6.3, 6.5)."""

import asyncio

import pytest
from pydantic import ValidationError

from actalog_bus.envelope import body
from actalog_bus.ports import Record
from actalog_calls.answering import answer_claimed
from actalog_contracts.calls import CallAnswered, CallStored
from actalog_contracts.runs import ToolReturned
from actalog_core.errors import Transient
from actalog_log.call_ports import Claim
from tests.unit.actalog_calls.world import COMMAND, KEY, LEASE_MS, Heard, World, open_run

BOTH = pytest.mark.parametrize("beside", [False, True])


@BOTH
async def test_a_command_is_run_once_and_its_outcome_is_kept_and_told(beside: bool):
    world = World()
    process = await world.process()
    heard = await process.hear(beside=beside)
    assert heard.settled
    (reply,) = world.replies()
    assert isinstance(reply.outcome, ToolReturned)
    assert (reply.run_no, reply.outcome.content) == (7, "done")
    assert CallAnswered.model_validate_json(world.outcome() or b"") == reply
    assert process.claims.mine == {}


@BOTH
async def test_an_answer_names_the_command_that_it_answers_and_goes_on_with_its_trace(beside: bool):
    world = World()
    process = await world.process()
    told = (("ce_id", b"asked"), ("traceparent", b"00-1"))
    heard = Heard(Record("actalog.tools.commands", 0, 0, 0, None, body(COMMAND), told))
    await answer_claimed(
        heard, COMMAND, claims=process.claims, postman=process.postman, run=process.work,
        beside=beside,
    )  # fmt: skip
    await process.put_off()
    (record,) = world.bus.records("actalog.replies")
    assert record.header("ce_causationid") == b"asked"
    assert record.header("traceparent") == b"00-1"


@BOTH
async def test_heard_again_while_it_runs_means_nothing_in_the_same_process(beside: bool):
    world = World()
    process = await world.process()
    running = await process.begin(beside=beside)
    again = await process.hear(beside=beside)
    assert (again.settled, world.replies()) == (True, [])
    process.go.set()
    await running
    assert (len(world.ran), len(world.replies())) == (1, 1)


@BOTH
async def test_heard_by_another_while_it_runs_nothing_of_the_other_leaves(beside: bool):
    world = World()
    one, other = await world.process(), await world.process()
    running = await one.begin(beside=beside)
    assert (await other.hear(beside=beside)).settled
    assert world.replies() == []
    one.go.set()
    await running
    assert len(world.replies()) == 1


@BOTH
async def test_heard_after_its_outcome_it_is_answered_again_without_running(beside: bool):
    world = World()
    await (await world.process()).hear(beside=beside)
    await (await world.process()).hear(beside=beside)
    first, second = world.replies()
    assert first == second
    assert len(world.ran) == 1


@BOTH
async def test_heard_after_the_log_has_its_outcome_nothing_is_said(beside: bool):
    world = World()
    process = await world.process()
    await process.hear(beside=beside)
    world.log.calls.clear([KEY])
    assert (await process.hear(beside=beside)).settled
    assert (len(world.ran), len(world.replies())) == (1, 1)


@BOTH
async def test_after_a_process_died_the_next_gets_its_call_as_expired(beside: bool):
    world = World()
    dead, next_ = await world.process(), await world.process()
    running = await dead.begin(beside=beside)
    await world.pass_time(LEASE_MS + 1_000, next_)
    await next_.hear(beside=beside)
    assert [(claim.state, claim.epoch) for claim in world.ran] == [("claimed", 1), ("expired", 2)]
    assert len(world.replies()) == 1
    running.cancel()


async def test_while_its_process_lives_a_call_is_renewed_however_long_it_takes():
    world = World()
    one, other = await world.process(), await world.process()
    running = await one.begin()
    await world.pass_time(10 * LEASE_MS, one, other)
    await other.hear()
    one.go.set()
    await running
    assert [claim.state for claim in world.ran] == ["claimed"]


async def test_work_beside_a_claim_that_is_lost_is_aborted_before_anything_left():
    world = World()
    one, other = await world.process(), await world.process()
    running = await one.begin()
    other.calls.slow = asyncio.Event()
    beside = await other.begin(beside=True)
    assert len(world.ran) == 2  # it has begun
    other.calls.slow.set()
    assert (await beside).settled
    assert other.claims.mine == {}
    assert world.replies() == []
    one.go.set()
    await running


async def test_a_command_that_was_sent_again_begins_nothing_that_another_is_at():
    world = World()
    one, other = await world.process(), await world.process()
    running = await one.begin(beside=True)
    other.calls.slow = asyncio.Event()
    hearing = [asyncio.create_task(other.hear(beside=True, again=True)) for _ in range(3)]
    await asyncio.sleep(0.01)
    assert len(world.ran) == 1
    other.calls.slow.set()
    await asyncio.gather(*hearing)
    one.go.set()
    await running
    assert len(world.ran) == 1


async def test_deltas_of_work_beside_its_claim_wait_until_the_claim_stands():
    world = World()
    process = await world.process()
    process.calls.slow = asyncio.Event()
    left: list[int] = []

    async def streams(claim: Claim) -> ToolReturned:
        left.append((await process.claims.stands(claim.call_id)).epoch)
        return await process.work(claim)

    running = asyncio.create_task(process.hear(beside=True, run=streams))
    await asyncio.sleep(0.01)
    assert left == []
    process.calls.slow.set()
    await running
    assert left == [1]


async def test_work_beside_a_claim_is_aborted_when_the_database_is_away():
    world = World()
    process = await world.process()
    process.calls.slow = asyncio.Event()
    running = await process.begin(beside=True)
    process.calls.down = True
    process.calls.slow.set()
    with pytest.raises(Transient):
        await running
    assert (process.claims.mine, world.replies()) == ({}, [])


async def test_a_lost_claim_aborts_work_that_began_beside_it():
    world = World()
    one, other = await world.process(), await world.process()
    running = await one.begin(beside=True)
    await world.pass_time(LEASE_MS + 1_000, other)  # one sleeps
    await other.hear(beside=True)
    await one.claims.beat()
    assert (await running).settled
    assert len(world.replies()) == 1


@BOTH
async def test_work_that_broke_off_is_resumed_as_expired(beside: bool):
    world = World()
    process = await world.process()

    async def breaks(claim: Claim) -> ToolReturned:
        world.ran.append(claim)
        raise Transient("the log was away")

    with pytest.raises(Transient):
        await process.hear(beside=beside, run=breaks)
    await process.hear(beside=beside)
    assert [(claim.state, claim.epoch) for claim in world.ran] == [("claimed", 1), ("expired", 2)]
    assert len(world.replies()) == 1


async def test_work_that_broke_off_for_good_is_left_to_others():
    world = World()
    one, other = await world.process(), await world.process()

    async def breaks(claim: Claim) -> ToolReturned:
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        await one.hear(run=breaks)
    await world.pass_time(LEASE_MS + 1_000, one, other)
    await other.hear()
    assert [claim.state for claim in world.ran] == ["expired"]


@BOTH
async def test_an_outcome_that_cannot_be_written_keeps_no_claim(beside: bool):
    world = World()
    process = await world.process()

    async def unwritable(claim: Claim) -> ToolReturned:
        return ToolReturned(call_id=COMMAND.call_id, epoch=claim.epoch, content="\ud83d")

    with pytest.raises(ValueError, match="surrogates"):
        await process.hear(beside=beside, run=unwritable)
    await process.hear(beside=beside)
    assert [claim.state for claim in world.ran] == ["expired"]
    assert len(world.replies()) == 1


async def test_a_claim_whose_answer_was_lost_is_run_when_heard_again():
    world = World()
    process = await world.process()
    process.calls.lose_answers = True
    with pytest.raises(Transient):
        await process.hear()
    await process.hear()
    assert [claim.state for claim in world.ran] == ["claimed"]


@BOTH
async def test_an_outcome_is_not_lost_while_the_database_is_away(beside: bool):
    world = World()
    process = await world.process()
    running = await process.begin(beside=beside)
    process.calls.down = True
    process.go.set()
    await asyncio.sleep(0.02)
    process.calls.down = False
    await running
    assert world.outcome() is not None
    assert len(world.replies()) == 1


async def test_an_outcome_whose_acknowledgement_was_lost_stands():
    world = World()
    process = await world.process()
    running = await process.begin()
    process.calls.lose_answers = True
    process.go.set()
    await running
    (reply,) = world.replies()
    assert not reply.late


@BOTH
async def test_a_reply_that_the_broker_did_not_take_is_told_when_heard_again(beside: bool):
    world = World()
    process = await world.process()
    reply = process.postman.reply

    async def no_broker(*_args: object, **_more: object) -> None:
        raise Transient("no broker")

    process.postman.reply = no_broker
    with pytest.raises(Transient):
        await process.hear(beside=beside)
    process.postman.reply = reply
    await process.hear(beside=beside)
    assert (len(world.ran), len(world.replies())) == (1, 1)


async def test_a_command_that_is_cancelled_at_shutdown_keeps_its_lease_for_others():
    world = World()
    one, other = await world.process(), await world.process()
    running = await one.begin()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await world.pass_time(LEASE_MS + 1_000, other)
    await other.hear()
    assert [claim.state for claim in world.ran] == ["claimed", "expired"]


async def test_two_tenants_whose_run_ids_are_equal_do_not_get_each_other_s_outcomes():
    world = World()
    process = await world.process()
    await process.hear()
    other = COMMAND.model_copy(update={"run_no": 8, "tenant_id": "other"})
    claim = await process.claims.claim(f"{other.run_no}/{other.call_id}", run_no=8)
    assert claim.state == "claimed"


async def test_work_that_broke_off_and_was_taken_by_another_is_the_other_s():
    world = World()
    one, other = await world.process(), await world.process()

    async def breaks(claim: Claim) -> ToolReturned:
        raise Transient("the log was away")

    with pytest.raises(Transient):
        await one.hear(run=breaks)
    await world.pass_time(LEASE_MS + 1_000, one, other)
    await other.begin()
    assert (await one.hear()).settled
    assert (len(world.ran), world.replies(), one.claims.mine) == (1, [], {})


async def test_work_that_broke_off_is_resumed_once_the_database_is_back():
    world = World()
    process = await world.process()

    async def breaks(claim: Claim) -> ToolReturned:
        process.calls.down = True
        raise Transient("the log was away")

    with pytest.raises(Transient):
        await process.hear(run=breaks)
    with pytest.raises(Transient):
        await process.hear()
    process.calls.down = False
    await process.hear()
    assert [claim.state for claim in world.ran] == ["expired"]


async def test_a_stored_outcome_that_this_build_cannot_read_is_not_run_again():
    world = World()
    process = await world.process()
    await process.hear()
    world.log.calls.rows[KEY].outcome = b'{"type": "of a newer build"}'
    with pytest.raises(ValidationError):
        await process.hear()
    assert len(world.ran) == 1


async def test_a_command_whose_run_has_ended_is_told_so_when_it_is_claimed():
    world = World()
    await open_run(world, "ended")
    process = await world.process()
    told: list[str] = []

    async def work(claim: Claim) -> ToolReturned:
        process.claims.on_ended(claim.call_id, lambda: told.append("ended"))
        return await process.work(claim)

    await process.hear(run=work)
    assert told == ["ended"]


@BOTH
async def test_a_large_outcome_stays_in_the_ledger_and_is_told_by_its_name(beside: bool):
    world = World()
    process = await world.process()
    process.content = "x" * 5_000
    await process.hear(beside=beside)
    await (await world.process()).hear(beside=beside)  # answered again: by its name, too
    said = [one.value or b"" for one in world.bus.records("actalog.replies")]
    assert len(said) == 2
    for one in said:
        assert CallStored.model_validate_json(one).call_id == COMMAND.call_id
    stored = CallAnswered.model_validate_json(world.outcome() or b"")
    assert isinstance(stored.outcome, ToolReturned)
    assert stored.outcome.content == "x" * 5_000


@BOTH
async def test_a_large_outcome_that_comes_late_is_told_whole(beside: bool):
    """What lies in the ledger is another's then."""
    world = World()
    late, next_ = await world.process(), await world.process()
    late.content = "x" * 5_000
    running = await late.begin(beside=beside)
    await world.pass_time(LEASE_MS + 1_000, next_)
    await next_.hear(beside=beside)
    late.go.set()
    await running
    first, second = world.replies()
    assert (first.outcome.epoch, second.outcome.epoch) == (2, 1)  # pyright: ignore
