"""Whether this database is the one that the topics know: asked before a service hears anything."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actalog_bus.offsets import Stand, stands
from actalog_bus.settings import KafkaSettings
from actalog_contracts import topics
from actalog_core.errors import Transient
from actalog_log.database import Queries
from actalog_log.guarding import cluster
from actalog_log.marks import Partition, installation, mark, marks, older_than_marks, take_back


class DatabaseWasRestored(Transient):
    """This database is not the one that was worked on last; run `actalog recover`."""


@dataclass(frozen=True, slots=True)
class Behind:
    """What was heard of a partition after this database's time: `marked` to `committed`."""

    topic: str
    partition: int
    marked: int
    committed: int


def group_of(prefix: str) -> str:
    """The group that decides: what it has heard is in the log."""
    return f"{prefix}.conductor"


def heard_topics(prefix: str) -> list[str]:
    """What that group hears."""
    return [topics.full_name(one, prefix) for one in (topics.TASKS, topics.REPLIES)]


async def moved(database: Queries) -> list[str]:
    """What the server itself tells: another one answers, or it took over from another.

    Raises:
        NotTheDatabase: it takes no writes.
    """
    stored, now = await installation(database), await cluster(database)
    told: list[str] = []
    if stored.system != now.system:
        told.append(f"it was on server {stored.system} and is on {now.system}")
    elif stored.timeline != now.timeline:
        told.append(f"its timeline was {stored.timeline} and is {now.timeline}")
    return told


def behind(marked: Mapping[Partition, int], standing: Mapping[Partition, Stand]) -> list[Behind]:
    """Partitions of which the broker knows more than the database."""
    return [
        Behind(*where, marked.get(where, 0), stand.committed)
        for where, stand in sorted(standing.items())
        if stand.committed is not None and stand.committed > marked.get(where, 0)
    ]


async def overtaken(database: Queries, kafka: KafkaSettings, prefix: str) -> list[Behind]:
    """Partitions that were heard further than the database knows. Marks that a broker without its
    data has left behind are taken back; a database from before there were marks gets them.

    Raises:
        BrokerSilent: it does not answer.
    """
    group = group_of(prefix)
    # Services may be hearing meanwhile: what was marked before the broker was asked is not beyond
    # its ends, and what was committed when it answered is marked after that.
    before = await marks(database, group)
    standing = await stands(kafka, group, heard_topics(prefix))
    marked = await marks(database, group)
    if not marked and await older_than_marks(database):
        known = {w: s.committed for w, s in standing.items() if s.committed is not None}
        await mark(database, group, known)
        return []
    found = behind(marked, standing)
    if not found and (ahead := _ahead(before, standing)):
        await take_back(database, group, ahead)
    return found


async def restored(database: Queries, kafka: KafkaSettings, prefix: str) -> list[str]:
    """In words, why services refuse this database; nothing is changed by asking.

    Raises:
        BrokerSilent: it does not answer.
        NotTheDatabase: the database takes no writes.
    """
    if moves := await moved(database):
        return moves
    group = group_of(prefix)
    standing = await stands(kafka, group, heard_topics(prefix))
    marked = await marks(database, group)  # after the offsets: services may be hearing meanwhile
    if not marked and await older_than_marks(database):
        return []
    return told([], behind(marked, standing))


def _ahead(
    marked: Mapping[Partition, int], standing: Mapping[Partition, Stand]
) -> dict[Partition, tuple[int, int]]:
    """Marks beyond the end of their topic, and what they shall be: its broker began anew."""
    return {
        where: (marked[where], stand.committed or 0)
        for where, stand in standing.items()
        if marked.get(where, 0) > stand.end
    }


def told(moves: Sequence[str], overtakes: Sequence[Behind]) -> list[str]:
    """In words."""
    return [
        *moves,
        *(
            f"{one.topic}/{one.partition} was heard up to {one.committed}, of which it knows up to"
            f" {one.marked}"
            for one in overtakes
        ),
    ]  # fmt: skip


async def all_as_known(database: Queries, kafka: KafkaSettings | None, prefix: str) -> None:
    """Returns when this is the database that was worked on last. Without `kafka` only the server
    is looked at.

    Raises:
        DatabaseWasRestored: it is not.
        BrokerSilent: the broker does not tell.
        NotTheDatabase: the database takes no writes.
    """
    moves = await moved(database)
    overtakes = await overtaken(database, kafka, prefix) if kafka and not moves else []
    if moves or overtakes:
        raise DatabaseWasRestored("; ".join(told(moves, overtakes[:3])))
