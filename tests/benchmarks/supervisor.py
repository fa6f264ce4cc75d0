"""What the supervisor costs beside a log of 1,000 and of 1,000,000 finished runs."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from actalog.embedded.postgres import EmbeddedPostgres
from actalog_conductor.supervisor import INBOX_AFTER, NOTHING
from actalog_log import chain
from actalog_log.calls import PostgresCalls
from actalog_log.database import Connection, connect
from actalog_log.migrate import migrate
from actalog_log.ports import Append, Decision, Head, InboxRow, NewEvent, RunRow
from actalog_log.postgres import PostgresLog

FEW, MANY = 1_000, 1_000_000
ROUNDS = 1_000
EVENTS = 2  # of a finished run here; its calls are one
STEP = 100_000

# As finished runs leave them: no open row, one settled call each.
_RUNS = """
    insert into runs (run_no, tenant_id, run_id, session_id, turn, kind, target, definition,
                      body_digest, accepted_at)
    select n, 'default', 'r' || n, 's' || n, 1, 'agent', 'agent:a', 'sha256:a', 'x', now()
    from generate_series($1::bigint, $2::bigint) n
"""
_EVENTS = """
    insert into events (run_no, seq, type, rules_version, payload, recorded_at, hash)
    select n, e, 'run.completed.v1', 1, '\\x0100000000'::bytea, now(), '\\x00'::bytea
    from generate_series($1::bigint, $2::bigint) n, generate_series(1, $3::int) e
"""
_CALLS = """
    insert into calls (call_id, run_no, holder, lease_until, settled)
    select n || '/m1', n, 'w', now() - interval '1 hour', true
    from generate_series($1::bigint, $2::bigint) n
"""


async def measure() -> Mapping[str, Mapping[str, float]]:
    """Milliseconds at the median of an idle look, a look that finds one of each, and a run's
    appends; the same database, first with few finished runs, then with many."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        postgres = EmbeddedPostgres(Path(name) / "pg")
        dsn = await postgres.start()
        try:
            await migrate(dsn)
            connection = await connect(dsn)
            told: dict[str, dict[str, float]] = {}
            # A range of the log each: what is appended meanwhile has numbers between them.
            for first, count in ((0, FEW), (1_000_000, MANY)):
                began = time.perf_counter()
                await _fill(connection, first, count)
                found = await _looks(dsn)
                found["filled_s"] = time.perf_counter() - began
                told[f"{count:,} finished runs"] = found
            await connection.close()
        finally:
            await postgres.stop()
    few, many = told.values()
    told["many / few"] = {k: many[k] / few[k] for k in few if k.endswith("_ms")}
    return told


async def _fill(connection: Connection, first: int, count: int) -> None:
    for low in range(first, first + count, STEP):
        high = min(low + STEP, first + count) - 1
        await connection.execute(_RUNS, low, high)
        await connection.execute(_EVENTS, low, high, EVENTS)
        await connection.execute(_CALLS, low, high)
    await connection.execute("select setval('run_numbers', $1)", first + count + 64)
    await connection.fetchval("select keep_ranges_ahead()")
    for table in ("runs", "events", "calls", "open_runs", "inbox"):
        await connection.execute(f"vacuum analyze {table}")
    await connection.execute("checkpoint")


async def _looks(dsn: str) -> dict[str, float]:
    log = PostgresLog(dsn)
    await log.start()
    calls, now = PostgresCalls(log.pool), datetime.now(UTC)

    async def idle() -> None:
        looming = await log.looming(now, now - INBOX_AFTER)
        assert looming == NOTHING

    async def busy() -> None:
        later = datetime.now(UTC) + timedelta(hours=1)
        looming = await log.looming(later, later)
        assert looming.runs
        assert looming.inbox
        assert len(await log.due_runs(later, 50)) == 1
        assert len(await log.due_inbox(later, 50)) == 1
        await log.expired_calls(50)
        await log.unheard_answers(50)

    async def appended() -> None:
        await _append(log)

    found = {"idle_look_ms": await _median(idle), "append_ms": await _median(appended)}
    number = await _append(log, open=True)
    await log.put_inbox(InboxRow("default", f"i{number}", b"{}"))
    await calls.claim(f"{number}/m1", run_no=number, holder="w", lease_ms=1)
    found["busy_look_ms"] = await _median(busy, before=lambda: _again(log, number))
    await log.drop_inbox("default", f"i{number}")
    await log.pool.execute("delete from open_runs")
    await log.pool.execute("delete from calls where run_no = $1", number)
    await log.stop()
    return found


async def _again(log: PostgresLog, number: int) -> None:
    """As it was before the look."""
    await log.pool.execute("update open_runs set wake_at = clock_timestamp()")
    await log.pool.execute("update inbox set asked_at = null")
    await log.pool.execute("update calls set asked_at = null where run_no = $1", number)


async def _append(log: PostgresLog, *, open: bool = False) -> int:
    number, now = await log.reserve_run_no(), datetime.now(UTC)
    row = RunRow(
        run_no=number, tenant_id="default", run_id=f"new{number}", session_id=f"new{number}",
        turn=1, kind="agent", target="agent:a", definition="sha256:a", body_digest="x",
        accepted_at=now,
    )  # fmt: skip
    events = (NewEvent("run.accepted.v1", b"{}", now),)
    head = Head(0, chain.row_digest(row))
    standing = "active" if open else None
    await log.append(
        Decision((Append(number, head, events, row=row, standing=standing, wake_at=now),))
    )
    return number


async def _median(
    ask: Callable[[], Awaitable[None]], *, before: Callable[[], Awaitable[None]] | None = None
) -> float:
    """Milliseconds."""
    took: list[float] = []
    for _ in range(ROUNDS):
        if before is not None:
            await before()
        began = time.perf_counter()
        await ask()
        took.append((time.perf_counter() - began) * 1_000)
        await asyncio.sleep(0)
    return statistics.median(took)
