"""What only a real database can show."""

import asyncio
import json
import traceback
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import asyncpg
import pytest

from actalog_core.errors import ChainBroken, DataRefused, Transient
from actalog_log import listing
from actalog_log.beside_ports import Tombstone
from actalog_log.calls import PostgresCalls
from actalog_log.database import connect
from actalog_log.migrate import DatabaseIsNewer, MigrationChanged, migrate
from actalog_log.ports import Append, Decision, NewEvent
from actalog_log.postgres import PostgresLog
from actalog_log.postgres_beside import PUT_TOMBSTONE
from actalog_log.watching import LOOMING
from tests.integration.log.test_log import NOW, begin, event, first, row

pytestmark = pytest.mark.postgres


@pytest.mark.parametrize(
    "sql",
    [
        "update events set payload = ''", "delete from events", "truncate events",
        "truncate events_0", "update runs set target = 'x'", "delete from runs", "truncate runs",
    ],
)  # fmt: skip
async def test_the_log_refuses_to_be_changed(log: PostgresLog, sql: str):
    await begin(log)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await log.pool.execute(sql)


async def test_a_changed_byte_is_found_on_reading(log: PostgresLog, fresh_database: str):
    new, _ = await begin(log)
    await log.pool.execute("alter table events disable trigger user")
    await log.pool.execute("alter table events_0 disable trigger user")
    await log.pool.execute("update events set payload = payload || '\\x20'")
    with pytest.raises(ChainBroken, match=f"run_no {new.run_no}, seq 1"):
        await log.read(new.run_no)


@pytest.mark.parametrize("upto", [None, 3])
@pytest.mark.parametrize(
    ("gone", "after", "missed"),
    [
        ("events where seq = 1", 0, 1), ("events where seq = 2", 0, 3),
        ("events where seq = 2", 2, 2), ("runs", 0, 1), ("events", 0, 1),
    ],
)  # fmt: skip
async def test_what_is_gone_is_missed_on_reading(
    log: PostgresLog, gone: str, after: int, missed: int, upto: int | None
):
    new, head = await begin(log)
    await log.append(Decision((Append(new.run_no, head, (event(), event())),)))
    for table in ("runs", "events", "events_0"):
        await log.pool.execute(f"alter table {table} disable trigger user")
    await log.pool.execute(f"delete from {gone}")
    with pytest.raises(ChainBroken, match=f"run_no {new.run_no}, seq {missed}"):
        await log.read(new.run_no, after=after, upto=upto)


async def test_a_run_whose_range_is_away_is_not_one_that_begins(log: PostgresLog):
    """Else it would be decided anew from its first event on."""
    new, _ = await begin(log)
    await log.pool.execute("alter table events detach partition events_0")
    with pytest.raises(ChainBroken, match=f"run_no {new.run_no}, seq 1"):
        await log.read(new.run_no)
    assert await log.read(new.run_no, upto=0) == []
    assert await log.read(new.run_no + 1) == []  # there is no such run


async def test_data_that_postgres_refuses_ends_only_its_own_decision(log: PostgresLog):
    new, head = await begin(log)
    bad = Append(new.run_no, head, (NewEvent("a\x00b", b"{}", NOW),))
    other = first(row(await log.reserve_run_no(), session="t"))
    with pytest.raises(DataRefused):
        await log.append(Decision((bad,)))
    await log.append(Decision((other,)))
    assert await log.last_seq(new.run_no) == 1


async def test_what_postgres_refuses_is_told_without_a_word_of_it(log: PostgresLog):
    new, head = await begin(log)
    said = "Anna"
    bad = Append(new.run_no, head, (replace(event(), causation_id=f"{said}\x00"),))
    with pytest.raises(DataRefused) as caught:
        await log.append(Decision((bad,)))
    assert caught.value.detail == "CharacterNotInRepertoireError (22021)"
    with pytest.raises(DataRefused) as caught:  # asyncpg itself quotes what it cannot write
        await log.put_tombstone(Tombstone("default", "r", f"{said}\ud800", None))
    assert caught.value.detail == "DataError (22000)"
    assert "Anna\\" not in "".join(traceback.format_exception(caught.value))


async def test_the_tail_waits_for_an_open_transaction_that_a_naive_one_would_skip(
    log: PostgresLog, fresh_database: str
):
    slow = await connect(fresh_database)
    transaction = slow.transaction()
    await transaction.__aenter__()
    await slow.execute(
        "insert into events (run_no, seq, type, rules_version, payload, recorded_at, hash)"
        " values (5, 1, 'late', 1, '', now(), '')"
    )
    new, _ = await begin(log)  # commits first, with a higher position
    naive: int = await log.pool.fetchval("select max(position) from events")
    assert await log.read_tail() == []
    await transaction.__aexit__(None, None, None)
    await slow.close()
    skipped = await log.pool.fetch("select 1 from events where position > $1", naive)
    assert skipped == []  # the naive tailer never sees `late`
    assert {one.run_no for one in await log.read_tail()} == {5, new.run_no}


