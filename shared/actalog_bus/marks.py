"""What stands beside the offsets that a consumer has committed (`suspicion.Marks`)."""

import asyncio
import contextlib
from collections.abc import Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from actalog_bus.dispatch import Partition
from actalog_bus.ports import Marking
from actalog_bus.wiring import committed
from actalog_core.errors import Transient

PATIENCE_S = 5.0  # aiokafka would try for ever
FAILED = (KafkaError, TimeoutError, IllegalStateError)


class OffsetMarks:
    """A number in the metadata of a committed offset. Nothing here raises what the broker says: a
    death that is not counted now is counted the next time."""

    def __init__(self, marking: Marking | None = None) -> None:
        self._marking = marking
        self.consumer: AIOKafkaConsumer | None = None

    async def read(self, partitions: Collection[Partition]) -> Mapping[Partition, tuple[int, int]]:
        """See `Marks.read`."""
        if self.consumer is None:
            return {}
        try:
            async with asyncio.timeout(PATIENCE_S):
                found = await committed(self.consumer, [TopicPartition(*at) for at in partitions])
        except FAILED:
            return {}
        return {
            (at.topic, at.partition): (offset, int(told) if told.isdecimal() else 0)
            for at, (offset, told) in found.items()
        }

    async def write(self, marks: Mapping[Partition, tuple[int, int]]) -> None:
        """See `Marks.write`."""
        if self.consumer is None:
            return
        told = {
            TopicPartition(*at): OffsetAndMetadata(offset, str(began or ""))
            for at, (offset, began) in marks.items()
        }
        with contextlib.suppress(*FAILED, Transient):
            async with asyncio.timeout(PATIENCE_S):
                if self._marking is not None:
                    await self._marking({at: offset for at, (offset, _) in marks.items()})
                await self.consumer.commit(told)
