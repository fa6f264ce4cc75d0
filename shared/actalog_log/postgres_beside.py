"""What lies beside the log, in PostgreSQL: inbox, tombstones, held text, definitions, blobs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson

from actalog_log.beside_ports import Held, InboxRow, Tombstone
from actalog_log.database import Pool
from actalog_log.reaching import reaching
from actalog_log.watching import ASKED_S

Row = Any  # asyncpg.Record: its fields have no static types
# Old ones go with it, a few each time. By the statement's time: the clock's changes while it is
# read, and cannot be looked for in an index.
PUT_TOMBSTONE = """
    with old as (
        select tenant_id, run_id from tombstones
        where made_at <= statement_timestamp() - interval '1 day'
        and (tenant_id, run_id) <> ($1, $2)
        order by made_at limit 100 for update skip locked
    ), gone as (
        delete from tombstones t using old
        where t.tenant_id = old.tenant_id and t.run_id = old.run_id
    )
    insert into tombstones as t (tenant_id, run_id, reason, by) values ($1, $2, $3, $4)
    on conflict (tenant_id, run_id) do update
    set reason = excluded.reason, by = excluded.by, made_at = excluded.made_at
    where t.made_at <= clock_timestamp() - interval '1 day'
"""


class PostgresBeside:
    """A part of `PostgresLog`."""

    pool: Pool

    # --- inbox, tombstones, held text

    @reaching
    async def put_inbox(self, row: InboxRow) -> bool:
        said = await self.pool.execute(
            "insert into inbox (tenant_id, inbox_id, body, headers) values ($1, $2, $3, $4::jsonb)"
            " on conflict do nothing",
            row.tenant_id, row.inbox_id, row.body, orjson.dumps(dict(row.headers)).decode(),
        )  # fmt: skip
        return said.endswith(" 1")

    @reaching
    async def get_inbox(self, tenant_id: str, inbox_id: str) -> InboxRow | None:
        row = await self.pool.fetchrow(
            "select * from inbox where tenant_id = $1 and inbox_id = $2", tenant_id, inbox_id
        )
        return _inbox(row) if row else None

    @reaching
    async def drop_inbox(self, tenant_id: str, inbox_id: str) -> None:
        await self.pool.execute(
            "delete from inbox where tenant_id = $1 and inbox_id = $2", tenant_id, inbox_id
        )

    @reaching
    async def due_inbox(self, older_than: datetime, limit: int) -> Sequence[InboxRow]:
        rows = await self.pool.fetch(
            "with due as (select tenant_id, inbox_id from inbox where received_at < $1"
            " and (asked_at is null or asked_at < $1) order by received_at limit $2"
            " for update skip locked)"
            f" update inbox i set asked_at = $1 + interval '{ASKED_S} seconds' from due"
            " where i.tenant_id = due.tenant_id and i.inbox_id = due.inbox_id returning i.*",
            older_than, limit,
        )  # fmt: skip
        return sorted([_inbox(row) for row in rows], key=lambda one: one.received_at or older_than)

    @reaching
    async def try_inbox(self, tenant_id: str, inbox_id: str, by: int = 1) -> int:
        return await self.pool.fetchval(
            "update inbox set tries = tries + $3 where tenant_id = $1 and inbox_id = $2"
            " returning tries", tenant_id, inbox_id, by,
        ) or 0  # fmt: skip

    @reaching
    async def inbox_depth(self) -> int:
        return await self.pool.fetchval("select count(*) from inbox")

    @reaching
    async def inbox_depths(self) -> Mapping[str, int]:
        rows = await self.pool.fetch("select tenant_id, count(*) as n from inbox group by 1")
        return {row["tenant_id"]: row["n"] for row in rows}

    @reaching
    async def put_tombstone(self, tombstone: Tombstone) -> None:
        await self.pool.execute(
            PUT_TOMBSTONE,
            tombstone.tenant_id, tombstone.run_id, tombstone.reason, tombstone.by,
        )  # fmt: skip

    @reaching
    async def get_held(self, tenant_id: str, held_id: str) -> str | None:
        body = await self.pool.fetchval(
            "select body from held where tenant_id = $1 and held_id = $2", tenant_id, held_id
        )
        return None if body is None else body.decode()

    @reaching
    async def put_held(self, held: Held) -> None:
        await self.pool.execute(
            "insert into held (tenant_id, held_id, run_no, body) select $1, $2, $3, $4"
            " from open_runs where run_no = $3 for key share on conflict do nothing",
            held.tenant_id, held.held_id, held.run_no, held.text.encode(),
        )  # fmt: skip

    # --- definitions and blobs

    @reaching
    async def put_definition(self, digest: str, kind: str, id: str, body: bytes) -> bool:
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "insert into definitions (digest, kind, id, body) values ($1, $2, $3, $4)"
                " on conflict do nothing", digest, kind, id, body,
            )  # fmt: skip
            said = await connection.execute(
                "insert into current_definitions as c (kind, id, digest) values ($1, $2, $3)"
                " on conflict (kind, id) do update set digest = excluded.digest"
                " where c.digest <> excluded.digest", kind, id, digest,
            )  # fmt: skip
        return said.endswith(" 1")

    @reaching
    async def get_definition(self, digest: str) -> bytes | None:
        return await self.pool.fetchval("select body from definitions where digest = $1", digest)

    @reaching
    async def current_definition(self, kind: str, id: str) -> tuple[str, bytes] | None:
        row = await self.pool.fetchrow(
            "select digest, body from current_definitions join definitions using (digest)"
            " where current_definitions.kind = $1 and current_definitions.id = $2", kind, id,
        )  # fmt: skip
        return (row["digest"], row["body"]) if row else None

    @reaching
    async def current_definitions(self) -> Sequence[tuple[str, str, str, bytes]]:
        rows = await self.pool.fetch(
            "select c.kind, c.id, c.digest, d.body from current_definitions c"
            " join definitions d using (digest) order by c.kind, c.id"
        )
        return [tuple(row.values()) for row in rows]

    @reaching
    async def put_blob(self, tenant_id: str, blob_id: str, media_type: str, data: bytes) -> None:
        await self.pool.execute(
            "insert into blobs (tenant_id, blob_id, media_type, data) values ($1, $2, $3, $4)"
            " on conflict do nothing", tenant_id, blob_id, media_type, data,
        )  # fmt: skip

    @reaching
    async def get_blob(self, tenant_id: str, blob_id: str) -> tuple[str, bytes] | None:
        row = await self.pool.fetchrow(
            "select media_type, data from blobs where tenant_id = $1 and blob_id = $2",
            tenant_id, blob_id,
        )  # fmt: skip
        return (row["media_type"], row["data"]) if row else None

    @reaching
    async def has_blob(self, tenant_id: str, blob_id: str) -> bool:
        return await self.pool.fetchval(
            "select exists (select from blobs where tenant_id = $1 and blob_id = $2)",
            tenant_id, blob_id,
        )  # fmt: skip

    @reaching
    async def installation_key(self) -> bytes:
        return await self.pool.fetchval("select digest_key from installation")


def _inbox(row: Row) -> InboxRow:
    return InboxRow(
        tenant_id=row["tenant_id"], inbox_id=row["inbox_id"], body=row["body"],
        headers=orjson.loads(row["headers"]), received_at=row["received_at"], tries=row["tries"],
    )  # fmt: skip
