"""A database's content in another server, as `pg_dump` puts it there: row by row, as it stands."""

import io
from typing import Protocol, cast

import asyncpg

from actalog_log.database import Queries, connect
from actalog_log.migrate import migrate

_TABLES = """
    select relname from pg_class join pg_namespace n on n.oid = relnamespace
    where n.nspname = 'public' and relkind in ('r', 'p') and not relispartition
"""
_SEQUENCES = "select sequencename from pg_sequences where schemaname = 'public'"
# Transactions of which nothing remains but that their numbers are used up.
_USE_UP = """
    do $$ begin
        for at in 1..{count} loop
            perform pg_current_xact_id();
            commit;
        end loop;
    end $$
"""


async def use_up_transaction_numbers(dsn: str, count: int) -> None:
    """As a server that has worked for long."""
    connection = await connect(dsn)
    try:
        await connection.execute(_USE_UP.format(count=count))
    finally:
        await connection.close()


class _Copying(Queries, Protocol):
    """asyncpg's own connection."""

    async def copy_from_query(self, query: str, *, output: io.BytesIO, format: str) -> str: ...

    async def copy_to_table(self, table: str, *, source: io.BytesIO, format: str) -> str: ...

    async def close(self) -> None: ...


async def _connect(dsn: str) -> _Copying:
    return cast("_Copying", await asyncpg.connect(dsn))


async def dump(here: str, there: str) -> None:
    """All rows and where sequences stand. No trigger fires, as in a restore."""
    await migrate(there)
    source, target = await _connect(here), await _connect(there)

    async def names(query: str) -> list[str]:
        return [row[0] for row in await source.fetch(query)]

    try:
        await target.execute("set session_replication_role = replica")
        tables = await names(_TABLES)
        await target.execute(f"truncate {', '.join(tables)}")
        for table in tables:
            rows = io.BytesIO()
            await source.copy_from_query(f"select * from {table}", output=rows, format="binary")
            rows.seek(0)
            await target.copy_to_table(table, source=rows, format="binary")
        for name in await names(_SEQUENCES):
            at = await source.fetch(f"select last_value, is_called from {name}")
            await target.execute(f"select setval('{name}', $1, $2)", *at[0])
    finally:
        await source.close()
        await target.close()
