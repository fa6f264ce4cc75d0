"""How far topics were heard, as the database knows it, and which database this is (protocol 15)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from actalog_log.database import Queries

Partition = tuple[str, int]

_MARK = """
    insert into heard_marks as m (consumer_group, topic, partition, heard_up_to)
    select $1, k.topic, k.partition, k.heard_up_to
    from unnest($2::text[], $3::integer[], $4::bigint[]) as k(topic, partition, heard_up_to)
    order by k.topic, k.partition
    on conflict (consumer_group, topic, partition) do update
        set heard_up_to = excluded.heard_up_to, marked_at = clock_timestamp()
        where m.heard_up_to < excluded.heard_up_to or $5
"""
_TAKE_BACK = """
    update heard_marks m set heard_up_to = k.to_offset, marked_at = clock_timestamp()
    from unnest($2::text[], $3::integer[], $4::bigint[], $5::bigint[])
        as k(topic, partition, was, to_offset)
    where m.consumer_group = $1 and m.topic = k.topic and m.partition = k.partition
        and m.heard_up_to = k.was
"""
# Migrated while it had runs already: it never wrote marks, and is not older for that.
_YOUNG = """
    select exists (select from runs where accepted_at < (
        select applied_at from migrations where name = '0005_marks.sql'))
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """What the database says of itself: the server it was on when it was last opened."""

    system: str
    timeline: int
    incarnation: int


async def installation(database: Queries) -> Installation:
    """The stored identity."""
    row = await database.fetchrow(
        "select system_identifier, timeline, incarnation from installation"
    )
    assert row is not None
    return Installation(row["system_identifier"], row["timeline"], row["incarnation"])


async def mark(
    database: Queries, group: str, offsets: Mapping[Partition, int], *, back: bool = False
) -> None:
    """Note how far a group has heard. A mark goes back only where that is meant: a member that
    has lost a partition and does not know it yet must not take its successor's back."""
    where = sorted(offsets)
    await database.execute(
        _MARK, group, [topic for topic, _ in where], [number for _, number in where],
        [offsets[one] for one in where], back,
    )  # fmt: skip


async def take_back(
    database: Queries, group: str, offsets: Mapping[Partition, tuple[int, int]]
) -> None:
    """Of marks that a broker without its data has left behind, (what was read, what it shall be).
    One that somebody has changed meanwhile is theirs."""
    where = sorted(offsets)
    await database.execute(
        _TAKE_BACK, group, [topic for topic, _ in where], [number for _, number in where],
        [offsets[one][0] for one in where], [offsets[one][1] for one in where],
    )  # fmt: skip


async def marks(database: Queries, group: str) -> dict[Partition, int]:
    """All of a group's."""
    rows = await database.fetch(
        "select topic, partition, heard_up_to from heard_marks where consumer_group = $1", group
    )
    return {(row["topic"], row["partition"]): row["heard_up_to"] for row in rows}


async def last_marked(database: Queries, group: str) -> datetime | None:
    """When the last one was made: the database's time, within the pause between two commits."""
    return await database.fetchval(
        "select max(marked_at) from heard_marks where consumer_group = $1", group
    )


async def older_than_marks(database: Queries) -> bool:
    """Whether it has runs from before there were marks."""
    return await database.fetchval(_YOUNG)
