"""How far a subscription is behind its topics, as a metric that is computed when it is asked for."""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from typing import cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from actalog_bus.dispatch import Dispatcher
from actalog_bus.wiring import position
from actalog_core import metrics

LOOK_S = 5.0


class Lag:
    """Each answer to a fetch says where its partitions end. Partitions that are not fetched,
    because too much of them waits here already, are asked for it from time to time."""

    def __init__(self, group: str, topics: Sequence[str], dispatcher: Dispatcher) -> None:
        self._group, self._topics, self._dispatcher = group, topics, dispatcher
        self._consumer: AIOKafkaConsumer | None = None
        self._ends: dict[TopicPartition, int] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self, consumer: AIOKafkaConsumer, *, look_s: float = LOOK_S) -> None:
        """Begin to tell."""
        self._consumer = consumer
        for topic in self._topics:
            metrics.LAG.labels(self._group, topic).set_function(partial(self.of, topic))
        self._task = asyncio.create_task(self._look(look_s), name=f"lag of {self._group}")

    def stop(self) -> None:
        """Tell no more: what others do is theirs to tell."""
        if self._task is not None:
            self._task.cancel()
        for topic in self._topics:
            with contextlib.suppress(KeyError):
                metrics.LAG.remove(self._group, topic)

    def of(self, topic: str) -> int:
        """Records of a topic's partitions that are ours now, which were not heard to the end."""
        consumer = self._consumer
        if consumer is None:
            return 0
        return sum(
            self._behind(consumer, one) for one in consumer.assignment() if one.topic == topic
        )

    def _behind(self, consumer: AIOKafkaConsumer, at: TopicPartition) -> int:
        end = max(consumer.highwater(at) or 0, self._ends.get(at, 0))
        where = (at.topic, at.partition)
        heard, last = self._dispatcher.heard_upto(where), self._dispatcher.last(where)
        if heard is None or (last is not None and heard == last + 1):
            # Nothing waits here. Behind the last record there may be marks of transactions.
            known = [one for one in (heard, position(consumer, at)) if one is not None]
            heard = max(known, default=end)
        return max(0, end - heard)

    async def _look(self, every_s: float) -> None:
        consumer = self._consumer
        assert consumer is not None
        while True:
            await asyncio.sleep(every_s)
            paused = consumer.paused() & consumer.assignment()
            if not paused:
                self._ends.clear()
                continue
            with contextlib.suppress(KafkaError, OSError, TimeoutError):
                ends = cast("dict[TopicPartition, int]", await consumer.end_offsets(list(paused)))
                self._ends = dict(ends)
