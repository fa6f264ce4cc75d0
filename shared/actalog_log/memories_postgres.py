"""Memories and summaries in PostgreSQL. The cursor moves in the transaction of what it applies."""

from collections.abc import Sequence
from typing import Any

import structlog

from actalog_contracts.runs import MemoryNote, MemoryOp, MemoryUpdated, SessionSummarised
from actalog_core import crashpoints
from actalog_core.canonical import clean_text
from actalog_core.errors import NewerBuild, Undecodable
from actalog_core.events import decode
from actalog_log import chain
from actalog_log.database import Connection, Pool, Queries
from actalog_log.memories import BATCH, MOST_MEMORIES, Summary
from actalog_log.postgres import PostgresLog
from actalog_log.reaching import reaching

log = structlog.get_logger()

# The types stand here as literals, so that the partial index `events_remembered` is used.
_NEWER = """
    from events e
    where e.type in ('memory.updated.v1', 'session.summarised.v1')
    and (e.xid, e.position) > (c.xid, c.position)
    and e.xid < tail_horizon()
"""
_ANYTHING = f"""
    select exists (select {_NEWER}) from projection_cursors c where c.name = 'memories'
"""
_BATCH = f"""
    select e.*, r.tenant_id, r.session_id, r.subject, coalesce(p.turn, 0) as turn
    from projection_cursors c
    cross join lateral (
        select e.run_no, e.seq, e.type, e.payload, e.xid::text as xid, e.position {_NEWER}
        order by e.xid, e.position limit $1
    ) e
    join runs r on r.run_no = e.run_no left join runs p on p.run_no = r.parent_run_no
    where c.name = 'memories' order by e.xid::xid8, e.position
"""
_HELD = """
    select coalesce(extract(epoch from clock_timestamp() - min(recorded_at)), 0)::float8
    from events where type in ('memory.updated.v1', 'session.summarised.v1')
    and xid >= tail_horizon()
"""
_BEHIND = """
    select coalesce(extract(epoch from clock_timestamp() - min(e.recorded_at)), 0)::float8
    from events e, projection_cursors c
    where c.name = 'memories' and e.type in ('memory.updated.v1', 'session.summarised.v1')
    and (e.xid, e.position) > (c.xid, c.position)
"""
_ADD = """
    insert into memories (subject, memory_id, text, topics, xid, position, nth)
    values ($1, $2, $3, $4, $5::text::xid8, $6, $7) on conflict do nothing
"""
_UPDATE = "update memories set text = $3, topics = $4 where subject = $1 and memory_id = $2"
_DELETE = "delete from memories where subject = $1 and memory_id = $2"
_SUMMARISE = """
    insert into summaries as s (tenant_id, session_id, summary, topics, turn)
    values ($1, $2, $3, $4, $5)
    on conflict (tenant_id, session_id) do update
        set summary = excluded.summary, topics = excluded.topics, turn = excluded.turn
        where s.turn <= excluded.turn
"""
_MOVE = "update projection_cursors set xid = $1::text::xid8, position = $2 where name = 'memories'"
EMPTIED_S = 600.0  # a table, however many rows it has
_LOCK = "select 1 from projection_cursors where name = 'memories' for update"


async def held_up_s(connection: Queries) -> float:
    """For how long, in seconds, what is to be remembered has been waiting for a transaction that
    was open when it was written and still is. It need not be of this database: the server numbers
    transactions across all of its databases."""
    return await connection.fetchval(_HELD)