async def test_an_append_outside_every_range_fails_until_the_ranges_are_kept(log: PostgresLog):
    far = row(9_000_000)
    with pytest.raises(Transient, match="no partition"):
        await log.append(Decision((first(far),)))
    await log.pool.execute("select setval('run_numbers', 9000001)")
    assert await log.pool.fetchval("select keep_ranges_ahead()") == 3
    await log.append(Decision((first(far),)))


async def test_an_append_outside_every_range_is_known_in_every_language(log: PostgresLog):
    """The server's `lc_messages` say in which; the embedded one speaks English alone."""
    await log.pool.execute("""
        create function says_so() returns trigger language plpgsql as $$ begin
            raise exception 'keine Partition von Relation »events« für die Zeile gefunden'
                using errcode = 'check_violation', table = 'events';
        end $$""")
    await log.pool.execute(
        "create trigger says_so before insert on events for each row execute function says_so()"
    )
    with pytest.raises(Transient, match="keine Partition"):
        await log.append(Decision((first(row(1)),)))


async def test_the_services_role_may_only_insert_and_select(log: PostgresLog):
    rows = await log.pool.fetch(
        "select privilege_type from information_schema.role_table_grants"
        " where grantee = 'actalog_service' and table_name = 'events'"
    )
    assert {r["privilege_type"] for r in rows} == {"INSERT", "SELECT"}


async def test_a_database_that_is_gone_is_transient():
    with pytest.raises(Transient):
        await PostgresLog("postgresql://x@127.0.0.1:1/x").start()


async def test_a_connection_killed_under_load_loses_nothing(log: PostgresLog):
    new, head = await begin(log)
    for _ in range(20):
        await log.pool.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity"
            " where pid <> pg_backend_pid() and datname = current_database()"
        )
        try:
            (head,) = await log.append(Decision((Append(new.run_no, head, (event(),)),)))
        except Transient:
            found = await log.find_run_no(new.run_no)
            assert found is not None
            assert found.head == head  # a refused append did not stand
    assert len(await log.read(new.run_no)) == head.seq


async def test_an_edited_migration_is_refused(fresh_database: str):
    connection = await connect(fresh_database)
    await connection.execute("update migrations set checksum = 'x'")
    with pytest.raises(MigrationChanged, match="0001"):
        await migrate(fresh_database)
    await connection.close()


async def test_a_database_of_a_newer_build_is_refused(fresh_database: str):
    connection = await connect(fresh_database)
    await connection.execute("insert into migrations values ('9999_later.sql', 'x')")
    with pytest.raises(DatabaseIsNewer, match="9999_later"):
        await migrate(fresh_database)
    await connection.close()


async def test_leases_run_on_the_databases_clock(log: PostgresLog):
    calls = PostgresCalls(log.pool)
    assert (await calls.claim("c", run_no=1, holder="a", lease_ms=1)).state == "claimed"
    await log.pool.execute("select pg_sleep(0.01)")
    taken = await calls.claim("c", run_no=1, holder="b", lease_ms=60_000)
    assert (taken.state, taken.epoch) == ("expired", 2)


async def test_finished_runs_cost_the_supervisor_nothing(log: PostgresLog):
    """Blocks that its question touches, beside 20,000 finished runs and their calls."""
    await log.pool.execute(
        "insert into calls (call_id, run_no, holder, lease_until, settled)"
        " select n || '/m1', n, 'w', now() - interval '1 hour', true from generate_series(1, 20000) n"
    )
    await log.pool.execute(
        "insert into inbox (tenant_id, inbox_id, body, received_at)"
        " select 'default', n::text, '', now() from generate_series(1, 20000) n"
    )
    await log.pool.execute("analyze calls")
    await log.pool.execute("analyze inbox")
    hour_ago = datetime.now(UTC) - timedelta(hours=1)
    told = await log.pool.fetchval(
        f"explain (analyze, buffers, format json) {LOOMING}", hour_ago, hour_ago
    )
    (plan,) = json.loads(told)
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 30


async def test_many_calls_that_are_being_worked_on_cost_a_look_nothing(log: PostgresLog):
    for settled in (False, True):
        await log.pool.execute(
            "insert into calls (call_id, run_no, holder, lease_until, settled, outcome)"
            " select $2::text || n, n, 'h', clock_timestamp() + interval '1 hour', $1, 'x'"
            " from generate_series(1, 20000) n", settled, f"settled {settled} ",
        )  # fmt: skip
    await log.pool.execute("vacuum analyze calls")
    now = datetime.now(UTC)
    told = await log.pool.fetchval(f"explain (analyze, buffers, format json) {LOOMING}", now, now)
    (plan,) = json.loads(told)
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 30


