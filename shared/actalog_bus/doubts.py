"""Whether the topics are still those that we were reading (protocol 16.3).

A broker that lost its data, or whose topics were made anew, begins again at offset 0. Nobody tells
a consumer: it waits for an offset that is far away, takes new records for old ones, or passes over
those before its position, or before an offset that was committed to the old one. So does one that
lost its newest records (a power cut, a leader that was behind) and gives their offsets again. So a
commit tells the time of the last record before it, and whenever something may have happened we
look: an end before our position, or at the last offset another record than ours, means another
log, which is heard from its first record on. Hearing twice changes nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Sequence
from typing import Any, cast

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from actalog_bus.dispatch import Dispatcher
from actalog_bus.holes import Holes
from actalog_bus.positions import Partition
from actalog_bus.records import Found, heard
from actalog_bus.watermark import Beside
from actalog_bus.wiring import (
    committed,
    connections,
    metadata_changes,
    refresh_metadata,
    told_partitions,
    unknown,
)

log = structlog.get_logger()
LOOK_EVERY_S = 1.0
ASK_MOST_S = 5.0


class Doubts:
    """Of one consumer. `told_of_changes`: the broker's metadata say when something happened; else
    (the embedded broker) only a new connection does.

    The embedded broker is asked only then also because, after a batch of several records, it tells
    the end of the batch's first one for as long as nothing follows.
    """

    def __init__(
        self, consumer: AIOKafkaConsumer, dispatcher: Dispatcher, *, topics: Sequence[str],
        group: str, told_of_changes: bool, forget: Callable[[Partition], None],
        tell: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self._consumer, self._dispatcher, self._forget = consumer, dispatcher, forget
        self._topics, self._group, self._tell = topics, group, tell
        self._connections: frozenset[object] = frozenset()  # when a record came last
        self._trusted: frozenset[object] | None = None  # what comes over them follows our last
        self._clock = asyncio.get_running_loop().time
        self._looked_at = self._clock()
        self._doubted = self._unsure = False
        self._tells_ends = told_of_changes
        self._holes = None if told_of_changes else Holes(cast(Any, consumer.seek))
        if told_of_changes:
            metadata_changes(consumer, self._doubt)

    async def resume(self, partitions: Collection[TopicPartition]) -> bool:
        """Where these were assigned, begin with the last record before what was committed. A
        broker that knows of less than it has acknowledged has lost its data. Whether it knows
        anything of the group there.

        Raises:
            KafkaError, TimeoutError, IllegalStateError: not now; try again.
        """
        async with asyncio.timeout(ASK_MOST_S):
            told = await committed(self._consumer, partitions)
        self._doubted = self._tells_ends  # what was committed may lie behind the end
        acknowledged, lost = self._dispatcher.acknowledged(), 0
        unheard: list[TopicPartition] = []
        for at in partitions:
            where = (at.topic, at.partition)
            offset, metadata = told.get(at, (-1, ""))
            if offset < (acknowledged.get(where) or 0):
                self._forget(where)
                lost += acknowledged.get(where) is not None
            stamp = Beside.of(metadata).stamp
            if stamp is not None:
                self._dispatcher.resume(where, stamp)
            # Told and not left to the consumer: it may have handed out records meanwhile.
            if offset < 0:
                unheard.append(at)
            else:
                self._seek(at, offset if stamp is None else stamp.offset)
        if unheard:  # at once: each time it waits for a fetch that is parked at the broker
            await self._begin(*unheard)
        if lost:
            self._began_anew(lost)
        return any(offset >= 0 for offset, _ in told.values())

    async def knows_group(self) -> bool:
        """Whether the broker knows anything of the group at all, be it of others' partitions.

        Raises:
            KafkaError, TimeoutError: not now; try again.
        """
        async with asyncio.timeout(ASK_MOST_S):
            told = await committed(self._consumer, told_partitions(self._consumer, self._topics))
        return any(offset >= 0 for offset, _ in told.values())

    def sure(self, found: Found) -> Found:
        """What was fetched after something may have happened is fetched again behind the last
        record that we know: others may have been given the offsets up to there meanwhile. So is
        what came before what stands in front of it."""
        if not found:
            return found
        now, unsure = connections(self._consumer), self._unsure
        known = self._trusted is None or (not unsure and now <= self._trusted)
        self._trusted, self._unsure = now, False
        if known:
            return found if self._holes is None else self._holes.whole(found)
        self._doubted = self._tells_ends
        for at in sorted(self._consumer.assignment()):
            if at in found:
                self._dispatcher.known(heard(found[at][0]))  # is it before where we read?
            last = self._dispatcher.last((at.topic, at.partition))
            if last is not None:
                self._seek(at, last)
            elif at in found:
                self._seek(at, found[at][0].offset)
        return {}

    def _seek(self, at: TopicPartition, offset: int) -> None:
        self._dispatcher.reads_from((at.topic, at.partition), offset)
        self._consumer.seek(at, offset)
        if self._holes is not None:
            self._holes.reads_from(at, offset)

    async def _begin(self, *at: TopicPartition) -> None:
        await self._consumer.seek_to_beginning(*at)
        if self._holes is not None:  # where it keeps everything, that is 0
            for one in at:
                self._holes.reads_from(one, 0)

    async def look(self, *, fetched: bool) -> None:
        """After each poll; `fetched` when it brought records.

        Raises:
            KafkaError, TimeoutError, IllegalStateError: not now; look again.
        """
        if anew := self._dispatcher.began_anew():
            await self._from_the_beginning([TopicPartition(*where) for where in anew])
        if fetched:
            self._connections = connections(self._consumer)
        now = self._clock()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        if unknown(self._consumer, self._topics):
            # aiokafka would ask again in five minutes, and hear nothing until then.
            with contextlib.suppress(KafkaError, TimeoutError):
                await asyncio.wait_for(refresh_metadata(self._consumer), ASK_MOST_S)
        known = connections(self._consumer)
        if self._doubted or not (fetched or known <= self._connections):
            await self._compare()
            self._connections, self._doubted = known, False

    def _doubt(self, _: object) -> None:
        self._doubted = self._unsure = True

    async def _compare(self) -> None:
        consumer, taken = self._consumer, self._consumer.assignment()
        async with asyncio.timeout(ASK_MOST_S):
            ends = cast("dict[TopicPartition, int]", await consumer.end_offsets(list(taken)))
            at: dict[TopicPartition, int] = {
                where: cast(Any, await consumer.position(where)) for where in ends
            }
        last = {where: self._dispatcher.last((where.topic, where.partition)) for where in ends}
        known = {where: -1 if offset is None else offset for where, offset in last.items()}
        if lost := [w for w, end in ends.items() if end < at[w] or end <= known[w]]:
            await self._from_the_beginning(lost)
        for where, position in at.items():
            if where not in lost and last[where] == position - 1:
                self._seek(where, position - 1)  # the dispatcher knows it, or knows better

    async def _from_the_beginning(self, anew: Sequence[TopicPartition]) -> None:
        for where in anew:
            self._forget((where.topic, where.partition))
        await self._begin(*anew)
        self._began_anew(len(anew))

    def _began_anew(self, partitions: int) -> None:
        log.warning("the log began anew", partitions=partitions, group=self._group)
        if self._tell is not None:
            self._tell()
