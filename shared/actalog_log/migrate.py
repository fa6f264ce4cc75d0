"""Numbered SQL migrations under an advisory lock, with checksums."""

import hashlib
from importlib import resources

from actalog_core import crashpoints
from actalog_core.errors import Permanent
from actalog_log.database import Connection, connect

LOCK = 7203913  # any number, as long as all of ours take the same one


class MigrationChanged(Permanent):
    """A migration that was applied has been edited since. Write a new one instead."""


class WrongEncoding(Permanent):
    """The database cannot hold every text. Make another one:
    create database NAME encoding 'UTF8' template template0;"""


class DatabaseIsNewer(Permanent):
    """The database was migrated by a newer build. Deploy that build, or restore a backup."""


def scripts() -> list[tuple[str, str]]:
    """(name, SQL) of all migrations, in order."""
    folder = resources.files("actalog_log") / "migrations"
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return [(entry.name, entry.read_text()) for entry in sorted(found, key=lambda one: one.name)]


def checksum(sql: str) -> str:
    """sha256 of a script, hex."""
    return hashlib.sha256(sql.encode()).hexdigest()


async def migrate(dsn: str) -> list[str]:
    """Apply what is missing; the names of what was applied. Safe from several processes at once.

    Raises:
        WrongEncoding: it keeps its texts otherwise than in UTF-8.
        MigrationChanged: an applied script no longer has the same text.
        DatabaseIsNewer: the database has a migration that this build does not know.
    """
    connection = await connect(dsn)
    try:
        if (encoding := await connection.fetchval("show server_encoding")) != "UTF8":
            raise WrongEncoding(f"It is in {encoding}.")
        await connection.execute("select pg_advisory_lock($1)", LOCK)
        return await _apply(connection)
    finally:
        await connection.close()  # gives the lock back


async def _apply(connection: Connection) -> list[str]:
    await connection.execute(
        "create table if not exists migrations (name text primary key, checksum text not null,"
        " applied_at timestamptz not null default clock_timestamp())"
    )
    rows = await connection.fetch("select name, checksum from migrations")
    applied: dict[str, str] = {row["name"]: row["checksum"] for row in rows}
    known = scripts()
    if unknown := sorted(applied.keys() - {name for name, _ in known}):
        raise DatabaseIsNewer(", ".join(unknown))
    made: list[str] = []
    for name, sql in known:
        if name not in applied:
            async with connection.transaction():
                await connection.execute(sql)
                await connection.execute(
                    "insert into migrations (name, checksum) values ($1, $2)", name, checksum(sql)
                )
            made.append(name)
            if crashpoints.armed:
                crashpoints.reach("migrate.applied")
        elif applied[name] != checksum(sql):
            raise MigrationChanged(name)
    # Services ask whether all is there; the table is older than the role.
    may_read = "select has_table_privilege('actalog_service', 'migrations', 'select')"
    if not await connection.fetchval(may_read):
        await connection.execute("grant select on migrations to actalog_service")
    return made
