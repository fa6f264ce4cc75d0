"""The run log in PostgreSQL: reads, and the tail for projections."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import asyncpg

from actalog_core.errors import Transient
from actalog_log import chain, listing
from actalog_log.beside_ports import FoundSession
from actalog_log.database import CONNECTION_LOST, connect_pool
from actalog_log.flush import Flusher
from actalog_log.guarding import Guard
from actalog_log.marks import Partition, mark
from actalog_log.ports import (
    WAKE_CLAIM,
    Decision,
    FoundRun,
    Head,
    OpenRun,
    RunRow,
    SessionOp,
    Standing,
    StoredEvent,
)
from actalog_log.postgres_beside import PostgresBeside
from actalog_log.publishing import PublishedMarks
from actalog_log.reaching import reached, reaching
from actalog_log.reading import EVENT, Reading, as_row
from actalog_log.watching import Watching, ask_for

Row = Any  # asyncpg.Record: its fields have no static types

# Of a server that lets us in later.
NOT_NOW = (
    asyncpg.CannotConnectNowError, asyncpg.InsufficientResourcesError,
    asyncpg.AdminShutdownError, asyncpg.CrashShutdownError, asyncpg.QueryCanceledError,
)  # fmt: skip
SESSIONS_AT_ONCE = 1_000
BLOCK = 64  # as the sequence `run_numbers` counts
_RUN = """
    select r.*, s.user_id, e.seq as last_seq, e.hash as last_hash,
           coalesce(o.standing, 'ended') as standing, coalesce(o.published_seq, e.seq, 0) as published_seq,
           o.wake_at, coalesce(o.wakes, 0) as wakes
    from runs r left join subjects s using (subject) left join open_runs o on o.run_no = r.run_no
    left join lateral (select seq, hash from events where run_no = r.run_no
                       order by seq desc limit 1) e on true
