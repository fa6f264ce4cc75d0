"""What a conductor asks around its appends, over both stores."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from actalog_log.beside_ports import InboxRow, Tombstone
from actalog_log.call_ports import Calls, ledger_key
from actalog_log.calls import PostgresCalls
from actalog_log.ports import Decision, Looming, Opening, SessionOp
from actalog_log.postgres import PostgresLog
from tests.integration.log.test_log import NOW, Log, first, log, row

__all__ = ["log"]


def calls_of(log: Log) -> Calls:
    return PostgresCalls(log.pool) if isinstance(log, PostgresLog) else log.calls


async def begun(log: Log, **more: object) -> int:
    new = row(await log.reserve_run_no(), **more)  # pyright: ignore[reportArgumentType]
    await log.append(Decision((first(new),)))
    return new.run_no


async def test_all_that_accepting_a_task_has_to_know_is_one_question(log: Log):
    assert await log.opening("default", "s", "a") == Opening(0, busy=False, known=False)
    await begun(log, run_id="a")
    told = Opening(1, busy=True, known=True, user_id="u@example.com")
    assert await log.opening("default", "s", "a") == told
    assert await log.opening("other", "s", "a") == Opening(0, busy=False, known=False)


async def test_a_session_that_a_restore_left_without_its_first_turns_is_still_its_user_s(log: Log):
    assert await begun(log, run_id="b", turn=2)
    told = Opening(2, busy=True, known=False, user_id="u@example.com")
    assert await log.opening("default", "s", "c") == told


async def test_many_questions_at_once_each_get_their_own_answer(log: Log):
    for n in range(5):
        await begun(log, session=f"s{n}", run_id=f"r{n}")
    asked = [log.opening("default", f"s{n}", f"r{n % 3}") for n in range(10)]
    told = await asyncio.gather(*asked)
    assert [one.turn for one in told] == [1] * 5 + [0] * 5
    assert all(one.known for one in told)
    graves = [Tombstone("default", f"t{n}", None, f"by{n}") for n in range(4)]
    for grave in graves:
        await log.put_tombstone(grave)
    found = await asyncio.gather(*(log.get_tombstone("default", f"t{n}") for n in range(6)))
    assert found == [*graves, None, None]


async def test_the_first_that_waits_is_told_by_its_number(log: Log):
    new = row(await log.reserve_run_no())
    await log.append(Decision((first(new, standing="waiting"),)))
    later = row(await log.reserve_run_no(), turn=2)
    await log.append(Decision((first(later, standing="waiting"),)))
    both = [log.first_waiting_no("default", one) for one in ("s", "none")]
    assert await asyncio.gather(*both) == [new.run_no, None]


async def test_the_state_version_is_that_of_the_session(log: Log):
    assert await log.state_version("default", "s") == 0
    op = SessionOp("default", "s", 3, 1, 1, "[]")
    await log.append(Decision(session_ops=(op,)))
    assert await log.state_version("default", "s") == 3
    assert await log.state_version("default", "t") == 0


async def test_what_looms_is_one_question(log: Log):
    soon = NOW + timedelta(days=10_000)
    nothing = await log.looming(NOW - timedelta(seconds=1), NOW)
    assert nothing == Looming(runs=False, calls=False, inbox=False)
    run_no = await begun(log)
    await log.put_inbox(InboxRow("default", "i", b"{}"))
    await calls_of(log).claim(ledger_key(run_no, "c"), run_no=run_no, holder="h", lease_ms=1)
    await asyncio.sleep(0.01)
    before = NOW.replace(year=2000)
    assert not (await log.looming(before, before)).inbox  # its record is on its way
    assert await log.due_inbox(before, 10) == []
    all_of_it = await log.looming(soon, soon)
    assert all_of_it.runs
    assert all_of_it.calls
    assert all_of_it.inbox


async def test_a_run_with_a_timer_is_due_when_that_comes(log: Log):
    run_no = await begun(log)
    assert len(await log.due_runs(NOW, 10)) == 1
    await log.woken({run_no: NOW + timedelta(seconds=10)}, NOW)
    assert await log.due_runs(NOW + timedelta(seconds=9), 10) == []
    assert len(await log.due_runs(NOW + timedelta(seconds=10), 10)) == 1


async def test_a_timer_later_than_the_net_leaves_it_its_time(log: Log):
    run_no = await begun(log)
    assert len(await log.due_runs(NOW, 10)) == 1
    await log.woken({run_no: NOW + timedelta(hours=1)}, NOW)
    assert len(await log.due_runs(NOW + timedelta(seconds=34), 10)) == 1


async def test_only_calls_whose_holder_is_gone_are_abandoned(log: Log):
    run_no = await begun(log)
    live, dead = ledger_key(run_no, "live"), ledger_key(run_no, "dead")
    await calls_of(log).claim(live, run_no=run_no, holder="h", lease_ms=60_000)
    await calls_of(log).claim(dead, run_no=run_no, holder="h", lease_ms=1)
    done = ledger_key(run_no, "done")
    await calls_of(log).claim(done, run_no=run_no, holder="h", lease_ms=60_000)
    await calls_of(log).settle(done, epoch=1, outcome=b"{}")
    await asyncio.sleep(0.01)
    assert await log.live_calls(run_no) == {live}
    assert await log.abandon_calls(run_no) == 1
    assert await log.abandon_calls(run_no) == 0
    assert await log.expired_calls(10) == []


async def test_a_clock_that_went_ahead_puts_no_run_off_for_a_day(log: Log):
    """Whoever wrote it may be dead, or right again: the net stays near by the log's own clock."""
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    await log.append(Decision((replace(first(row(1)), wake_at=tomorrow),)))
    soon = datetime.now(UTC) + timedelta(minutes=2)
    assert (await log.looming(soon, soon)).runs
    assert len(await log.due_runs(soon, 10)) == 1