class PostgresMemories:
    """MemoryStore over a pool of connections, or over the log that has one once it is started."""

    def __init__(self, store: Pool | PostgresLog, *, batch: int = BATCH) -> None:
        self.store, self.batch = store, batch

    @property
    def pool(self) -> Pool:
        return self.store.pool if isinstance(self.store, PostgresLog) else self.store

    @reaching
    async def memories(
        self, tenant_id: str, user_id: str, *, limit: int = MOST_MEMORIES
    ) -> Sequence[MemoryNote]:
        rows = await self.pool.fetch(
            "select memory_id, text, topics from memories join subjects using (subject)"
            " where tenant_id = $1 and user_id = $2"
            " order by memories.xid desc, position desc, nth desc limit $3",
            tenant_id, user_id, limit,
        )  # fmt: skip
        return [
            MemoryNote(id=row["memory_id"], text=row["text"], topics=tuple(row["topics"]))
            for row in reversed(rows)
        ]

    async def summary(self, tenant_id: str, session_id: str) -> str | None:
        found = await self.summarised(tenant_id, session_id)
        return found.text if found else None

    @reaching
    async def summarised(self, tenant_id: str, session_id: str) -> Summary | None:
        row = await self.pool.fetchrow(
            "select summary, turn, topics from summaries where tenant_id = $1 and session_id = $2",
            tenant_id, session_id,
        )  # fmt: skip
        return Summary(row["summary"], row["turn"], tuple(row["topics"])) if row else None

    @reaching
    async def catch_up(self) -> int:
        applied = 0
        while await self.pool.fetchval(_ANYTHING):
            async with self.pool.acquire() as connection, connection.transaction():
                await connection.execute(_LOCK)
                applied += await self._apply_batch(connection)
            if crashpoints.armed:
                crashpoints.reach("memory.applied")
        return applied

    @reaching
    async def behind_s(self) -> float:
        return await self.pool.fetchval(_BEHIND)

    @reaching
    async def rebuild(self) -> int:
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(_LOCK)
            await connection.execute("delete from memories", timeout=EMPTIED_S)
            await connection.execute("delete from summaries", timeout=EMPTIED_S)
            await connection.execute(_MOVE, "0", 0)
            applied = 0
            while count := await self._apply_batch(connection):
                applied += count
        return applied

    @reaching
    async def counts(self) -> tuple[int, int]:
        """How many memories and summaries there are, of all tenants."""
        row = await self.pool.fetchrow(
            "select (select count(*) from memories), (select count(*) from summaries)",
            timeout=EMPTIED_S,
        )
        return (row[0], row[1]) if row else (0, 0)

    async def _apply_batch(self, connection: Connection) -> int:
        """Apply the next events and move the cursor. The row of the cursor is ours."""
        rows = await connection.fetch(_BATCH, self.batch)
        for row in rows:
            await _apply(connection, row)
        if rows:
            await connection.execute(_MOVE, rows[-1]["xid"], rows[-1]["position"])
        return len(rows)


async def _apply(connection: Connection, row: Any) -> None:
    try:
        event = decode(row["type"], chain.unseal(row["payload"]))
    except (NewerBuild, Undecodable) as error:
        # Of a newer build, which rebuilds; what comes after it must not wait for that.
        log.error("event_skipped", run_no=row["run_no"], seq=row["seq"], error=type(error).__name__)
        return
    match event:
        case MemoryUpdated() if row["subject"] is not None:
            for nth, op in enumerate(event.ops):
                await _change(connection, row, nth, op)
                if crashpoints.armed:
                    crashpoints.reach("memory.applying")
        case SessionSummarised():
            await connection.execute(
                _SUMMARISE, row["tenant_id"], row["session_id"], clean_text(event.summary),
                _texts(event.topics), row["turn"],
            )  # fmt: skip
        case _:
            pass


async def _change(connection: Connection, row: Any, nth: int, op: MemoryOp) -> None:
    key, content = (row["subject"], op.id), (clean_text(op.text), _texts(op.topics))
    match op.op:
        case "add":
            await connection.execute(_ADD, *key, *content, row["xid"], row["position"], nth)
        case "update":
            await connection.execute(_UPDATE, *key, *content)
        case "delete":
            await connection.execute(_DELETE, *key)


def _texts(texts: Sequence[str]) -> list[str]:
    return [clean_text(text) for text in texts]