"""


class PostgresLog(Watching, PostgresBeside):
    """RunLog over PostgreSQL. The database is migrated by `actalog_log.migrate`."""

    def __init__(self, dsn: str, *, connections: int = 8, guard: Guard | None = None) -> None:
        self.dsn, self.connections, self.guard = dsn, connections, guard
        self.subjects: dict[tuple[str, str], int] = {}
        self.numbers: list[int] = []
        self.reserving = asyncio.Lock()

    async def start(self) -> None:
        """Connect; raises Transient when nobody answers."""
        try:
            greet = self.guard.greet if self.guard else None
            self.pool = await connect_pool(self.dsn, most=self.connections, greet=greet)
        except (*CONNECTION_LOST, *NOT_NOW) as error:
            raise Transient(f"PostgreSQL: {error}") from error
        if self.guard:
            self.guard.start(self.pool)
        self.flusher = Flusher(self.pool)
        self.marks = PublishedMarks(self.pool)
        self.reading = Reading(self.pool)

    async def stop(self) -> None:
        """Finish what is on its way and disconnect."""
        await self.flusher.stop()
        await self.marks.stop()
        if self.guard:
            await self.guard.stop()
        try:
            await asyncio.wait_for(self.pool.close(), 5)
        except TimeoutError:
            self.pool.terminate()

    def ready(self) -> str | None:
        """None: `ping` tells whether the database answers now."""
        return None

    @reaching
    async def ping(self) -> None:
        sql = "select current_setting('transaction_read_only')"
        if await self.pool.fetchval(sql, timeout=2) == "on":
            raise Transient("PostgreSQL: the database takes no writes")

    # --- appending

    async def reserve_run_no(self) -> int:
        if not self.numbers:
            async with self.reserving:
                if not self.numbers:
                    await self._reserve()
                return self.numbers.pop()
        return self.numbers.pop()

    @reaching
    async def _reserve(self) -> None:
        first: int = await self.pool.fetchval("select nextval('run_numbers')")
        self.numbers = list(range(first + BLOCK - 1, first - 1, -1))
        if first // BLOCK % 1000 == 0:  # every 64,000 runs; a range is 1,000,000 wide
            await self.pool.execute("select keep_ranges_ahead()")

    async def append(self, decision: Decision) -> tuple[Head, ...]:
        subjects = tuple([await self._subject(one.row) for one in decision.appends])
        return await self.flusher.append(decision, subjects)

    @reaching
    async def _subject(self, row: RunRow | None) -> int | None:
        if row is None or row.user_id is None:
            return None
        key = (row.tenant_id, row.user_id)
        if key not in self.subjects:
            if len(self.subjects) > 100_000:
                self.subjects.clear()
            self.subjects[key] = await self.pool.fetchval(
                "insert into subjects (tenant_id, user_id) values ($1, $2) on conflict"
                " (tenant_id, user_id) do update set user_id = excluded.user_id returning subject",
                *key,
            )
        return self.subjects[key]

    # --- reading runs

    @reaching
    async def find_run(self, tenant_id: str, run_id: str) -> FoundRun | None:
        row = await self.pool.fetchrow(
            _RUN + "where r.tenant_id = $1 and r.run_id = $2", tenant_id, run_id
        )
        return _found(row) if row else None

    @reaching
    async def find_run_no(self, run_no: int) -> FoundRun | None:
        row = await self.pool.fetchrow(_RUN + "where r.run_no = $1", run_no)
        return _found(row) if row else None

    async def read(
        self, run_no: int, *, after: int = 0, upto: int | None = None
    ) -> Sequence[StoredEvent]:
        return await self.reading.read(run_no, after=after, upto=upto)

    @reaching
    async def last_seq(self, run_no: int) -> int:
        seq = await self.pool.fetchval("select max(seq) from events where run_no = $1", run_no)
        return seq or 0

    @reaching
    async def session_runs(
        self, tenant_id: str, session_id: str, *, before_turn: int | None = None, limit: int = 1000
    ) -> Sequence[FoundRun]:
        rows = await self.pool.fetch(
            _RUN + "where r.tenant_id = $1 and r.session_id = $2 and r.turn is not null"
            " and ($3::bigint is null or r.turn < $3) order by r.turn desc limit $4",
            tenant_id, session_id, before_turn, limit,
        )  # fmt: skip
        return [_found(row) for row in rows]

    @reaching
    async def completed_runs(
        self, tenant_id: str, session_id: str, *, before_turn: int, limit: int
    ) -> Sequence[tuple[int, str, int]]:
        rows = await self.pool.fetch(
            "select r.run_no, r.run_id, e.seq from runs r cross join lateral"
            " (select seq from events where run_no = r.run_no and type = 'run.completed.v1'"
            " order by seq desc limit 1) e"
            " where r.tenant_id = $1 and r.session_id = $2 and r.turn < $3"
            " order by r.turn desc limit $4",
            tenant_id, session_id, before_turn, limit,
        )  # fmt: skip
        return [(row["run_no"], row["run_id"], row["seq"]) for row in rows]

    @reaching
    async def children(self, run_no: int) -> Sequence[FoundRun]:
        rows = await self.pool.fetch(_RUN + "where r.parent_run_no = $1 order by r.run_no", run_no)
        return [_found(row) for row in rows]

    @reaching
    async def list_runs(
        self,
        tenant_id: str,
        *,
        session_id: str | None = None,
        standing: Standing | None = None,
        limit: int = 100,
        before_run_no: int | None = None,
    ) -> Sequence[FoundRun]:
        sql, given = listing.runs(tenant_id, session_id, standing, before_run_no, limit)
        return [_found(row) for row in await self.pool.fetch(_RUN + sql, *given)]

    @reaching
    async def list_sessions(
        self, tenant_id: str, *, user_id: str | None = None, target: str | None = None,
        by: Literal["first", "last"] = "last", ascending: bool = False,
        limit: int = 100, offset: int = 0,
    ) -> Sequence[FoundSession]:  # fmt: skip
        if by == "last" and not ascending and user_id is target is None:
            sql, given = listing.newest_sessions(tenant_id, limit, offset)
            if len(rows := await self.pool.fetch(sql, *given)) == limit:
                return [FoundSession(*row) for row in rows]
        sql, given = listing.sessions(tenant_id, user_id, target, by, ascending, limit, offset)
        return [FoundSession(*row) for row in await self.pool.fetch(sql, *given)]

    async def each_session(
        self, tenant_id: str, *, user_id: str | None = None, limit: int
    ) -> AsyncGenerator[FoundSession]:
        if limit <= listing.NEWEST_RUNS:
            for one in await self.list_sessions(tenant_id, user_id=user_id, limit=limit):
                yield one
            return
        sql, given = listing.sessions(tenant_id, user_id, None, "last", False, limit, 0)
        with reached():
            async with self.pool.acquire() as connection, connection.transaction():
                async for row in connection.cursor(sql, *given, prefetch=SESSIONS_AT_ONCE):
                    yield FoundSession(*row)

    @reaching
    async def count_sessions(
        self, tenant_id: str, *, user_id: str | None = None, target: str | None = None
    ) -> int:
        sql, given = listing.count_sessions(tenant_id, user_id, target)
        return await self.pool.fetchval(sql, *given)

    @reaching
    async def session_ops(self, tenant_id: str, session_id: str) -> Sequence[SessionOp]:
        rows = await self.pool.fetch(
            "select * from session_ops where tenant_id = $1 and session_id = $2"
            " order by state_version", tenant_id, session_id,
        )  # fmt: skip
        return [SessionOp(**{**dict(row), "ops": row["ops"].decode()}) for row in rows]

    @reaching
    async def read_tail(
        self, *, after: tuple[int, int] = (0, 0), limit: int = 1000
    ) -> Sequence[StoredEvent]:
        """Events of all runs by (xid, position), below the oldest open transaction (protocol 7.4):
        paging by position alone skips what commits late. Projections and checkpoints only."""
        rows = await self.pool.fetch(
            f"select {EVENT}, ''::bytea, xid::text::bigint from events"
            " where (xid, position) > ($1::text::xid8, $2::bigint)"
            " and xid < tail_horizon() order by xid, position limit $3",
            str(after[0]), after[1], limit,
        )  # fmt: skip
        return [StoredEvent(*row) for row in rows]

    # --- publishing and the supervisor

    def published(self, run_no: int, seq: int) -> None:
        self.marks.raise_to(run_no, seq)

    @reaching
    async def mark_heard(
        self, group: str, offsets: Mapping[Partition, int], *, back: bool = False
    ) -> None:
        await mark(self.pool, group, offsets, back=back)

    @reaching
    async def due_runs(self, now: datetime, limit: int) -> Sequence[OpenRun]:
        rows = await self.pool.fetch(
            "with due as (select o.run_no from open_runs o where o.wake_at <= $1"
            " order by o.wake_at limit $2 for update skip locked)"
            " update open_runs o set wake_at = $3"
            " from due where o.run_no = due.run_no returning o.run_no",
            now, limit, now + WAKE_CLAIM,
        )  # fmt: skip
        found = await self.pool.fetch(
            _RUN + "where r.run_no = any($1)", [row["run_no"] for row in rows]
        )
        return [
            OpenRun(as_row(r), r["standing"], r["wake_at"], r["published_seq"], r["wakes"])
            for r in found
        ]

    @reaching
    async def expired_calls(self, limit: int) -> Sequence[tuple[str, int]]:
        rows = await self.pool.fetch(ask_for("not settled"), limit)
        return [(row["call_id"], row["run_no"]) for row in rows]


def _found(row: Row) -> FoundRun:
    run = as_row(row)
    head = Head(row["last_seq"] or 0, row["last_hash"] or chain.row_digest(run))
    return FoundRun(run, head, row["standing"], row["published_seq"])
