"""What became of dead letters: each is sent again or put aside once, and it is known by whom."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from actalog_log.database import Pool
from actalog_log.postgres import reaching

Action = Literal["redriven", "discarded"]


@dataclass(frozen=True, slots=True)
class LetterId:
    """Where a dead letter lies. The broker's timestamp tells it from one of an earlier broker."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


@dataclass(frozen=True, slots=True)
class Fate:
    """What was done with a letter."""

    action: Action
    by: str
    at: datetime
    note: str | None = None


class Letters:
    """Fates, over a pool of connections (that of PostgresLog)."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    @reaching
    async def fates(self, topic: str) -> Mapping[LetterId, Fate]:
        """Of a topic's letters that have one."""
        rows = await self.pool.fetch("select * from dead_letters where topic = $1", topic)
        return {
            LetterId(row["topic"], row["partition"], row["offset"], row["timestamp_ms"]): Fate(
                row["action"], row["by"], row["at"], row["note"]
            )
            for row in rows
        }

    @reaching
    async def seal(
        self, letter: LetterId, action: Action, *, by: str, note: str | None = None,
        act: Callable[[], Awaitable[None]] | None = None,
    ) -> Fate | None:  # fmt: skip
        """Give a letter its fate, and act on it before that stands: None, or the fate that it
        has already, and nothing is done.

        Whoever dies between the two leaves it without a fate: it may be acted upon again, and
        what is heard twice means nothing. Of two at once the second waits for the first.
        """
        where = (letter.topic, letter.partition, letter.offset, letter.timestamp_ms)
        async with self.pool.acquire() as connection, connection.transaction():
            made = await connection.fetchval(
                'insert into dead_letters (topic, partition, "offset", timestamp_ms, action, by,'
                " note) values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing returning 1",
                *where, action, by, note,
            )  # fmt: skip
            if made and act is not None:
                await act()
        return None if made else (await self.fates(letter.topic))[letter]
