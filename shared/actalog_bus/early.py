"""What this process says to itself is heard while Kafka takes it.

Where one process has all services and all partitions, a record that one of them publishes is for
another one beside it. It is handed over at once, and sent to the broker all the same: the copy that
comes back is what counts for offsets, for whoever else reads the topic, and for what was not heard
to its end. So the broker's way there and back is not what a run waits for, and nothing is promised
that was not promised before: whoever dies with a record that has not come yet hears of it again
as of any other that was lost (design law 4), and a record heard twice changes nothing (law 5).

The order of what one process says is kept: what could not be handed over is waited for first.
"""

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import structlog

from actalog_bus.dispatch import Dispatcher
from actalog_bus.ports import Fault, Headers, Listen, Outgoing, Record
from actalog_bus.positions import Partition
from actalog_bus.publisher import Stored
from actalog_bus.settings import MAX_BYTES
from actalog_bus.share import Hearing, Share

log = structlog.get_logger()
UNKNOWN_OFFSET = -1
MOST = 256  # heard early and not done
MOST_BYTES = 16 * 1_048_576
MOST_STORED = 4_096  # have not come yet
LATELY_S = 60.0
LEISURE_S = 0.25
SETTLE_S = 3.0
ID = "ce_id"

Key: TypeAlias = tuple[str, bytes | None]  # a topic, and a record's key
At: TypeAlias = tuple[str, int, int]  # topic, partition, offset


class Early:
    """Of one subscription: what was handed to its dispatcher, until its record has come."""

    def __init__(self, dispatcher: Dispatcher, open: Callable[[], bool]) -> None:
        self._dispatcher, self._open = dispatcher, open
        self._sent: dict[tuple[str, bytes], deque[Hearing]] = {}  # nobody knows their offset
        self._stored: dict[At, Hearing] = {}
        self._late: Counter[Key] = Counter()  # were not handed over, and have not come
        self._behind: dict[Partition, deque[tuple[int, Key]]] = {}  # those that the broker has
        self._before = Share()  # of what is heard before it has come
        self._watches = self._ending = False
        self.others_at = float("-inf")  # when a record came that was not of this process
        self.hurry = asyncio.Event()  # something is heard when it has come, and not before
        self._over = asyncio.Event()

    def watch(self) -> None:
        """From now on this subscription may be handed something."""
        self._watches = True
        self._dispatcher.handed = self._came

    def expect(self, out: Outgoing) -> Hearing | None:
        """It is about to be sent; `begin` hears it. None: it is heard when it has come."""
        name = _id(out.headers)
        if name is None or out.partition is None or not self._free(out):
            self._late[out.topic, out.key] += 1
            self.hurry.set()
            return None
        record = Record(
            out.topic, out.partition, UNKNOWN_OFFSET, int(time.time() * 1_000), out.key, out.value,
            out.headers,
        )  # fmt: skip
        self._before.hold(record)
        hearing = Hearing(record, self._before, self._dispatcher.progress, early=True)
        self._sent.setdefault((out.topic, name), deque()).append(hearing)
        return hearing

    def _free(self, out: Outgoing) -> bool:
        held = self._before
        return (
            (out.topic, out.key) not in self._late and len(out.value or b"") <= MAX_BYTES
            and held.unheard < MOST and held.held_bytes < MOST_BYTES
            and len(self._stored) < MOST_STORED and self._open()
        )  # fmt: skip

    def begin(self, hearing: Hearing) -> None:
        """Hear it now, unless it has come meanwhile."""
        if hearing.fault is None:
            hearing.begun = True
            self._dispatcher.queue(hearing)

    def stored(self, hearing: Hearing | None, out: Outgoing, at: Stored) -> None:
        """The broker has it."""
        partition = (out.topic, at.partition)
        if hearing is None and at.offset <= self._last(partition):
            self._in_time((out.topic, out.key))
        elif hearing is None:
            self._behind.setdefault(partition, deque()).append((at.offset, (out.topic, out.key)))
        elif self._unsend(hearing) and at.offset >= 0:
            self._stored[*partition, at.offset] = hearing
        self._look()

    def lost(self, hearing: Hearing | None, out: Outgoing) -> None:
        """Nobody knows whether the broker has it. If it comes, it is heard again."""
        if hearing is None:
            self._in_time((out.topic, out.key))
        elif self._unsend(hearing):
            self._give_up(hearing, "it was not sent")
        self._look()

    def _came(self, record: Record) -> Hearing | None:
        """A record that is new was fetched: the hearing that was begun with it."""
        at = (record.topic, record.partition, record.offset)
        hearing = self._stored.get(at)
        if hearing is not None and _id(hearing.record.headers) == _id(record.headers):
            del self._stored[at]
        else:  # not acknowledged yet, or with another offset
            hearing = self._unsent(record)
        if hearing is None:
            if (record.topic, record.key) not in self._late:
                self.others_at = time.monotonic()
            return None
        self._give_up(hearing, "it came first")
        return hearing if hearing.fault is None else None

    def _give_up(self, hearing: Hearing, why: str) -> None:
        """What has not begun is not heard early."""
        if not hearing.begun:
            hearing.fault = Fault("unexpected", why, 0)
            self._before.let_go(hearing.record)

    def _unsent(self, record: Record) -> Hearing | None:
        """One that the broker has not acknowledged yet."""
        name = _id(record.headers)
        waiting = self._sent.get((record.topic, name)) if name is not None else None
        if waiting:
            self._unsend(hearing := waiting[0])
            return hearing
        return None

    def alone(self) -> bool:
        """Whether nobody but this process has said anything here lately."""
        return time.monotonic() - self.others_at > LATELY_S

    def taken(self, partitions: Collection[Partition]) -> None:
        """What was fetched of these partitions was taken."""
        if not self._watches:
            return
        for partition in partitions:
            last, behind = self._last(partition), self._behind.get(partition)
            while behind and behind[0][0] <= last:
                self._in_time(behind.popleft()[1])
        passed = [at for at in self._stored if at[:2] in partitions and at[2] <= self._last(at[:2])]
        for at in passed:
            del self._stored[at]  # another record was there
        self._look()

    def _last(self, partition: Partition) -> int:
        last = self._dispatcher.last(partition)
        return UNKNOWN_OFFSET if last is None else last

    def forget(self, partition: Partition) -> None:
        """Another log stands there."""
        for at in [at for at in self._stored if at[:2] == partition]:
            del self._stored[at]
        for _, key in self._behind.pop(partition, ()):
            self._in_time(key)
        self._look()

    async def leisure(self, listen: Listen) -> None:
        """Wait a moment where nobody waits for what comes: nobody listens, or all of it is this
        process's own and was heard."""
        awaited = listen.awaited
        if awaited is None or awaited.is_set():
            awaited = self.hurry if self._watches and not listen.outside and self.alone() else None
        if awaited is None or awaited.is_set():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEISURE_S):
                await awaited.wait()

    async def settled(self, within_s: float) -> None:
        """Nothing more is handed over: wait until all that was has come."""
        if not self._watches:
            return
        self._ending = True
        self._look()
        try:
            async with asyncio.timeout(min(within_s, SETTLE_S)):
                await self._over.wait()
        except TimeoutError:
            log.warning("heard and not come back", records=len(self._sent) + len(self._stored))

    def _look(self) -> None:
        if self._late or self._ending:
            self.hurry.set()
        else:
            self.hurry.clear()
        if self._ending and not self._sent and not self._stored:
            self._over.set()

    def _in_time(self, key: Key) -> None:
        self._late[key] -= 1
        if self._late[key] <= 0:
            del self._late[key]

    def _unsend(self, hearing: Hearing) -> bool:
        """False where its copy has come."""
        name = (hearing.record.topic, _id(hearing.record.headers) or b"")
        waiting = self._sent.get(name)
        if not waiting or hearing not in waiting:
            return False
        waiting.remove(hearing)
        if not waiting:
            del self._sent[name]
        return True


