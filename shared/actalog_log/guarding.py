"""A process stays with the database that it began with (protocol 15).

What a pool connects to later may be another one: a replica that took over, or an older copy that
was put back. Every new connection is looked at before it is used.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import asyncpg

from actalog_core.errors import Transient
from actalog_log.database import CONNECTION_LOST, Pool, Queries

# The server's own identity, and how far its write-ahead log is on disk: that never goes back.
_CLUSTER = """
    select (select system_identifier::text from pg_control_system()) as system,
           pg_is_in_recovery() as replica,
           current_setting('transaction_read_only') = 'on' as read_only,
           case when not pg_is_in_recovery()
                then substring(pg_walfile_name(pg_current_wal_flush_lsn()) for 8) end as timeline,
           case when not pg_is_in_recovery()
                then (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint end as flushed
"""
WATCH_EVERY_S = 2.0


class NotTheDatabase(asyncpg.InterfaceError):
    """A connection that must not be used; to all who ask it is a database that is away."""


class DatabaseWentBack(Transient):
    """This is not the database that this process began with."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Which server, on which timeline; `flushed` bytes of its write-ahead log are on disk."""

    system: str
    timeline: int
    flushed: int


async def cluster(database: Queries) -> Cluster:
    """The server that answers.

    Raises:
        NotTheDatabase: it takes no writes.
    """
    row: Any = await database.fetchrow(_CLUSTER)
    if row["replica"] or row["read_only"]:
        what = "it is a replica" if row["replica"] else "it is read-only"
        raise NotTheDatabase(f"the database takes no writes: {what}")
    return Cluster(row["system"], int(row["timeline"], 16), row["flushed"])


class Guard:
    """Refuses connections to a database that is not the one from before, for good."""

    def __init__(self) -> None:
        self.known: Cluster | None = None
        self.refused: str | None = None
        self._broken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def greet(self, connection: Any) -> None:
        """Look at a new connection.

        Raises:
            NotTheDatabase: it must not be used.
        """
        before = self.known  # what is known by the time of the answer may be younger than it
        now = await cluster(connection)
        if self.refused is None and (wrong := _another(self.known, now) or _older(before, now)):
            self.refused = wrong
            self._broken.set()
        if self.refused is not None:
            raise NotTheDatabase(self.refused)
        self._note(now)

    def _note(self, now: Cluster) -> None:
        """Answers overtake each other: the furthest counts."""
        if self.known is None or now.flushed > self.known.flushed:
            self.known = now

    async def broken(self) -> None:
        """Returns never, as long as the database is the one from before.

        Raises:
            DatabaseWentBack: it is not; only a new start looks again.
        """
        await self._broken.wait()
        raise DatabaseWentBack(self.refused or "")

    def start(self, pool: Pool) -> None:
        """Note from time to time how far the database is."""
        self._task = asyncio.create_task(self._watch(pool), name="database guard")

    async def stop(self) -> None:
        """Note no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    async def _watch(self, pool: Pool) -> None:
        while True:
            await asyncio.sleep(WATCH_EVERY_S)
            try:
                # On a connection that was greeted: it is the same server still.
                self._note(await cluster(pool))
            except (*CONNECTION_LOST, asyncpg.PostgresError):
                continue


def _another(known: Cluster | None, now: Cluster) -> str | None:
    if known is None or (known.system, known.timeline) == (now.system, now.timeline):
        return None
    return (
        f"system {now.system}, timeline {now.timeline} answers instead of system"
        f" {known.system}, timeline {known.timeline}"
    )


def _older(before: Cluster | None, now: Cluster) -> str | None:
    if before is None or now.flushed >= before.flushed:
        return None
    return f"its write-ahead log went back from {before.flushed} to {now.flushed}"
