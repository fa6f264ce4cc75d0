"""The effect ledger (protocol 6): one suite over both."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from actalog_log.calls import PostgresCalls
from actalog_log.memory import MemoryCalls, MemoryLog
from actalog_log.ports import Renewed
from actalog_log.postgres import PostgresLog

LONG = 60_000


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def calls(request: pytest.FixtureRequest) -> AsyncIterator[MemoryCalls | PostgresCalls]:
    if request.param == "memory":
        yield MemoryLog().calls
        return
    log = PostgresLog(request.getfixturevalue("fresh_database"))
    await log.start()
    yield PostgresCalls(log.pool)
    await log.stop()


Calls = MemoryCalls | PostgresCalls


async def test_a_call_is_claimed_once(calls: Calls):
    assert (await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)).state == "claimed"
    assert (await calls.claim("c", run_no=1, holder="b", lease_ms=LONG)).state == "busy"


async def test_an_outcome_is_answered_again_without_running(calls: Calls):
    claim = await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)
    assert await calls.settle("c", epoch=claim.epoch, outcome=b"done")
    again = await calls.claim("c", run_no=1, holder="b", lease_ms=LONG)
    assert (again.state, again.outcome) == ("answered", b"done")


async def test_an_outcome_is_written_under_its_epoch_only(calls: Calls):
    claim = await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)
    raised = await calls.raise_epoch("c", epoch=claim.epoch, holder="a")
    assert raised is not None
    assert raised == claim.epoch + 1
    assert not await calls.settle("c", epoch=claim.epoch, outcome=b"late")
    assert await calls.settle("c", epoch=raised, outcome=b"done")
    assert not await calls.settle("c", epoch=raised, outcome=b"twice")


async def test_an_epoch_is_raised_by_its_holder_only(calls: Calls):
    claim = await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)
    assert await calls.raise_epoch("c", epoch=claim.epoch, holder="b") is None
    assert await calls.raise_epoch("none", epoch=1, holder="a") is None


async def test_renewing_tells_which_runs_have_ended(calls: Calls):
    await calls.claim("c", run_no=1, holder="a", lease_ms=LONG)
    assert await calls.renew("a", LONG, ["c"]) == Renewed(ended=frozenset({"c"}))
    assert await calls.renew("b", LONG, ["c"]) == Renewed(lost=frozenset({"c"}))
    assert await calls.renew("a", LONG, []) == Renewed()


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
