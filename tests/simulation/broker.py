"""A broker that keeps what Kafka keeps: partitions, committed offsets, groups with generations.

Everything in it happens in the world's context: what was sent arrives although its sender died.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaError,
    OutOfOrderSequenceNumber,
    RequestTimedOutError,
    UnknownMemberIdError,
)  # fmt: skip

from actalog_bus.ports import Headers, Record
from tests.simulation.loop import Process, SimLoop

if TYPE_CHECKING:
    from tests.simulation.consumer import SimConsumer, SimProducer

Hook = Callable[[str, Process, str], str | None]
Committed = tuple[str, str, int]  # group, topic, partition
K = TypeVar("K")
V = TypeVar("V")
PARTITIONS = 3
SESSION_S = 6.0


@dataclass
class Partition:
    """`visible[i]`: from when on record i can be fetched; rising."""

    records: list[Record] = field(default_factory=list[Record])
    visible: list[float] = field(default_factory=list[float])
    stalled_until: float = 0.0


@dataclass(eq=False)
class Group:
    name: str
    members: dict["SimConsumer", bool] = field(default_factory=dict["SimConsumer", bool])
    generation: int = 0
    rebalancing: bool = False


class SimBroker:
    """`history` has every record that was ever taken, whatever became of it."""

    def __init__(
        self, loop: SimLoop, *, seed: object, clock: Callable[[], datetime], hook: Hook,
        skew_s: Callable[[Process], float],
    ) -> None:  # fmt: skip
        self.loop, self.clock, self.hook, self.skew_s = loop, clock, hook, skew_s
        self.dice = random.Random(f"broker {seed}")
        self.goes_on = random.Random(f"goes on {seed}").random() < 0.5
        self.context = loop.within(loop.world)
        self.topics: dict[str, list[Partition]] = {}
        self.offsets: dict[tuple[str, str, int], int] = {}
        self.said: dict[tuple[str, TopicPartition], str] = {}  # with the offsets
        self.groups: dict[str, Group] = {}
        self.consumers: list[SimConsumer] = []
        self.history: list[Record] = []
        self.down_until = 0.0
        self.losses = 0  # how often something was lost that it had acknowledged
        self._commits: list[tuple[float, Committed, int | None, str | None]] = []  # with what stood

    # Time.

    @property
    def down(self) -> bool:
        return self.loop.now < self.down_until

    def latency(self) -> float:
        """Seconds; usually about a millisecond, sometimes much more."""
        usual = 0.0004 + self.dice.random() * 0.002
        return usual if self.dice.random() < 0.97 else usual + self.dice.random() * 0.3

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        """In the world, not in whoever asks."""
        self.loop.call_later(delay_s, call, context=self.context)

    # Producing.

    def partition(self, topic: str, at: int) -> Partition:
        parts = self.topics.setdefault(topic, [Partition() for _ in range(PARTITIONS)])
        return parts[at]

    def arrive(self, producer: "SimProducer", where: tuple[str, int]) -> None:
        """A record reaches the broker, once it is up. Behind one that was refused its producer's
        sequence is broken for that partition, as aiokafka never rolls one back."""
        if self.down:
            wait_s = self.down_until - self.loop.now + 0.01
            return self.later(wait_s, lambda: self.arrive(producer, where))
        sender = producer.process
        record, done = producer.sent[where].popleft()
        at = self.clock() + timedelta(seconds=self.skew_s(producer.process))
        if sender.state == "dead" and self.dice.random() < 0.5:
            producer.broken.add(where)  # it was in a buffer that died with its process
        if where in producer.broken:
            return _fail(done, OutOfOrderSequenceNumber())
        before = self.hook("publish.before", sender, record[0])
        if before in ("kill", "refuse"):
            producer.broken.add(where)
        if before == "kill":
            return sender.kill()
        if before == "refuse":
            return _fail(done, RequestTimedOutError())
        self.append(*record, at)
        match self.hook("publish.after", sender, record[0]):
            case "kill":
                sender.kill()
            case "lose":
                self.later(1.0, lambda: _fail(done, RequestTimedOutError()))
            case "twice":
                self.append(*record, at)
                _acknowledge(done)
            case _:
                _acknowledge(done)
        return None

    def append(
        self, topic: str, at: int, key: bytes | None, value: bytes | None, headers: Headers,
        said: datetime,
    ) -> None:  # fmt: skip
        """Into the log of a partition; to be fetched a little later. Its time is what its producer
        has `said`, except on the topic where the broker says it."""
        part = self.partition(topic, at)
        now = self.clock() if topic.endswith(".tasks") else said
        ms = int(now.timestamp() * 1_000)
        record = Record(topic, at, len(part.records), ms, key, value, headers)
        before = part.visible[-1] if part.visible else 0.0
        part.records.append(record)
        self.history.append(record)
        visible = max(before, self.loop.now + self.latency(), part.stalled_until)
        part.visible.append(visible)
        self.later(visible - self.loop.now, lambda: self._wake(topic, at))

    def _wake(self, topic: str, at: int) -> None:
        where = TopicPartition(topic, at)
        for consumer in self.consumers:
            if where in consumer.assigned:
                consumer.wake()

    # Faults.

    def wipe(self, *, down_s: float) -> None:
        """All topics, offsets and groups are gone; an empty broker comes back, over new connections."""
        self.losses += 1
        self.topics.clear()
        self.offsets.clear()
        self.said.clear()
        self.groups.clear()
        self.down_until = max(self.down_until, self.loop.now + down_s)
        for consumer in self.consumers:
            consumer.member_of = None
            consumer.connects_anew()
            self.ask_to_rejoin(consumer, after_s=down_s)

    def cut_off(self, topic: str, *, within_s: float, offsets: bool, down_s: float) -> int:
        """Of a topic's partitions ('': of all) some of the newest records are gone, as after a power
        cut without fsync, or when a follower that was behind becomes the leader: offsets are given
        again. With `offsets` what was committed meanwhile is gone, too. Members stay members, but
        their connections break."""
        since, gone = self.loop.now - within_s, 0
        for name in [topic] if topic else sorted(self.topics):
            for part in self.topics.get(name, ()):
                newest = sum(at > since for at in part.visible)
                lost = self.dice.randint(0, newest)
                del (
                    part.records[len(part.records) - lost :],
                    part.visible[len(part.visible) - lost :],
                )
                gone += lost
        while offsets and self._commits and self._commits[-1][0] > since:
            _, where, offset, said = self._commits.pop()
            _put(self.offsets, where, offset)
            _put(self.said, (where[0], TopicPartition(*where[1:])), said)
        self.losses += gone > 0
        self.down_until = max(self.down_until, self.loop.now + down_s)
        for consumer in self.consumers:
            consumer.connects_anew()
            self.later(down_s + self.dice.random() * 0.2, consumer.wake)
            self.later(down_s + 1.0 + self.dice.random() * 0.2, consumer.wake)
        return gone

    def stop(self, *, down_s: float) -> None:
        """Nothing is taken or handed out for so long."""
        self.down_until = max(self.down_until, self.loop.now + down_s)
        self.later(down_s + 0.001, self._wake_all)

    def _wake_all(self) -> None:
        for consumer in self.consumers:
            consumer.wake()

    def stall(self, topic: str, at: int, *, for_s: float) -> None:
        """New records of one partition come late; those of others do not."""
        self.partition(topic, at).stalled_until = self.loop.now + for_s

    def again(self, topic: str, *, copies: int, window: int) -> int:
        """Records of the topic's tail come once more, as a producer's retry makes them."""
        parts = self.topics.get(topic, [])
        every = [record for part in parts for record in part.records[-window:]]
        chosen = [self.dice.choice(every) for _ in range(copies if every else 0)]
        for one in chosen:
            self.append(topic, one.partition, one.key, one.value, one.headers, self.clock())
        return len(chosen)

    def rewind(self, group: str) -> int:
        """The group's offsets are lost: it reads its topics from the beginning."""
        gone = [where for where in self.offsets if where[0] == group]
        for where in gone:
            del self.offsets[where]
        known = self.groups.get(group)
        if known is not None and not known.rebalancing:
            self.disturb(known)
        return len(gone)

    # Groups.

    def shared_out(self) -> bool:
        """Whether every partition has somebody alive who hears it."""
        return not any(
            group.rebalancing or any(one.process.state != "up" for one in group.members)
            for group in self.groups.values()
        )

    def join(self, consumer: "SimConsumer") -> None:
        """A member asks to join; the group is balanced when all have."""
        if self.down:
            wait_s = self.down_until - self.loop.now + 0.1
            return self.later(wait_s, lambda: self.join(consumer))
        if consumer.process.state == "dead":
            return None
        group = self.groups.setdefault(consumer.group, Group(consumer.group))
        consumer.member_of = group
        if not group.rebalancing:
            self.disturb(group, but=consumer)
        group.members[consumer] = True
        self._complete(group)
        return None

    def disturb(self, group: Group, *, but: "SimConsumer | None" = None) -> None:
        """Everybody has to join anew; who has not within the session is out."""
        group.rebalancing = True
        group.generation += 1
        generation = group.generation
        for member in list(group.members):
            if member is not but:
                group.members[member] = False
                self.ask_to_rejoin(member)
        self.later(SESSION_S, lambda: self._expire(group, generation))

    def ask_to_rejoin(self, consumer: "SimConsumer", *, after_s: float = 0.0) -> None:
        """It learns so from its next heartbeat."""
        self.later(after_s + 0.05 + self.dice.random() * 0.7, consumer.ask_to_rejoin)

    def lost(self, process: Process) -> None:
        """A process does not tell that it lives: it is out when its session ends."""
        self.later(SESSION_S, lambda: self._look_for(process))

    def _look_for(self, process: Process) -> None:
        if process.state != "up":
            self.leave(process)

    def leave(self, process: Process) -> None:
        """Its members are out, and the others share what they had."""
        for group in list(self.groups.values()):
            gone = [one for one in group.members if one.process is process]
            for one in gone:
                self._remove(group, one)
            if gone and not group.rebalancing and group.members:
                self.disturb(group)
            self._complete(group)

    def back(self, process: Process) -> None:
        """A process that was paused tells that it lives."""
        for consumer in self.consumers:
            if consumer.process is process and consumer.member_of is None:
                self.ask_to_rejoin(consumer)

    def _remove(self, group: Group, consumer: "SimConsumer") -> None:
        del group.members[consumer]
        consumer.member_of = None
        if consumer.process.state == "dead":
            self.consumers = [one for one in self.consumers if one is not consumer]

    def _expire(self, group: Group, generation: int) -> None:
        if group.generation != generation or not group.rebalancing:
            return
        for member in [one for one, joined in group.members.items() if not joined]:
            self._remove(group, member)
        self._complete(group)

    def _complete(self, group: Group) -> None:
        if not group.rebalancing or not group.members or not all(group.members.values()):
            return
        if self.groups.get(group.name) is not group:
            return
        group.rebalancing = False
        members = list(group.members)
        topics = sorted({topic for one in members for topic in one.topics})
        for at, member in enumerate(members):
            mine = [
                TopicPartition(topic, part)
                for topic in topics for part in range(PARTITIONS) if part % len(members) == at
            ]  # fmt: skip
            member.assign(mine, group.generation)

    def committed(self, group: str, where: TopicPartition) -> int | None:
        return self.offsets.get((group, where.topic, where.partition))

    def commit(
        self, consumer: "SimConsumer", offsets: Iterable[tuple[TopicPartition, int, str]]
    ) -> None:
        """Raises what aiokafka raises: the broker is away, or we are no member any more."""
        if self.down:
            raise KafkaConnectionError("the broker is down")
        group = consumer.member_of
        if group is None or consumer not in group.members:
            raise UnknownMemberIdError
        for at, offset, said in offsets:
            where, beside = (consumer.group, at.topic, at.partition), (consumer.group, at)
            was = self.offsets.get(where), self.said.get(beside)
            self._commits.append((self.loop.now, where, *was))
            self.offsets[where], self.said[beside] = offset, said


def _put(among: "dict[K, V]", name: K, value: V | None) -> None:
    """As it stood: absent, where nothing did."""
    if value is None:
        among.pop(name, None)
    else:
        among[name] = value


def _fail(done: "asyncio.Future[None]", error: KafkaError) -> None:
    if not done.done():
        done.set_exception(error)
        done.exception()


def _acknowledge(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)
