"""Partitions that a topic gets while it is heard.

A group shares them out by itself. Whoever takes every partition by assignment (a gateway of the
feeds, one process of all) would never hear them, while others publish to them.
"""

from collections.abc import Sequence

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from actalog_bus.wiring import metadata_changes, position, told_partitions

log = structlog.get_logger()


class Growth:
    """Of one consumer of every partition."""

    def __init__(self, consumer: AIOKafkaConsumer, topics: Sequence[str]) -> None:
        self._consumer, self._topics = consumer, topics
        self._told = False
        metadata_changes(consumer, self._tell)

    def _tell(self, _: object) -> None:
        self._told = True

    async def taken(self) -> set[TopicPartition]:
        """New ones, taken as well, to be heard from their first record on."""
        if not self._told:
            return set()
        consumer, mine = self._consumer, self._consumer.assignment()
        new = told_partitions(consumer, self._topics) - mine
        known = {at: position(consumer, at) for at in mine} if new else {}
        if None in known.values():
            return set()  # not now: who assigns forgets where it was
        self._told = False
        if new:
            consumer.assign([*known, *new])
            for at, offset in known.items():
                consumer.seek(at, offset or 0)
            await consumer.seek_to_beginning(*new)
            log.info("taken", partitions=sorted(f"{at.topic}/{at.partition}" for at in new))
        return new
