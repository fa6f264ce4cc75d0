"""Several processes at one database: who writes `open_runs` passes over what somebody holds (4.3)."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from actalog_log import migrate as migrating
from actalog_log.beside_ports import InboxRow
from actalog_log.calls import PostgresCalls
from actalog_log.database import connect
from actalog_log.marks import mark, marks
from actalog_log.migrate import migrate, scripts
from actalog_log.ports import Append, Decision
from actalog_log.postgres import PostgresLog
from tests.integration.log.test_log import NOW, begin, event

pytestmark = pytest.mark.postgres


@asynccontextmanager
async def held(dsn: str, row: str) -> AsyncGenerator[None]:
    """While somebody holds these rows. Nobody is given the time to wait for them."""
    other = await connect(dsn)
    try:
        async with other.transaction():
            await other.execute(f"select from {row} for update")
            async with asyncio.timeout(5):
                yield
    finally:
        await other.close()


async def published(log: PostgresLog, run_no: int, seq: int) -> None:
    """Wait until it is marked: marks are written lazily."""
    async with asyncio.timeout(5):
        while await _published(log, run_no) != seq:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _published(log: PostgresLog, run_no: int) -> int:
    found = await log.find_run_no(run_no)
    assert found is not None
    return found.published_seq


async def two(log: PostgresLog) -> tuple[int, int]:
    first, second = [(await begin(log, session=f"s{n}"))[0].run_no for n in range(2)]
    return first, second


async def test_supervisors_share_runs_and_wait_for_none(log: PostgresLog, fresh_database: str):
    one, other = await two(log)
    async with held(fresh_database, f"open_runs where run_no = {one}"):
        assert [due.row.run_no for due in await log.due_runs(NOW, 10)] == [other]
    assert [due.row.run_no for due in await log.due_runs(NOW, 10)] == [one]
    async with held(fresh_database, f"open_runs where run_no = {one}"):
        await log.woken({one: None, other: None}, NOW)
    wakes = await log.pool.fetch("select run_no, wakes from open_runs order by run_no")
    assert [tuple(row) for row in wakes] == [(one, 0), (other, 1)]


async def test_supervisors_share_calls_and_rows_and_wait_for_none(
    log: PostgresLog, fresh_database: str
):
    for n in range(2):
        await PostgresCalls(log.pool).claim(f"c{n}", run_no=1, holder="h", lease_ms=1)
        await log.put_inbox(InboxRow("default", f"i{n}", b"{}"))
    await asyncio.sleep(0.01)
    soon = datetime.now(UTC) + timedelta(seconds=10)
    async with held(fresh_database, "calls where call_id = 'c0'"):
        assert await log.expired_calls(10) == [("c1", 1)]
    async with held(fresh_database, "inbox where inbox_id = 'i0'"):
        assert [row.inbox_id for row in await log.due_inbox(soon, 10)] == ["i1"]


async def test_a_mark_waits_for_nobody_and_is_made_all_the_same(
    log: PostgresLog, fresh_database: str
):
    one, other = await two(log)
    async with held(fresh_database, f"open_runs where run_no = {one}"):
        for run_no in (one, other):
            log.published(run_no, 1)
        await published(log, other, 1)
        await published(log, one, 0)
    await published(log, one, 1)


async def test_marks_outlive_an_outage_of_the_database(log: PostgresLog):
    one, other = await two(log)
    await log.pool.execute("alter table open_runs rename to elsewhere")
    log.published(one, 1)
    await asyncio.sleep(0.3)
    await log.pool.execute("alter table elsewhere rename to open_runs")
    log.published(other, 1)
    await published(log, other, 1)
    await published(log, one, 1)


async def test_who_published_less_takes_no_mark_back(log: PostgresLog, fresh_database: str):
    one, other = await two(log)
    log.published(one, 5)
    await published(log, one, 5)
    late = PostgresLog(fresh_database)
    await late.start()
    for run_no in (one, other):  # together
        late.published(run_no, 1)
    await published(log, other, 1)
    await published(log, one, 5)
    await late.stop()


async def test_a_run_that_was_woken_for_weeks_is_woken_as_any_other_that_rests(log: PostgresLog):
    run_no = (await begin(log))[0].run_no
    await log.pool.execute("update open_runs set wakes = 5000")
    assert len(await log.due_runs(NOW, 10)) == 1
    await log.woken({run_no: None}, NOW)
    assert await log.due_runs(NOW + timedelta(seconds=539), 10) == []
    assert len(await log.due_runs(NOW + timedelta(seconds=661), 10)) == 1


async def test_all_open_runs_are_woken_but_those_that_hear_nothing_any_more(log: PostgresLog):
    rests, lost = await two(log)
    found = await log.find_run_no(rests)
    assert found is not None
    await log.append(Decision((Append(rests, found.head, (event(),), standing="paused"),)))
    await log.pool.execute(
        "update open_runs set standing = 'lost', wake_at = null where run_no = $1", lost
    )
    assert await log.wake_all(NOW, paused=False) == 0
    assert await log.wake_all(NOW) == 1
    assert [due.row.run_no for due in await log.due_runs(NOW, 10)] == [rests]


async def test_how_far_was_heard_goes_back_only_where_that_is_meant(log: PostgresLog):
    await mark(log.pool, "g", {("t", 0): 7, ("t", 1): 7})
    await mark(log.pool, "other", {("t", 0): 1})
    await mark(log.pool, "g", {("t", 0): 5, ("t", 1): 9})
    assert await marks(log.pool, "g") == {("t", 0): 7, ("t", 1): 9}
    await mark(log.pool, "g", {("t", 0): 5}, back=True)
    assert await marks(log.pool, "g") == {("t", 0): 5, ("t", 1): 9}
    assert await marks(log.pool, "other") == {("t", 0): 1}


async def test_of_processes_that_begin_at_once_one_migrates(postgres_dsn: str):
    admin, name = await connect(postgres_dsn), f"begun_{uuid.uuid4().hex}"
    await admin.execute(f"create database {name}")
    dsn = postgres_dsn.rsplit("/", 1)[0] + f"/{name}"
    try:
        told = await asyncio.gather(*(migrate(dsn) for _ in range(4)))
    finally:
        await admin.execute(f"drop database {name} with (force)")
        await admin.close()
    assert sorted(told) == [[], [], [], [name for name, _ in scripts()]]


async def test_a_migration_stands_with_the_note_of_it_or_not_at_all(
    fresh_database: str, monkeypatch: pytest.MonkeyPatch
):
    known, checksum = scripts(), migrating.checksum
    new = ("9999_new.sql", "create table new ()")

    def dies(sql: str) -> str:
        if sql == new[1]:
            raise ZeroDivisionError
        return checksum(sql)

    monkeypatch.setattr(migrating, "scripts", lambda: [*known, new])
    with monkeypatch.context() as before:
        before.setattr(migrating, "checksum", dies)
        with pytest.raises(ZeroDivisionError):
            await migrate(fresh_database)
    assert await migrate(fresh_database) == [new[0]]
