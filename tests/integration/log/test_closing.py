"""When a run leaves `open_runs`, what goes with it, and how it comes back; over both stores."""

import asyncio
from datetime import timedelta

from actalog_log.beside_ports import Held
from actalog_log.call_ports import Renewed, ledger_key
from actalog_log.ports import Append, Decision, Head, Looming
from tests.integration.log.test_log import NOW, Log, begin, event, log
from tests.integration.log.test_watching import calls_of

__all__ = ["log"]


async def closed(log: Log) -> tuple[int, Head]:
    """A run that has ended and was published."""
    new, head = await begin(log)
    (head,) = await log.append(Decision((Append(new.run_no, head, (event(),), standing="ended"),)))
    log.published(new.run_no, head.seq)
    await gone(log)
    return new.run_no, head


async def gone(log: Log) -> None:
    """Wait until no run is open: marks are written lazily."""
    async with asyncio.timeout(10):
        while await _open(log):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _open(log: Log) -> int:
    if hasattr(log, "pool"):
        return await log.pool.fetchval("select count(*) from open_runs")  # pyright: ignore
    return len(log.open)  # pyright: ignore


async def test_what_follows_an_end_brings_the_run_back_until_it_was_published(log: Log):
    run_no, head = await closed(log)
    late = Append(run_no, head, (event(),), standing="ended", wake_at=NOW)
    (after,) = await log.append(Decision((late,)))
    found = await log.find_run_no(run_no)
    assert found is not None
    assert (found.standing, found.published_seq) == ("ended", head.seq)
    assert [one.row.run_no for one in await log.due_runs(NOW, 10)] == [run_no]
    log.published(run_no, after.seq)
    await gone(log)
    assert await _open(log) == 0


async def test_held_text_that_nobody_released_goes_when_its_run_leaves(log: Log):
    new, head = await begin(log)
    await log.put_held(Held("default", "h", new.run_no, "4111 1111"))
    assert await log.get_held("default", "h") == "4111 1111"
    (head,) = await log.append(Decision((Append(new.run_no, head, (event(),), standing="ended"),)))
    log.published(new.run_no, head.seq)
    await gone(log)
    assert await log.get_held("default", "h") is None


async def test_text_is_not_held_for_a_run_that_has_left(log: Log):
    run_no, _ = await closed(log)
    await log.put_held(Held("default", "late", run_no, "4111 1111"))
    assert await log.get_held("default", "late") is None


async def test_an_answer_that_nobody_told_is_found_until_the_log_has_it(log: Log):
    calls = calls_of(log)
    new, _ = await begin(log)
    key = ledger_key(new.run_no, "r:t1.0")
    await calls.claim(key, run_no=new.run_no, holder="w", lease_ms=1)
    assert await calls.settle(key, epoch=1, outcome=b"{}")
    await asyncio.sleep(0.01)
    before = NOW.replace(year=2000)
    answers = Looming(runs=False, calls=False, inbox=False, answers=True)
    assert await log.looming(before, before) == answers
    assert await log.unheard_answers(10) == [(key, new.run_no, b"{}")]
    assert not (await log.looming(before, before)).answers  # somebody is at it
    await log.append(Decision(clear_calls=(key,)))
    assert await log.outcome(key) is None


async def test_an_answer_within_its_lease_is_still_on_its_way(log: Log):
    calls = calls_of(log)
    new, _ = await begin(log)
    key = ledger_key(new.run_no, "r:t1.0")
    await calls.claim(key, run_no=new.run_no, holder="w", lease_ms=60_000)
    assert await calls.settle(key, epoch=1, outcome=b"{}")
    assert await log.unheard_answers(10) == []


async def test_every_open_run_can_be_woken_at_once(log: Log):
    numbers = [(await begin(log, session=f"s{n}"))[0].run_no for n in range(3)]
    assert len(await log.due_runs(NOW, 2)) == 2
    assert await log.wake_all(NOW + timedelta(seconds=1)) == 2
    due = await log.due_runs(NOW + timedelta(seconds=1), 10)
    assert sorted(one.row.run_no for one in due) == numbers


async def test_a_run_that_goes_on_stays_open_however_far_it_was_published(log: Log):
    new, head = await begin(log)
    log.published(new.run_no, head.seq)
    await asyncio.sleep(0.4)  # marks are written lazily
    assert await _open(log) == 1


async def test_a_run_stays_open_until_its_calls_are_settled(log: Log):
    calls = calls_of(log)
    new, head = await begin(log)
    key = ledger_key(new.run_no, "r:t1.0")
    await calls.claim(key, run_no=new.run_no, holder="w", lease_ms=60_000)
    (head,) = await log.append(Decision((Append(new.run_no, head, (event(),), standing="ended"),)))
    assert await calls.renew("w", 60_000, [key]) == Renewed(ended=frozenset({key}))
    log.published(new.run_no, head.seq)
    await asyncio.sleep(0.4)
    assert await _open(log) == 1
    await calls.settle(key, epoch=1, outcome=b"{}")
    log.published(new.run_no, head.seq)
    await gone(log)


async def test_who_claims_a_call_of_a_run_that_has_left_is_told_that_it_has_ended(log: Log):
    """Its command lay in a topic: nothing needs to be done any more (protocol 6.8)."""
    run_no, _ = await closed(log)
    key = ledger_key(run_no, "r:t1.0")
    claim = await calls_of(log).claim(key, run_no=run_no, holder="w", lease_ms=60_000)
    assert (claim.state, claim.ended) == ("claimed", True)
