"""One suite over both stores: what holds for the double holds for PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from actalog_core.errors import RunExists, SequenceTaken, TurnTaken
from actalog_log import chain
from actalog_log.beside_ports import Held, InboxRow, Tombstone
from actalog_log.memory import MemoryLog
from actalog_log.ports import (
    WAKE_CLAIM,
    Append,
    Decision,
    Head,
    NewEvent,
    Opening,
    RunRow,
    SessionOp,
    Standing,
)
from actalog_log.postgres import PostgresLog

NOW = datetime(2026, 11, 24, 16, 0, 0, 123456, tzinfo=UTC)
Log = MemoryLog | PostgresLog


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[Log]:
    if request.param == "memory":
        yield MemoryLog()
        return
    store = PostgresLog(request.getfixturevalue("fresh_database"))
    await store.start()
    yield store
    await store.stop()


def row(run_no: int, *, run_id: str | None = None, session: str = "s", turn: int | None = 1):
    return RunRow(
        run_no=run_no, tenant_id="default", run_id=run_id or f"run-{run_no}", session_id=session,
        turn=turn, kind="agent", target="agent:a", definition="sha256:1", body_digest="hmac:1",
        accepted_at=NOW, user_id="u@example.com",
    )  # fmt: skip


def event(text: str = "{}") -> NewEvent:
    return NewEvent(type="run.started.v1", payload=text.encode(), recorded_at=NOW)


def first(new: RunRow, *, count: int = 1, standing: Standing = "active") -> Append:
    head = Head(0, chain.row_digest(new))
    return Append(new.run_no, head, (event(),) * count, row=new, standing=standing, wake_at=NOW)


async def begin(log: Log, **kwargs: object) -> tuple[RunRow, Head]:
    new = row(await log.reserve_run_no(), **kwargs)  # pyright: ignore[reportArgumentType]
    (head,) = await log.append(Decision((first(new),)))
    return new, head


async def test_what_was_appended_is_read_back_in_order_and_chained(log: Log):
    new, head = await begin(log)
    (head,) = await log.append(Decision((Append(new.run_no, head, (event('{"a":1}'), event())),)))
    events = await log.read(new.run_no)
    assert [one.seq for one in events] == [1, 2, 3]
    assert events[1].payload == b'{"a":1}'
    assert [one.previous_hash for one in events[1:]] == [one.hash for one in events[:-1]]
    assert head == Head(3, events[-1].hash)
    assert [one.seq for one in await log.read(new.run_no, after=1, upto=2)] == [2]
    assert await log.read(new.run_no, after=99) == []
    found = await log.find_run("default", new.run_id)
    assert found is not None
    assert (found.row, found.head, found.standing) == (new, head, "active")


async def test_of_sixteen_writers_with_the_same_head_exactly_one_wins(log: Log):
    new, head = await begin(log)
    tries = [log.append(Decision((Append(new.run_no, head, (event(),)),))) for _ in range(16)]
    told = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(one, SequenceTaken) for one in told) == 15
    assert await log.last_seq(new.run_no) == 2


async def test_of_writers_that_change_a_run_s_standing_at_once_one_wins_and_disturbs_no_other(
    log: Log,
):
    (new, head), (other, theirs) = await begin(log), await begin(log, session="other")
    ends = [
        Decision((Append(run.run_no, before, (event(),), standing="ended"),))
        for run, before in ((new, head), (other, theirs), (new, head), (new, head))
    ]
    told = await asyncio.gather(*map(log.append, ends), return_exceptions=True)
    assert [type(one) for one in told] == [tuple, tuple, SequenceTaken, SequenceTaken]
    assert [await log.last_seq(run.run_no) for run in (new, other)] == [2, 2]


async def test_one_duplicate_among_many_decisions_harms_only_itself(log: Log):
    known, head = await begin(log)
    good = [row(await log.reserve_run_no(), session=f"s{n}") for n in range(50)]
    bad = Decision((Append(known.run_no, Head(0, b""), (event(),)),))
    told = await asyncio.gather(
        *(log.append(Decision((first(one),))) for one in good), log.append(bad),
        log.append(Decision((Append(known.run_no, head, (event(),)),))), return_exceptions=True,
    )  # fmt: skip
    assert isinstance(told[50], SequenceTaken)
    assert [one for at, one in enumerate(told) if at != 50 and isinstance(one, Exception)] == []


async def test_a_decision_over_two_runs_stands_whole_or_not_at_all(log: Log):
    parent, head = await begin(log)
    child = row(await log.reserve_run_no(), run_id="child", turn=None)
    stale = Append(parent.run_no, Head(0, b""), (event(),), standing="ended")
    with pytest.raises(SequenceTaken):
        await log.append(Decision((stale, first(child))))
    assert await log.find_run("default", "child") is None
    ended = Append(parent.run_no, head, (event(),), standing="ended")
    await log.append(Decision((ended, first(child))))
    assert await log.find_run("default", "child") is not None


async def test_a_known_run_id_and_a_taken_turn_are_told_apart(log: Log):
    known, _ = await begin(log)
    again = row(await log.reserve_run_no(), run_id=known.run_id, turn=2)
    with pytest.raises(RunExists):
        await log.append(Decision((first(again),)))
    with pytest.raises(TurnTaken):
        await log.append(Decision((first(row(await log.reserve_run_no())),)))


async def test_a_sessions_turn_is_free_when_nobody_is_active_or_waiting(log: Log):
    assert await log.opening("default", "s", "new") == Opening(0, False, False)
    one, head = await begin(log)
    two = row(await log.reserve_run_no(), turn=2)
    await log.append(Decision((first(two, standing="waiting"),)))
    opening = await log.opening("default", "s", "new")
    assert (opening.turn, opening.busy) == (2, True)
    assert await log.first_waiting_no("default", "s") is None
    await log.append(Decision((Append(one.run_no, head, (event(),), standing="paused"),)))
    assert await log.first_waiting_no("default", "s") == two.run_no
    assert [found.row.turn for found in await log.session_runs("default", "s")] == [2, 1]


async def test_session_operations_take_their_versions_one_after_the_other(log: Log):
    new, head = await begin(log)
    op = SessionOp("default", "s", 1, new.run_no, 2, '[{"op":"set"}]')
    (head,) = await log.append(Decision((Append(new.run_no, head, (event(),)),), session_ops=(op,)))
    late = Decision((Append(new.run_no, head, (event(),)),), session_ops=(op,))
    with pytest.raises(SequenceTaken):
        await log.append(late)
    assert list(await log.session_ops("default", "s")) == [op]


async def test_held_text_and_the_inbox_row_go_with_the_decision_that_used_them(log: Log):
    assert await log.put_inbox(InboxRow("default", "i", b"{}", {"a": "b"}))
    assert not await log.put_inbox(InboxRow("default", "i", b"{}"))
    assert await log.inbox_depth() == 1
    new = row(await log.reserve_run_no())
    held = Held("default", "h", new.run_no, "4111 1111")
    (head,) = await log.append(
        Decision((first(new),), hold=(held,), inbox_done=(("default", "i"),))
    )
    assert await log.get_held("default", "h") == "4111 1111"
    assert await log.get_inbox("default", "i") is None
    done = Append(new.run_no, head, (event(),))
    await log.append(Decision((done,), release=(("default", "h"),)))
    assert await log.get_held("default", "h") is None


async def test_a_run_is_due_once_and_later_each_time(log: Log):
    new, _ = await begin(log)
    at = NOW
    for net_s in (30, 60, 120):
        assert [one.row for one in await log.due_runs(at, 10)] == [new]
        await log.woken({new.run_no: None}, at)
        assert await log.due_runs(at + timedelta(seconds=0.89 * net_s), 10) == []
        at += timedelta(seconds=1.11 * net_s)
    assert [one.wakes for one in await log.due_runs(at, 10)] == [3]


async def test_who_was_not_woken_is_due_again_when_the_claim_is_over(log: Log):
    """Whoever claimed them died, or could not tell."""
    numbers = [(await begin(log, session=f"s{n}"))[0].run_no for n in range(2)]
    assert len(await log.due_runs(NOW, 10)) == 2
    await log.woken({numbers[0]: None}, NOW)
    assert await log.due_runs(NOW + WAKE_CLAIM - timedelta(seconds=1), 10) == []
    again = await log.due_runs(NOW + WAKE_CLAIM, 10)
    assert [(one.row.run_no, one.wakes) for one in again] == [(numbers[1], 0)]


async def test_a_run_that_changed_while_it_was_woken_keeps_its_own_time(log: Log):
    new, head = await begin(log)
    assert len(await log.due_runs(NOW, 10)) == 1
    soon = NOW + timedelta(seconds=2)
    change = Append(new.run_no, head, (event(),), standing="paused", wake_at=soon)
    await log.append(Decision((change,)))
    await log.woken({new.run_no: None}, NOW)
    assert [one.wakes for one in await log.due_runs(soon, 10)] == [0]


async def test_an_ended_run_leaves_the_open_runs_when_it_is_published(log: Log):
    new, head = await begin(log)
    await log.append(
        Decision((Append(new.run_no, head, (event(),), standing="ended", wake_at=NOW),))
    )
    log.published(new.run_no, 1)
    await asyncio.sleep(0.2)
    assert len(await log.due_runs(NOW, 10)) == 1
    log.published(new.run_no, 2)
    await asyncio.sleep(0.2)
    assert await log.due_runs(NOW + timedelta(days=1), 10) == []


async def test_a_cancel_before_its_run_leaves_a_tombstone_of_its_tenant(log: Log):
    await log.put_tombstone(Tombstone("default", "r", "too late", "me"))
    await log.put_tombstone(Tombstone("default", "r", "again", "you"))
    told = await log.get_tombstone("default", "r")
    assert told is not None
    assert told.by == "me"
    assert await log.get_tombstone("other", "r") is None


async def test_a_cancel_is_kept_for_a_day(log: Log):
    """Whoever uses its run's id again a week later has not cancelled that run."""
    for run_id in ("r", "s"):
        await log.put_tombstone(Tombstone("default", run_id, "long ago", "me"))
    if isinstance(log, MemoryLog):
        log.clock = lambda: datetime.now(UTC) + timedelta(days=1, seconds=1)
    else:
        await log.pool.execute("update tombstones set made_at = made_at - interval '86401 s'")
    assert await log.get_tombstone("default", "r") is None
    await log.put_tombstone(Tombstone("default", "r", "now", "you"))
    told = await log.get_tombstone("default", "r")
    assert told is not None
    assert told.reason == "now"
    if isinstance(log, PostgresLog):  # what is too old goes with the next
        assert await log.pool.fetchval("select count(*) from tombstones") == 1


async def test_definitions_have_one_current_version(log: Log):
    assert await log.put_definition("d1", "agent", "a", b"1")
    assert not await log.put_definition("d1", "agent", "a", b"1")
    assert await log.put_definition("d2", "agent", "a", b"2")
    assert await log.current_definition("agent", "a") == ("d2", b"2")
    assert await log.get_definition("d1") == b"1"
    assert list(await log.current_definitions()) == [("agent", "a", "d2", b"2")]


async def test_the_tail_has_every_event_once(log: Log):
    for n in range(5):
        await begin(log, session=f"s{n}")
    seen, after = 0, (0, 0)
    while events := await log.read_tail(after=after, limit=2):
        seen += len(events)
        after = (events[-1].xid, events[-1].position)
    assert seen == 5
