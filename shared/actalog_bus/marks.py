"""What stands beside the offsets that a consumer has committed (`suspicion.Marks`)."""

import asyncio
import contextlib
from collections.abc import Callable, Collection, Mapping

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from actalog_bus.ports import Marking
from actalog_bus.positions import Partition
from actalog_bus.watermark import Beside, Stamp
from actalog_bus.wiring import committed
from actalog_core.errors import Transient

PATIENCE_S = 5.0  # aiokafka would try for ever
FAILED = (KafkaError, TimeoutError, IllegalStateError)


class OffsetMarks:
    """A number in the metadata of a committed offset, behind the stamp of the last record before
    it (`doubts`). Nothing here raises what the broker says: a death that is not counted now is
    counted the next time."""

    def __init__(
        self, stamp: Callable[[Partition], Stamp | None], marking: Marking | None = None
    ) -> None:
        self.stamp, self._marking = stamp, marking
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
            (at.topic, at.partition): (offset, Beside.of(told).began)
            for at, (offset, told) in found.items()
        }

    async def write(self, marks: Mapping[Partition, tuple[int, int]]) -> None:
        """See `Marks.write`."""
        if self.consumer is None:
            return
        told = {
            TopicPartition(*at): OffsetAndMetadata(offset, str(Beside(self.stamp(at), began)))
            for at, (offset, began) in marks.items()
        }
        with contextlib.suppress(*FAILED, Transient):
            async with asyncio.timeout(PATIENCE_S):
                if self._marking is not None:
                    await self._marking({at: offset for at, (offset, _) in marks.items()})
                await self.consumer.commit(told)
