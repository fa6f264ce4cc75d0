"""asyncpg as we use it: its own package has no types for what a query returns."""

from collections.abc import AsyncIterable, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, TypeAlias, cast

import asyncpg

# A statement that has no answer by then is given up. One that was only slow is cancelled; where the
# connection says nothing to that either, it is closed after as long again.
STATEMENT_S = 10.0
CONNECT_S = 5  # to be connected and let in
# A connection that is no more, or that says nothing.
CONNECTION_LOST = (
    OSError, TimeoutError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError,
    asyncpg.InternalClientError,  # of a connection that broke in the middle of a protocol state
)  # fmt: skip

# A role or a database may be set to acknowledge commits that are not on disk, to fail statements
# because of others where they would wait, and to look for tables elsewhere. None of it is what is
# promised here, nor what the function that keeps ranges ahead does.
_AS_PROMISED = """
    select set_config('default_transaction_isolation', 'read committed', false),
           set_config('search_path', 'public', false),
           set_config('synchronous_commit', case current_setting('synchronous_commit')
               when 'off' then 'on' else current_setting('synchronous_commit') end, false)
"""

Asked: TypeAlias = Awaitable[Any]


class Queries(Protocol):
    """Both a connection and a pool answer queries. Rows are asyncpg Records."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str: ...

    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> list[Any]: ...

    async def fetchrow(
        self, query: str, *args: object, timeout: float | None = None
    ) -> Any | None: ...

    async def fetchval(self, query: str, *args: object, timeout: float | None = None) -> Any: ...


class Connection(Queries, Protocol):
    """One connection: what is done in its transaction stands whole or not at all."""

    def transaction(self) -> AbstractAsyncContextManager[object]: ...

    def cursor(self, query: str, *args: object, prefetch: int) -> AsyncIterable[Any]: ...

    async def close(self) -> None: ...


class Pool(Queries, Protocol):
    """Connections to share."""

    def acquire(self) -> AbstractAsyncContextManager[Connection]: ...

    async def close(self) -> None: ...

    def terminate(self) -> None: ...


class _Kept(asyncpg.Connection):
    """Nothing of a connection's state outlives a transaction here, so nothing is reset between
    two uses: asyncpg would ask the server after every query."""

    def get_reset_query(self) -> str:
        return ""


class _Suspicious(asyncpg.Pool):
    """What was silent to one statement may be silent on every connection: after one that had no
    answer in time, the idle ones are made anew, and not found out one after the other."""

    async def execute(self, *args: Any, **more: Any) -> Any:
        return await self._heard(cast(Asked, super().execute(*args, **more)))

    async def fetch(self, *args: Any, **more: Any) -> Any:
        return await self._heard(cast(Asked, super().fetch(*args, **more)))

    async def fetchrow(self, *args: Any, **more: Any) -> Any:
        return await self._heard(cast(Asked, super().fetchrow(*args, **more)))

    async def fetchval(self, *args: Any, **more: Any) -> Any:
        return await self._heard(cast(Asked, super().fetchval(*args, **more)))

    async def _heard(self, asked: Asked) -> Any:
        try:
            return await asked
        except (TimeoutError, asyncpg.InternalClientError):
            # Terminated: who closes a connection in order waits for the server's answer.
            for holder in cast("list[Any]", self._holders):
                if holder.is_connected() and holder.is_idle():
                    holder.terminate()
            raise


async def connect(dsn: str) -> Connection:
    """One connection of our own."""
    connection = cast(Connection, await asyncpg.connect(dsn, timeout=CONNECT_S))
    await connection.execute(_AS_PROMISED)
    return connection


async def connect_pool(
    dsn: str, *, most: int, greet: Callable[[Any], Awaitable[None]] | None = None
) -> Pool:
    """A pool of up to `most` connections; each is shown to `greet` before its first use."""

    async def begin(connection: Any) -> None:
        await connection.execute(_AS_PROMISED)
        if greet is not None:
            await greet(connection)

    pool: Any = _Suspicious(
        dsn, min_size=2, max_size=most, command_timeout=STATEMENT_S, timeout=CONNECT_S,
        connection_class=_Kept, record_class=asyncpg.Record, init=begin, max_queries=50_000,
        max_inactive_connection_lifetime=300.0, connect=None, setup=None, reset=None, loop=None,
    )  # fmt: skip
    return cast(Pool, await pool)