@pytest.mark.parametrize("runs_each", [1, 100])
async def test_a_page_of_sessions_costs_by_the_page(log: PostgresLog, runs_each: int):
    await log.pool.execute(
        "with u as (insert into subjects (tenant_id, user_id) select 'default', 'u' || n"
        " from generate_series(0, 9) n returning subject)"
        " insert into runs (run_no, tenant_id, run_id, session_id, turn, kind, target, definition,"
        " body_digest, accepted_at, subject)"
        " select n, 'default', n, 's' || n / $1, 1 + n % $1, 'agent', 'agent:' || n / $1 % 10, 'd',"
        " 'b', timestamptz '2026-11-24 16:00Z' + n * interval '1 s',"
        " (select min(subject) + n / $1 % 10 from u) from generate_series(0, 19999) n", runs_each,
    )  # fmt: skip
    await log.pool.execute("vacuum analyze runs")
    first = partial(listing.sessions, by="first", limit=20, offset=0)
    for sql, given in [
        first("default", None, None, ascending=False), first("default", None, None, ascending=True),
        first("default", "u1", None, ascending=False),
        first("default", None, "agent:2", ascending=False),
        listing.newest_sessions("default", 20 if runs_each == 1 else 2, 0),
    ]:  # fmt: skip
        told = await log.pool.fetchval(f"explain (analyze, buffers, format json) {sql}", *given)
        (plan,) = json.loads(told)
        read = plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"]
        assert read < 700, sql


async def test_sessions_behind_very_many_runs_of_one_are_listed(log: PostgresLog):
    """Where the newest runs are all of a few sessions, these alone are no page."""
    await log.pool.execute(
        "insert into runs (run_no, tenant_id, run_id, session_id, turn, kind, target, definition,"
        " body_digest, accepted_at) select n, 'default', n, case when n < 3 then n::text else 's'"
        " end, greatest(1, n - 2), 'agent', 'agent:a', 'd', 'b',"
        " timestamptz '2026-11-24 16:00Z' + n * interval '1 s' from generate_series(0, $1) n",
        listing.NEWEST_RUNS + 3,
    )  # fmt: skip
    found = await log.list_sessions("default", limit=4)
    assert [one.session_id for one in found] == ["s", "2", "1", "0"]


async def test_a_run_whose_row_somebody_holds_is_woken_with_the_others(
    log: PostgresLog, fresh_database: str
):
    """Marks are written all the time: a run that was passed over would wait for its net."""
    new, _ = await begin(log)
    assert len(await log.due_runs(NOW, 10)) == 1
    other = await connect(fresh_database)
    async with other.transaction():
        await other.execute("select from open_runs where run_no = $1 for update", new.run_no)
        waking = asyncio.create_task(log.wake_all(NOW))
        await asyncio.sleep(0.1)
        assert not waking.done()
    assert await waking == 1
    assert [one.row.run_no for one in await log.due_runs(NOW, 10)] == [new.run_no]
    await other.close()


async def test_many_young_tombstones_cost_a_cancel_nothing(log: PostgresLog):
    await log.pool.execute(
        "insert into tombstones (tenant_id, run_id, made_at)"
        " select 'default', n::text, clock_timestamp() - n * interval '1 second'"
        " from generate_series(1, 20000) n"
    )
    await log.pool.execute("analyze tombstones")
    told = await log.pool.fetchval(
        f"explain (analyze, buffers, format json) {PUT_TOMBSTONE}", "default", "r", None, None
    )
    (plan,) = json.loads(told)
    assert plan["Plan"]["Shared Hit Blocks"] + plan["Plan"]["Shared Read Blocks"] < 50


async def test_statements_for_a_single_row_are_planned_once(log: PostgresLog):
    calls = PostgresCalls(log.pool)
    new, _ = await begin(log)
    for number in range(20):  # one after the other: the pool takes the same connection for each
        await log.read(new.run_no, upto=5)
        await log.opening("default", "s", f"r{number}")
        await log.get_tombstone("default", f"r{number}")
        await log.first_waiting_no("default", "s")
        claim = await calls.claim(f"c{number}", run_no=new.run_no, holder="h", lease_ms=1_000)
        await calls.settle(claim.call_id, epoch=claim.epoch, outcome=b"{}")
    told = await log.pool.fetch(
        "select custom_plans, generic_plans from pg_prepared_statements"
        " where statement like '%unnest%' and custom_plans + generic_plans >= 20"
    )
    assert [(row["custom_plans"], row["generic_plans"]) for row in told] == [(5, 15)] * 6
