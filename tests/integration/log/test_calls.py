"""The effect ledger (protocol 6): one suite over both."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from actalog_log import chain
from actalog_log.call_ports import Claim, Renewed
from actalog_log.calls import PostgresCalls
from actalog_log.memory import MemoryLog
from actalog_log.memory_calls import MemoryCalls
from actalog_log.ports import Append, Decision, Head, NewEvent, RunRow, Standing
from actalog_log.postgres import PostgresLog

LONG = 60_000


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[MemoryLog | PostgresLog]:
    if request.param == "memory":
        yield MemoryLog()
        return
    log = PostgresLog(request.getfixturevalue("fresh_database"))
    await log.start()
    yield log
    await log.stop()


@pytest.fixture
def calls(log: MemoryLog | PostgresLog) -> MemoryCalls | PostgresCalls:
    return log.calls if isinstance(log, MemoryLog) else PostgresCalls(log.pool)


Calls = MemoryCalls | PostgresCalls


async def test_a_call_is_claimed_once(calls: Calls):
    assert (await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)).state == "claimed"
    assert (await calls.claim("c", run_no=1, holder="b", lease_ms=LONG)).state == "busy"


async def test_an_outcome_is_answered_again_without_running(calls: Calls):
    claim = await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)
    assert await calls.settle("c", epoch=claim.epoch, outcome=b"done")
    again = await calls.claim("c", run_no=1, holder="b", lease_ms=LONG)
    assert (again.state, again.outcome) == ("answered", b"done")


async def test_an_outcome_is_read_by_its_key(calls: Calls, log: MemoryLog | PostgresLog):
    for at in range(3):
        await calls.claim(f"1/t{at}", run_no=1, holder="a", lease_ms=LONG)
    await calls.settle("1/t1", epoch=1, outcome=b"one")
    await calls.settle("1/t2", epoch=1, outcome=b"two")
    await log.append(Decision((), clear_calls=("1/t2",)))
    told = await asyncio.gather(*(log.outcome(f"1/t{at}") for at in range(4)))
    assert told == [None, b"one", None, None]  # held, stored, cleared, unknown


async def test_what_a_person_voided_is_claimed_anew_once(calls: Calls):
    claim = await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)
    await calls.settle("c", epoch=claim.epoch, outcome=b"in doubt")

    async def asked(holder: str) -> Claim:
        return await calls.claim("c", run_no=1, holder=holder, lease_ms=LONG, after_epoch=1)

    again = await asked("b")
    assert (again.state, again.epoch, again.outcome) == ("claimed", 2, None)
    assert (await asked("z")).state == "busy"
    assert not await calls.settle("c", epoch=1, outcome=b"a zombie's")
    assert await calls.settle("c", epoch=2, outcome=b"done")
    told = await asked("b")
    assert (told.state, told.epoch, told.outcome) == ("answered", 2, b"done")


async def test_what_was_voided_before_anybody_had_claimed_it_has_the_next_epoch(calls: Calls):
    """Its command died unheard; of outcomes up to the voided epoch nobody wants to know."""
    claim = await calls.claim("c", run_no=1, holder="a", lease_ms=LONG, after_epoch=1)
    assert (claim.state, claim.epoch) == ("claimed", 2)
    assert await calls.settle("c", epoch=2, outcome=b"done")
    claim = await calls.claim("c", run_no=1, holder="b", lease_ms=LONG, after_epoch=3)
    assert (claim.state, claim.epoch) == ("claimed", 4)


async def test_deaths_are_counted_and_the_third_only_where_it_ran_alone(calls: Calls):
    async def taken_over(holder: str) -> int:
        claim = await calls.claim("c", run_no=1, holder=holder, lease_ms=1)
        await asyncio.sleep(0.02)
        return claim.deaths

    assert [await taken_over(name) for name in "abcde"] == [0, 1, 2, 2, 2]
    claim = await calls.claim("c", run_no=1, holder="e", lease_ms=1)
    assert claim.deaths == 2
    assert not await calls.run_alone("c", epoch=claim.epoch - 1)
    assert await calls.run_alone("c", epoch=claim.epoch)
    await asyncio.sleep(0.02)
    assert await taken_over("f") == 3
    assert await taken_over("g") == 3


async def test_an_outcome_is_written_under_its_epoch_only(calls: Calls):
    claim = await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)
    raised = await calls.raise_epoch("c", epoch=claim.epoch, holder="a")
    assert raised is not None
    assert raised == claim.epoch + 1
    assert not await calls.settle("c", epoch=claim.epoch, outcome=b"late")
    assert await calls.settle("c", epoch=raised, outcome=b"done")
    assert not await calls.settle("c", epoch=raised, outcome=b"twice")


async def test_an_epoch_is_raised_by_its_holder_only_and_once(calls: Calls):
    claim = await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)
    assert await calls.raise_epoch("c", epoch=claim.epoch, holder="b") is None
    assert await calls.raise_epoch("none", epoch=1, holder="a") is None
    assert await calls.raise_epoch("c", epoch=1, holder="a") == 2
    assert await calls.raise_epoch("c", epoch=1, holder="a") is None
    await calls.settle("c", epoch=2, outcome=b"done")
    assert await calls.raise_epoch("c", epoch=2, holder="a") is None


async def test_renewing_tells_the_time_also_where_there_is_nothing_to_renew(calls: Calls):
    await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)
    times = [(await calls.renew("a", LONG, asked)).at for asked in ([], ["c"], ["c", "none"])]
    assert all(isinstance(at, datetime) for at in times)


async def test_renewing_tells_which_runs_have_ended(calls: Calls):
    await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)
    assert await calls.renew("a", LONG, ["c"]) == Renewed(ended=frozenset({"c"}))
    assert await calls.renew("b", LONG, ["c"]) == Renewed(lost=frozenset({"c"}))
    assert await calls.renew("a", LONG, []) == Renewed()
    await calls.settle("c", epoch=1, outcome=b"done")
    assert await calls.renew("a", LONG, ["c"]) == Renewed(lost=frozenset({"c"}))


async def test_a_claim_of_what_a_person_has_let_begin_again_is_told_as_the_first_time(
    calls: Calls,
):
    """Its answer was lost, so nothing has begun under it: it is in no doubt."""
    await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)
    await calls.settle("c", epoch=1, outcome=b"in doubt")
    for _ in range(2):
        claim = await calls.claim("c", run_no=1, holder="b", lease_ms=LONG, after_epoch=1)
        assert (claim.state, claim.epoch) == ("claimed", 2)
    assert await calls.raise_epoch("c", epoch=2, holder="b") == 3  # its work broke off
    claim = await calls.claim("c", run_no=1, holder="b", lease_ms=LONG, after_epoch=1)
    assert (claim.state, claim.epoch) == ("expired", 3)


async def test_a_claim_of_somebody_else_s_after_a_person_s_word_is_expired(calls: Calls):
    await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)
    await calls.settle("c", epoch=1, outcome=b"in doubt")
    await calls.claim("c", run_no=1, holder="b", lease_ms=0, after_epoch=1)
    await asyncio.sleep(0.01)
    claim = await calls.claim("c", run_no=1, holder="d", lease_ms=LONG, after_epoch=1)
    assert (claim.state, claim.epoch) == ("expired", 3)


async def test_a_claim_whose_answer_was_lost_is_told_again_to_its_holder_only(calls: Calls):
    for _ in range(2):
        claim = await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)
        assert (claim.state, claim.epoch) == ("claimed", 1)
    assert (await calls.claim("c", run_no=1, holder="b", lease_ms=LONG)).state == "busy"


async def test_an_expired_lease_is_taken_under_the_next_epoch_and_fences_the_zombie():
    now = datetime(2026, 11, 24, tzinfo=UTC)
    log = MemoryLog(clock=lambda: now)
    first = await log.calls.claim("c", run_no=1, holder="a", lease_ms=1_000)
    now += timedelta(seconds=2)
    assert await log.expired_calls(10) == [("c", 1)]
    second = await log.calls.claim("c", run_no=1, holder="b", lease_ms=1_000)
    assert (second.state, second.epoch) == ("expired", 2)
    assert not await log.calls.settle("c", epoch=first.epoch, outcome=b"zombie")


async def test_what_was_not_taken_over_stays_busy_until_it_may_be(calls: Calls):
    await calls.claim("c", run_no=1, holder="a", lease_ms=0)
    await asyncio.sleep(0.002)
    told = await calls.claim("c", run_no=1, holder="b", lease_ms=LONG, take_over=False)
    assert (told.state, told.epoch) == ("busy", 1)
    told = await calls.claim("c", run_no=1, holder="b", lease_ms=LONG)
    assert (told.state, told.epoch) == ("expired", 2)
    assert not await calls.settle("c", epoch=1, outcome=b"zombie")
    assert await calls.renew("a", LONG, ["c"]) == Renewed(lost=frozenset({"c"}))


async def test_whoever_has_just_begun_takes_over_what_a_supervisor_has_seen_dead(
    log: MemoryLog | PostgresLog, calls: Calls
):
    await calls.claim("c", run_no=1, holder="a", lease_ms=0)
    await asyncio.sleep(0.002)
    fresh = partial(calls.claim, "c", run_no=1, lease_ms=LONG, take_over=False)
    assert (await fresh(holder="b", on_notice=True)).state == "busy"  # nobody has seen it yet
    assert await log.expired_calls(10) == [("c", 1)]
    assert (await fresh(holder="b")).state == "busy"
    told = await fresh(holder="b", on_notice=True)
    assert (told.state, told.epoch) == ("expired", 2)
    assert not await calls.settle("c", epoch=1, outcome=b"zombie")


async def test_a_notice_is_void_once_the_holder_has_renewed(
    log: MemoryLog | PostgresLog, calls: Calls
):
    await calls.claim("c", run_no=1, holder="a", lease_ms=0)
    await asyncio.sleep(0.002)
    assert await log.expired_calls(10) == [("c", 1)]
    for lease_ms in (LONG, 0):  # and when it has run out anew, it has to be seen anew
        await calls.renew("a", lease_ms, ["c"])
        await asyncio.sleep(0.002)
        told = await calls.claim(
            "c", run_no=1, holder="b", lease_ms=LONG, take_over=False, on_notice=True
        )
        assert (told.state, told.epoch) == ("busy", 1)


async def test_many_claims_at_once_each_get_their_own_answer(calls: Calls):
    first = await calls.claim("c0", run_no=1, holder="a", lease_ms=LONG)
    await calls.settle("c0", epoch=first.epoch, outcome=b"0")
    await calls.claim("c1", run_no=1, holder="b", lease_ms=LONG)
    await calls.claim("c2", run_no=1, holder="b", lease_ms=0)
    await calls.claim("c3", run_no=1, holder="b", lease_ms=0)
    await asyncio.sleep(0.002)
    told = await asyncio.gather(
        *(
            calls.claim(f"c{at}", run_no=1, holder="a", lease_ms=LONG, take_over=at != 3)
            for at in range(450)
        )
    )
    assert [one.call_id for one in told] == [f"c{at}" for at in range(450)]
    states = ["answered", "busy", "expired", "busy", *["claimed"] * 446]
    assert [one.state for one in told] == states
    assert told[0].outcome == b"0"
    settled = await asyncio.gather(
        *(calls.settle(f"c{at}", epoch=2 if at < 4 else 1, outcome=b"x") for at in range(450))
    )
    assert settled == [False, False, True, False, *[True] * 446]


async def test_many_outcomes_are_settled_together_each_under_its_epoch_only(calls: Calls):
    keys = [f"c{at}" for at in range(450)]
    for key in keys:
        await calls.claim(key, run_no=1, holder="a", lease_ms=LONG)
    await calls.settle("c0", epoch=1, outcome=b"before")
    await calls.raise_epoch("c1", epoch=1, holder="a")
    stored = await calls.settle_all({**dict.fromkeys(keys, (1, b"x")), "never claimed": (1, b"x")})
    assert stored == set(keys[2:])
    assert await calls.settle_all(dict.fromkeys(keys[:2], (2, b"y"))) == {"c1"}
    told = [await calls.claim(key, run_no=1, holder="b", lease_ms=LONG) for key in keys[:3]]
    assert [one.outcome for one in told] == [b"before", b"y", b"x"]
    assert await calls.settle_all({}) == set()


async def test_one_call_that_many_claim_at_once_is_one_s_only(calls: Calls):
    told = await asyncio.gather(
        *(calls.claim("c", run_no=1, holder=f"h{at}", lease_ms=LONG) for at in range(20))
    )
    assert sorted(one.state for one in told) == ["busy"] * 19 + ["claimed"]


async def test_what_the_log_has_is_answered_without_an_outcome(
    calls: Calls, log: MemoryLog | PostgresLog
):
    claim = await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)
    # Before it was settled: the reply was faster than its outcome.
    await log.append(Decision(clear_calls=("c",)))
    assert not await calls.settle("c", epoch=claim.epoch, outcome=b"late")
    told = await calls.claim("c", run_no=1, holder="b", lease_ms=LONG)
    assert (told.state, told.outcome) == ("answered", None)


async def test_a_claim_tells_that_its_run_has_ended(calls: Calls, log: MemoryLog | PostgresLog):
    await begin(log, 1, "active")
    await begin(log, 2, "ended")
    told = [
        await calls.claim(f"c{run_no}", run_no=run_no, holder="a", lease_ms=LONG)
        for run_no in (1, 2, 3)
    ]
    assert [one.ended for one in told] == [False, True, False]
    assert (await calls.claim("c2", run_no=2, holder="a", lease_ms=LONG)).ended
    assert not (await calls.claim("c2", run_no=2, holder="b", lease_ms=LONG)).ended  # busy


@pytest.mark.postgres
async def test_processes_that_claim_renew_settle_and_clear_at_once_lose_nothing(
    fresh_database: str,
):
    log = PostgresLog(fresh_database)
    await log.start()
    processes = [PostgresCalls(log.pool) for _ in range(3)]
    won: list[str] = []

    async def play(at: int, calls: PostgresCalls) -> None:
        names = [f"c{n}" for n in range(40)][:: 1 if at % 2 else -1]
        claims = await asyncio.gather(
            *(calls.claim(n, run_no=1, holder=f"h{at}", lease_ms=LONG) for n in names)
        )
        ours = [one for one in claims if one.state == "claimed"]
        await calls.renew(f"h{at}", LONG, [one.call_id for one in ours])
        settled = await asyncio.gather(
            *(calls.settle(one.call_id, epoch=1, outcome=b"x") for one in ours)
        )
        await log.append(Decision(clear_calls=tuple(reversed(names))))
        won.extend(one.call_id for one, stored in zip(ours, settled, strict=True) if stored)

    await asyncio.gather(*(play(at, calls) for at, calls in enumerate(processes)))
    assert len(won) == len(set(won))
    await log.stop()


async def begin(log: MemoryLog | PostgresLog, run_no: int, standing: Standing) -> None:
    now = datetime(2026, 11, 24, tzinfo=UTC)
    row = RunRow(
        run_no, "default", f"r{run_no}", f"s{run_no}", 1, "agent", "agent:a", "sha256:d",
        "hmac:b", accepted_at=now,
    )  # fmt: skip
    head = Head(0, chain.row_digest(row))
    event = NewEvent("run.accepted.v1", b"{}", now)
    await log.append(Decision((Append(run_no, head, (event,), row, standing),)))
