"""Protocol 16.2: a service that finds no broker or database waits and says what it waits for."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import asyncpg

from actalog.cli.reach import NoDatabase, no_rights
from actalog_core.errors import Permanent, Transient
from actalog_core.waiting import Waiting
from actalog_log.database import CONNECTION_LOST, connect
from actalog_log.logins import make_login
from actalog_log.migrate import DatabaseIsNewer, checksum, migrate, scripts
from actalog_log.postgres import NOT_NOW

T = TypeVar("T")

AWAY = (OSError, TimeoutError, Transient, asyncpg.PostgresConnectionError,
        asyncpg.InternalClientError, *NOT_NOW, asyncpg.InvalidCatalogNameError)  # fmt: skip


class NotAllowed(Permanent):
    """The database refuses us."""


class NotMigrated(Transient):
    """The database is not migrated yet; run `actalog migrate`."""


REFUSED = (*CONNECTION_LOST, asyncpg.PostgresError, ValueError)


async def migrated(dsn: str) -> list[str]:
    """Apply what is missing.

    Raises:
        NoDatabase: it does not answer, or refuses us.
    """
    try:
        return await migrate(dsn)
    except REFUSED as error:
        raise _no_database(error) from error


async def with_login(dsn: str, name: str, password: str) -> bool:
    """Make the services' login; whether it is new.

    Raises:
        NoDatabase: it does not answer, or refuses us.
    """
    try:
        return await make_login(dsn, name, password)
    except REFUSED as error:
        raise _no_database(error) from error


def _no_database(error: Exception) -> NoDatabase:
    mend = ""
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        mend = "; this needs the login that owns the tables (the first time, one with CREATEROLE)"
    return NoDatabase(f"ACTALOG_DATABASE_URL: {error or type(error).__name__}{mend}")


async def missing_migrations(dsn: str) -> Sequence[str]:
    """Names of migrations that this build has and the database has not.

    Raises:
        DatabaseIsNewer: the database has one that this build does not know.
    """
    connection = await connect(dsn)
    try:
        rows = await connection.fetch("select name, checksum from migrations")
    except asyncpg.UndefinedTableError:
        rows = []
    except asyncpg.InsufficientPrivilegeError as error:  # waiting would not help
        raise NotAllowed(no_rights(error)) from error
    finally:
        await connection.close()
    if unknown := {row["name"] for row in rows} - {name for name, _ in scripts()}:
        raise DatabaseIsNewer(", ".join(sorted(unknown)))
    there = {(row["name"], row["checksum"]) for row in rows}
    return [name for name, sql in scripts() if (name, checksum(sql)) not in there]


async def all_migrated(dsn: str) -> None:
    """Raises NotMigrated when something is missing."""
    if lacks := await missing_migrations(dsn):
        raise NotMigrated(", ".join(lacks))


async def until(
    what: str, ask: Callable[[], Awaitable[T]], *, say: Callable[[str | None], None]
) -> T:
    """Ask until it works. `say` is told what is waited for, and None at the end."""
    waiting = Waiting()
    while True:
        try:
            found = await ask()
        except AWAY as error:
            said = f"{what}: {error or type(error).__name__}"
            say(said)
            await waiting.pause(said)
        else:
            say(None)
            waiting.over()
            return found
