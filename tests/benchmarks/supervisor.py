"""What the supervisor costs beside a log of 1,000 and of 1,000,000 finished runs."""

import statistics
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from actalog_conductor.supervisor import INBOX_AFTER, NOTHING
from actalog_log import chain
from actalog_log.beside_ports import InboxRow
from actalog_log.calls import PostgresCalls
from actalog_log.database import Connection, connect
from actalog_log.migrate import migrate
from actalog_log.ports import Append, Decision, Head, NewEvent, RunRow
from actalog_log.postgres import PostgresLog
from tests.benchmarks.rig import database

FEW, MANY = 1_000, 1_000_000
TURNS, ROUNDS = 20, 50
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
    appends: two databases of one server, with few finished runs and with many, in turns, so that
    what the machine does besides falls on both."""
    async with database() as (_, dsn):
        looks = [await _filled(dsn, count) for count in (FEW, MANY)]
        for _ in range(TURNS):
            for each in looks:
                await each.turn()
        few, many = [each.told() for each in looks]
        for each in looks:
            await each.log.stop()
    ratio = {k: many[k] / few[k] for k in few if k.endswith("_ms")}
    return {f"{FEW:,} finished runs": few, f"{MANY:,} finished runs": many, "many / few": ratio}


async def _filled(dsn: str, count: int) -> "_Looks":
    """A database with so many finished runs."""
    connection, name = await connect(dsn), f"runs{count}"
    await connection.execute(f"create database {name}")
    await connection.close()
    dsn = f"{dsn.rpartition('/')[0]}/{name}"
    await migrate(dsn)
    began, connection = time.perf_counter(), await connect(dsn)
    await _fill(connection, 0, count)
    await connection.close()
    log = PostgresLog(dsn)
    await log.start()
    return _Looks(log, time.perf_counter() - began)


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


@dataclass
class _Looks:
    """What is measured of one database."""

    log: PostgresLog
    filled_s: float
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    async def turn(self) -> None:
        """Some of each."""
        await self._times("idle_look_ms", self._idle)
        await self._times("append_ms", self._appended)
        number = await _append(self.log, open=True)
        await self.log.put_inbox(InboxRow("default", f"i{number}", b"{}"))
        calls = PostgresCalls(self.log.pool)
        await calls.claim(f"{number}/m1", run_no=number, holder="w", lease_ms=1)
        await self._times("busy_look_ms", self._busy, before=lambda: _again(self.log, number))
        await self.log.drop_inbox("default", f"i{number}")
        await self.log.pool.execute("delete from open_runs")
        await self.log.pool.execute("delete from calls where call_id = $1", f"{number}/m1")

    def told(self) -> dict[str, float]:
        found = {name: statistics.median(took) for name, took in self.took.items()}
        return found | {"filled_s": self.filled_s}

    async def _idle(self) -> None:
        now = datetime.now(UTC)
        assert await self.log.looming(now, now - INBOX_AFTER) == NOTHING

    async def _busy(self) -> None:
        later = datetime.now(UTC) + timedelta(hours=1)
        looming = await self.log.looming(later, later)
        assert looming.runs
        assert looming.inbox
        assert len(await self.log.due_runs(later, 50)) == 1
        assert len(await self.log.due_inbox(later, 50)) == 1
        await self.log.expired_calls(50)
        await self.log.unheard_answers(50)

    async def _appended(self) -> None:
        await _append(self.log)

    async def _times(
        self, name: str, ask: Callable[[], Awaitable[None]], *,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> None:  # fmt: skip
        for _ in range(ROUNDS):
            if before is not None:
                await before()
            began = time.perf_counter()
            await ask()
            self.took[name].append((time.perf_counter() - began) * 1_000)


async def _again(log: PostgresLog, number: int) -> None:
    """As it was before the look. By the key: a scan of a million calls would leave the caches cold."""
    await log.pool.execute("update open_runs set wake_at = clock_timestamp()")
    await log.pool.execute("update inbox set asked_at = null")
    await log.pool.execute("update calls set asked_at = null where call_id = $1", f"{number}/m1")


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
