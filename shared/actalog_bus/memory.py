"""The bus in memory, of a program without a platform and of tests: the real dispatcher over lists."""

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from actalog_bus.burial import bury_over
from actalog_bus.dispatch import Dispatcher
from actalog_bus.ports import Headers, Listen, Outgoing, Record
from actalog_bus.retry import Backoff
from actalog_core import homes
from actalog_core.clock import Clock, system_clock
from actalog_core.errors import Permanent

Partition = tuple[str, int]


@dataclass
class MemoryBroker:
    """What outlives a process: records and committed offsets. Several buses may share one."""

    partitions: int = 4
    max_bytes: int = 1_000_000
    clock: Clock = system_clock  # of records
    topics: dict[str, list[list[Record]]] = field(default_factory=dict[str, list[list[Record]]])
    offsets: dict[tuple[str, str, int], int] = field(
        default_factory=dict[tuple[str, str, int], int]
    )
    watchers: list[Callable[[], None]] = field(default_factory=list[Callable[[], None]])
    _turn: "itertools.count[int]" = field(default_factory=itertools.count)

    def topic(self, name: str) -> list[list[Record]]:
        """The topic's partitions; a topic that is not there is created."""
        return self.topics.setdefault(name, [[] for _ in range(self.partitions)])

    def append(
        self, name: str, value: bytes | None, key: bytes | None, headers: Headers, at: int | None
    ) -> None:
        """Keyed records go where Java's partitioner puts them, others to one after the other."""
        if at is None:
            at = next(self._turn) if key is None else homes.murmur2(key) % self.partitions
        log = self.topic(name)[at % self.partitions]
        now = int(self.clock().timestamp() * 1_000)
        log.append(Record(name, at % self.partitions, len(log), now, key, value, headers))
        for watcher in self.watchers:
            watcher()


class _Subscription:
    """One Listen of one bus: a position for each partition, and the dispatcher."""

    def __init__(self, listen: Listen, broker: MemoryBroker, bus: "MemoryBus") -> None:
        self.listen, self.broker = listen, broker
        self.positions: dict[Partition, int] = {}
        self._loop = asyncio.get_running_loop()
        self._due = False
        self.dispatcher = Dispatcher(
            hear=listen.hear, lane=listen.lane, bury=partial(bury_over, bus.publish_many, listen),
            limit=listen.limit,
            backoff=bus.backoff, progress=self.wake,
        )  # fmt: skip
        for topic in listen.topics:
            for at, records in enumerate(broker.topic(topic)):
                known = broker.offsets.get((listen.group, topic, at), 0)
                self.positions[topic, at] = len(records) if listen.broadcast else known

    def wake(self) -> None:
        """Poll soon; any number of wakes before it are one."""
        if not self._due:
            self._due = True
            self._loop.call_soon(self.poll)

    def poll(self) -> None:
        """Commit, and hand over what is new in partitions that are not paused."""
        self._due = False
        self.commit()
        paused = self.dispatcher.paused()
        for (topic, at), position in self.positions.items():
            if (topic, at) in paused:
                continue
            new = self.broker.topic(topic)[at][position : position + 100]
            self.positions[topic, at] = position + len(new)
            for record in new:
                self.dispatcher.take(record)
            if new:
                self.wake()

    def commit(self) -> None:
        offsets = self.dispatcher.commits()
        if not self.listen.broadcast:
            for (topic, at), offset in offsets.items():
                self.broker.offsets[self.listen.group, topic, at] = offset
        self.dispatcher.committed(offsets)

    def rewind(self) -> None:
        """From the first record again. What is being heard goes on."""
        self.dispatcher.keep(())
        self.positions = dict.fromkeys(self.positions, 0)
        self.wake()

    @property
    def idle(self) -> bool:
        ends = {where: len(self.broker.topic(where[0])[where[1]]) for where in self.positions}
        return not self._due and self.dispatcher.idle and self.positions == ends


class MemoryBus:
    """`Bus` in memory. Topics appear when they are named. Buses that share a broker are processes
    of one installation; they do not share a group's partitions: each hears all."""

    def __init__(self, partitions: int = 4, *, broker: MemoryBroker | None = None) -> None:
        self.broker = broker or MemoryBroker(partitions)
        self.backoff = Backoff(first_s=0.002, most_s=0.05)
        self._listens: list[Listen] = []
        self._running: list[_Subscription] = []
        self._started = False

    async def publish(
        self,
        topic: str,
        *,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        """See `Bus.publish`."""
        if len(value or b"") > self.broker.max_bytes:
            raise Permanent(f"{topic}: the record is too large", bytes=len(value or b""))
        self.broker.append(topic, value, key, headers, partition)

    async def publish_many(self, records: Sequence[Outgoing]) -> None:
        """See `Bus.publish_many`."""
        for one in records:
            await self.publish(
                one.topic, value=one.value, key=one.key, headers=one.headers,
                partition=one.partition,
            )  # fmt: skip

    def listen(self, listen: Listen) -> None:
        """See `Bus.listen`."""
        self._listens.append(listen)

    def partitions(self, topic: str) -> int:
        """See `Bus.partitions`."""
        return len(self.broker.topic(topic))

    def near(self, topic: str) -> bool:
        """See `Bus.near`. Whoever publishes here need not wait for anybody."""
        return False

    async def start(self) -> None:
        """Hear from the committed offsets on. May be called again after `stop`."""
        self._running = [_Subscription(listen, self.broker, self) for listen in self._listens]
        for subscription in self._running:
            if subscription.listen.assigned is not None:
                subscription.listen.assigned()
            self.broker.watchers.append(subscription.wake)
            subscription.wake()
        self._started = True

    async def stop(self, grace_s: float = 10.0) -> None:
        """See `Bus.stop`."""
        self._unwatch()
        running, self._running, self._started = self._running, [], False
        for subscription in running:
            subscription.positions = {}
        for subscription in running:
            await subscription.dispatcher.drain(grace_s)
            subscription.commit()

    async def crash(self) -> None:
        """Stop as a killed process does: nothing is finished, nothing is committed."""
        self._unwatch()
        running, self._running, self._started = self._running, [], False
        for subscription in running:
            subscription.dispatcher.keep(())
            subscription.positions = {}
            await subscription.dispatcher.drain(0)

    def ready(self) -> str | None:
        """See `Bus.ready`."""
        return None if self._started else "bus: not started"

    # For tests.

    def records(self, topic: str) -> list[Record]:
        """Everything published to the topic, by time within a partition."""
        return [record for part in self.broker.topic(topic) for record in part]

    def committed(self, group: str, topic: str) -> dict[int, int]:
        """Committed offsets by partition."""
        found: dict[int, int] = defaultdict(int)
        for (name, heard, at), offset in self.broker.offsets.items():
            if (name, heard) == (group, topic):
                found[at] = offset
        return dict(found)

    async def drained(self, timeout_s: float = 10.0) -> None:
        """Wait until everything published was heard and nothing is in flight."""
        async with asyncio.timeout(timeout_s):
            while not all(each.idle for each in self._running):  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    def redeliver(self, group: str) -> None:
        """Deliver everything to the group again, from offset 0."""
        for subscription in self._running:
            if subscription.listen.group == group:
                subscription.rewind()

    def _unwatch(self) -> None:
        mine = [subscription.wake for subscription in self._running]
        self.broker.watchers = [w for w in self.broker.watchers if w not in mine]
