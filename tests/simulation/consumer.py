"""The client's side of the broker: stand-ins for aiokafka, under the platform's own bus.

`KafkaBus`, `Publisher`, `Subscription` and `Dispatcher` are the real ones.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import IllegalStateError, KafkaConnectionError
from aiokafka.structs import OffsetAndMetadata

from actalog_bus.kafka import KafkaBus
from actalog_bus.ports import Headers, Record
from actalog_bus.settings import KafkaSettings
from actalog_bus.subscription import Subscription
from actalog_bus.wiring import Consumers
from actalog_core import homes
from tests.simulation.broker import PARTITIONS, Group, SimBroker
from tests.simulation.loop import Process

PARKED_S = 5.0
Sent = tuple[tuple[str, int, bytes | None, bytes | None, Headers], "asyncio.Future[None]"]


class SimConsumer:
    """A member of a group. Fetches and commits as aiokafka does; `earliest` where nothing was
    committed, or where the log ends before its position."""

    def __init__(
        self, broker: SimBroker, process: Process, group: str, topics: Sequence[str],
        listener: ConsumerRebalanceListener,
    ) -> None:  # fmt: skip
        self.broker, self.process, self.group, self.topics = broker, process, group, topics
        self.listener: Any = listener
        self._coordinator, self._client = self, _Client(broker)
        self._subscription = SimpleNamespace(subscription=None)  # tells no position
        self.member_of: Group | None = None
        self.assigned: set[TopicPartition] = set()
        self._order: list[TopicPartition] = []
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._waiter: asyncio.Future[None] | None = None
        self._told: asyncio.Queue[tuple[list[TopicPartition], int] | None] = asyncio.Queue()
        self._task = asyncio.get_running_loop().create_task(self._coordinate())
        broker.consumers.append(self)
        broker.later(broker.latency(), lambda: broker.join(self))

    # What the broker tells.

    def ask_to_rejoin(self) -> None:
        self._told.put_nowait(None)

    def assign(self, partitions: list[TopicPartition], generation: int) -> None:
        self._told.put_nowait((partitions, generation))

    def connects_anew(self) -> None:
        """The old connection is gone."""
        self._client.connects()

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _coordinate(self) -> None:
        while True:
            told = await self._told.get()
            if told is None:
                await self.listener.on_partitions_revoked(sorted(self.assigned))
                self._take([])
                self.broker.later(self.broker.latency(), lambda: self.broker.join(self))
            else:
                self._take(told[0])
                await self.listener.on_partitions_assigned(told[0])
                self.wake()

    def _take(self, partitions: list[TopicPartition]) -> None:
        self.assigned, self._order = set(partitions), sorted(partitions)
        self._paused &= self.assigned
        known = {where: self.broker.committed(self.group, where) for where in partitions}
        self._positions = {where: offset or 0 for where, offset in known.items()}

    # What the subscription asks.

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self.assigned)

    def paused(self) -> frozenset[TopicPartition]:
        return frozenset(self._paused)

    def pause(self, *partitions: TopicPartition) -> None:
        self._paused |= set(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self._paused -= set(partitions)

    def highwater(self, at: TopicPartition) -> int:
        return len(self.broker.partition(at.topic, at.partition).records)

    async def position(self, at: TopicPartition) -> int:
        return self._positions[at]

    async def end_offsets(self, wanted: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        await asyncio.sleep(self.broker.latency())
        if self.broker.down:
            raise KafkaConnectionError("the broker is down")
        return {at: self.highwater(at) for at in wanted}

    async def fetch_committed_offsets(
        self, wanted: Sequence[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        await asyncio.sleep(self.broker.latency())
        if self.broker.down:
            raise KafkaConnectionError("the broker is down")
        told = {at: self.broker.committed(self.group, at) for at in wanted}
        return {
            at: OffsetAndMetadata(offset, self.broker.said.get((self.group, at), ""))
            for at, offset in told.items()
            if offset is not None
        }

    async def commit(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        if not offsets.keys() <= self.assigned:
            raise IllegalStateError("not assigned")
        await asyncio.sleep(self.broker.latency())
        self.broker.commit(self, [(at, *told) for at, told in offsets.items()])

    def seek(self, where: TopicPartition, offset: int) -> None:
        if where not in self.assigned:
            raise IllegalStateError("not assigned")
        self._positions[where] = offset
        self.wake()

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        for where in partitions:
            self.seek(where, 0)

    async def getmany(
        self, *, timeout_ms: int, max_records: int
    ) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        """Parks until there is something, longer than it was asked to: nobody is served faster
        by asking five times a second."""
        found = self._fetch(max_records)
        if found:
            await asyncio.sleep(0)
            return found
        loop = asyncio.get_running_loop()
        self._waiter = loop.create_future()
        timer = loop.call_later(timeout_ms / 1_000 if self._paused else PARKED_S, self.wake)
        await self._waiter
        timer.cancel()
        return self._fetch(max_records)

    def _fetch(self, most: int) -> dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]]:
        found: dict[TopicPartition, list[ConsumerRecord[bytes, bytes]]] = {}
        if self.broker.down:
            return found
        now = self.broker.loop.now
        for where in self._order:
            if where in self._paused:
                continue
            part = self.broker.partition(where.topic, where.partition)
            position = self._positions[where]
            if position > len(part.records):
                position = 0  # out of range: the earliest that there is
            end = position
            while end < len(part.records) and part.visible[end] <= now and end - position < most:
                end += 1
            self._positions[where] = end
            if end > position:
                found[where] = [_as_aiokafka(one) for one in part.records[position:end]]
        return found


def _as_aiokafka(record: Record) -> "ConsumerRecord[bytes, bytes]":
    return cast(Any, ConsumerRecord)(
        record.topic, record.partition, record.offset, record.timestamp_ms, 0, record.key,
        record.value, None, len(record.key or b""), len(record.value or b""), record.headers,
    )  # fmt: skip


class SimConsumers:
    """Opens consumers for one process; see `actalog_bus.wiring.Consumers`."""

    def __init__(self, broker: SimBroker, process: Process) -> None:
        self.broker, self.process = broker, process

    async def open(
        self, settings: KafkaSettings, *, group: str | None, topics: Sequence[str] = (),
        listener: ConsumerRebalanceListener | None = None, number: int = 0, **_: Any,
    ) -> AIOKafkaConsumer:  # fmt: skip
        assert group is not None
        assert listener is not None
        made = SimConsumer(self.broker, self.process, group, topics, listener)
        return cast(AIOKafkaConsumer, made)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


class _Cluster:
    def __init__(self, broker: SimBroker) -> None:
        self.broker = broker

    def partitions_for_topic(self, topic: str) -> set[int]:
        return set(range(PARTITIONS))

    def topics(self) -> set[str]:
        return set()

    def add_listener(self, listener: object) -> None: ...


class _Client:
    def __init__(self, broker: SimBroker) -> None:
        self.cluster = _Cluster(broker)
        self.connects()

    def connects(self) -> None:
        self._conns: dict[tuple[int, int], object] = {(0, 0): object()}

    async def fetch_all_metadata(self) -> _Cluster:
        return self.cluster

    async def add_topic(self, topic: str) -> None: ...


class SimProducer:
    """Stands for AIOKafkaProducer: what is sent to one partition arrives in its order."""

    def __init__(self, broker: SimBroker, process: Process) -> None:
        self.broker, self.process, self.client = broker, process, _Client(broker)
        self._last: dict[tuple[str, int], float] = {}
        self.sent: defaultdict[tuple[str, int], deque[Sent]] = defaultdict(deque)
        self.broken: set[tuple[str, int]] = set()  # partitions whose sequence is

    async def start(self) -> None:
        await asyncio.sleep(self.broker.latency())
        if self.broker.down:
            raise KafkaConnectionError("the broker is down")

    async def stop(self) -> None: ...

    async def send(
        self, topic: str, *, value: bytes | None, key: bytes | None, partition: int | None,
        headers: Sequence[tuple[str, bytes]],
    ) -> "asyncio.Future[None]":  # fmt: skip
        broker, loop = self.broker, self.broker.loop
        if partition is None:
            number = int(broker.dice.random() * 1_000) if key is None else homes.murmur2(key)
            partition = number % PARTITIONS
        done: asyncio.Future[None] = loop.create_future()
        told: Headers = tuple(headers)
        record = (topic, partition, key, value, told)
        where = (topic, partition)
        at = self._last[where] = max(self._last.get(where, 0.0), loop.now + broker.latency())
        self.sent[where].append((record, done))
        loop.call_at(at, lambda: broker.arrive(self, where), context=broker.context)
        return done


class SimBus(KafkaBus):
    """The platform's bus over the simulated broker."""

    def __init__(self, settings: KafkaSettings, broker: SimBroker, process: Process) -> None:
        super().__init__(settings)
        self._broker = broker
        self.consumers = SimConsumers(broker, process)

    def near(self, topic: str) -> bool:
        """In every other world a run goes on before what it has told is acknowledged. (What that is
        for, hearing before the broker has it, is not simulated.)"""
        return bool(self._broker.goes_on)

    async def start(self) -> None:
        await self._connected()
        await self._topics_there()
        for number, listen in enumerate(self._listens):
            bury = self.bury_of(listen)
            one = Subscription(listen, settings=self.settings, bury=bury, number=number)
            self._running.append(one)
            counts = {topic: self.partitions(topic) for topic in listen.topics}
            await one.start(cast(Consumers, self.consumers), counts)
        self._missing = None