async def test_ranges_are_kept_ahead_and_asking_again_makes_none(log: Log):
    await log.keep_ranges_ahead()
    assert await log.keep_ranges_ahead() == 0


async def expire(log: Log, numbers: list[int], *, answered: bool = False) -> None:
    """A call of each, whose leases run out in that order; they are made in the other one."""
    calls = calls_of(log)
    for run_no in numbers[::-1]:
        await calls.claim(ledger_key(run_no, "c"), run_no=run_no, holder="h", lease_ms=0)
    for run_no in numbers:
        await calls.renew("h", 0, [ledger_key(run_no, "c")])
        if answered:
            assert await calls.settle(ledger_key(run_no, "c"), epoch=1, outcome=b"{}")
        await asyncio.sleep(0.001)


async def test_where_more_is_due_than_is_asked_for_the_most_overdue_is_told(log: Log):
    numbers: list[int] = []
    for late in range(3):
        one = row(await log.reserve_run_no(), session=f"s{late}")
        begins = replace(first(one), wake_at=NOW - timedelta(seconds=late))
        await log.append(Decision((begins,)))
        numbers.append(one.run_no)
    due = [await log.due_runs(NOW, 1) for _ in range(3)]
    assert [one.row.run_no for told in due for one in told] == numbers[::-1]
    await expire(log, numbers)
    gone = [await log.expired_calls(1) for _ in range(4)]
    assert [run_no for told in gone for _, run_no in told] == numbers


async def test_answers_that_wait_longest_are_told_first(log: Log):
    await expire(log, [1, 2, 3], answered=True)
    told = [await log.unheard_answers(1) for _ in range(4)]
    assert [run_no for one in told for _, run_no, _ in one] == [1, 2, 3]


@pytest.mark.parametrize("picked_up", [True, False])
async def test_a_message_that_is_accepted_again_is_a_new_one(log: Log, picked_up: bool):
    """Nothing is left of the one before, that was decided or dropped."""
    later = datetime.now(UTC) + timedelta(minutes=1)
    for _ in range(2):
        assert await log.put_inbox(InboxRow("default", "i", b"{}", tries=7))
        assert [one.tries for one in await log.due_inbox(later, 10)] == [0]
        assert await log.try_inbox("default", "i", 3) == 3
        found = await log.get_inbox("default", "i")
        assert found is not None
        assert found.tries == 3
        if picked_up:
            await log.append(Decision(inbox_done=(("default", "i"),)))
        else:
            await log.drop_inbox("default", "i")
        assert await log.try_inbox("default", "i") == 0


async def test_children_are_told_by_their_numbers(log: Log):
    parent = await begun(log)
    numbers = [await log.reserve_run_no() for _ in range(3)]
    for run_no in numbers[::-1]:
        await log.append(Decision((first(replace(row(run_no, turn=None), parent_run_no=parent)),)))
    assert [one.row.run_no for one in await log.children(parent)] == sorted(numbers)


async def test_a_run_that_hears_nothing_any_more_is_not_woken(log: Log):
    await log.append(Decision((first(row(await log.reserve_run_no()), standing="lost"),)))
    assert await log.wake_all(NOW - timedelta(seconds=1)) == 0


async def test_those_that_wait_for_a_person_are_woken_only_where_that_is_meant(log: Log):
    numbers = [await log.reserve_run_no() for _ in range(2)]
    for run_no, standing in zip(numbers, ("active", "paused"), strict=True):
        new = row(run_no, session=str(run_no))
        await log.append(Decision((first(new, standing=standing),)))
    at = NOW - timedelta(seconds=1)
    assert await log.wake_all(at, paused=False) == 1
    assert await log.wake_all(at, paused=False) == 0
    assert await log.wake_all(at) == 1
    assert {due.row.run_no for due in await log.due_runs(at, 10)} == set(numbers)
