"""asyncpg as we use it: its own package has no types for what a query returns."""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol, cast

import asyncpg

# A statement that has no answer by then is given up. One that was only slow is cancelled; where the
# connection says nothing to that either, it is closed after as long again.
STATEMENT_S = 10.0


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


async def connect(dsn: str) -> Connection:
    """One connection of our own."""
    return cast(Connection, await asyncpg.connect(dsn))


async def connect_pool(
    dsn: str, *, most: int, greet: Callable[[Any], Awaitable[None]] | None = None
) -> Pool:
    """A pool of up to `most` connections; each is shown to `greet` before its first use."""
    pool = asyncpg.create_pool(
        dsn, min_size=2, max_size=most, command_timeout=STATEMENT_S, connection_class=_Kept,
        init=greet,
    )  # fmt: skip
    return cast(Pool, await pool)