def _id(headers: Headers) -> bytes | None:
    for name, value in headers:
        if name == ID:
            return value
    return None


@dataclass(frozen=True, slots=True)
class Handed:
    """A record that is about to be sent (`at` among the others), and who hears it here."""

    at: int
    early: Early
    hearing: Hearing | None
    counted: bool


class Near:
    """The subscriptions of this process, by their topics."""

    def __init__(self) -> None:
        self._of: dict[str, list[tuple[Early, bool]]] = {}

    def add(self, listen: Listen, early: Early) -> None:
        """Who hears its topics here."""
        early.watch()
        for topic in listen.topics:
            self._of.setdefault(topic, []).append((early, topic in listen.counted))

    def clear(self) -> None:
        """Nobody hears anything."""
        self._of.clear()

    def __contains__(self, topic: str) -> bool:
        return topic in self._of

    def expect(self, records: Sequence[Outgoing]) -> list[Handed]:
        """What is about to be sent. What is counted elsewhere is heard from now on."""
        of = self._of
        handed = [
            Handed(at, early, early.expect(one), counted)
            for at, one in enumerate(records) if one.topic in of
            for early, counted in of[one.topic]
        ]  # fmt: skip
        for one in handed:
            if one.counted and one.hearing is not None:
                one.early.begin(one.hearing)
        return handed

    @staticmethod
    def begun(handed: Sequence[Handed], records: Sequence[Outgoing]) -> bool:
        """Whether somebody is at it already, and all of it is heard here."""
        begun = any(one.counted and one.hearing is not None for one in handed)
        return begun and len({one.at for one in handed}) == len(records)

    @staticmethod
    def waits(handed: Sequence[Handed]) -> bool:
        """Whether somebody hears of it once it is on its way."""
        return any(not one.counted and one.hearing is not None for one in handed)

    @staticmethod
    def sent(handed: Sequence[Handed]) -> None:
        """It is on its way: the rest is heard."""
        for one in handed:
            if not one.counted and one.hearing is not None:
                one.early.begin(one.hearing)

    @staticmethod
    def stored(
        handed: Sequence[Handed], records: Sequence[Outgoing], where: Sequence[Stored]
    ) -> None:
        """The broker has put the records there."""
        for one in handed:
            one.early.stored(one.hearing, records[one.at], where[one.at])

    @staticmethod
    def lost(handed: Sequence[Handed], records: Sequence[Outgoing]) -> None:
        """It may not have them."""
        for one in handed:
            one.early.lost(one.hearing, records[one.at])
