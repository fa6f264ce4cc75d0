"""One Listen on Kafka: a consumer that is polled without pause, and the dispatcher."""

import asyncio
import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
from typing import cast

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.errors import ConsumerStoppedError, IllegalStateError, KafkaError

from actalog_bus.dispatch import Bury, Dispatcher
from actalog_bus.doubts import Doubts
from actalog_bus.early import Early
from actalog_bus.growth import Growth
from actalog_bus.lag import Lag
from actalog_bus.marks import OffsetMarks
from actalog_bus.ports import Listen
from actalog_bus.positions import Partition
from actalog_bus.records import Found, heard
from actalog_bus.settings import KafkaSettings
from actalog_bus.suspicion import Suspicion
from actalog_bus.wiring import BUSY_MS, QUIET_MS, Consumers, set_fetch_wait
from actalog_core import crashpoints
from actalog_core.errors import Transient
from actalog_core.gathering import others_first

log = structlog.get_logger()
STILL_BUSY_S = 0.5
POLL_LIMIT_S = 15.0
MOST_RECORDS = 1_000  # of one poll
FEW_RECORDS = 8  # with more, nobody notices who goes first


class Subscription(ConsumerRebalanceListener):
    """Polls, hands over, pauses what is full, commits what may be committed."""

    def __init__(self, listen: Listen, *, settings: KafkaSettings, bury: Bury, number: int) -> None:
        self.listen, self._settings, self._number = listen, settings, number
        self.by_assignment = listen.broadcast or settings.mode == "assigned"
        self.dispatcher = Dispatcher(
            hear=listen.hear, lane=listen.lane, bury=bury, limit=listen.limit,
            progress=self._progressed,
        )  # fmt: skip
        counts = settings.keeps_marks and not listen.broadcast
        self.marks = OffsetMarks(self.dispatcher.stamp, listen.marking)
        self._lag = Lag(listen.group, listen.topics, self.dispatcher)
        self.suspicion = Suspicion(self.dispatcher, self.marks) if counts else None
        self.early = Early(self.dispatcher, self._hears_early)
        self._consumer: AIOKafkaConsumer | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._progress = asyncio.Event()
        self._settled = asyncio.Event()  # not while a rebalance is under way
        self._settled.set()
        self._joined = self._throttled = False
        self._assigned: set[TopicPartition] = set()  # and not looked at yet
        self._growth: Growth | None = None
        self._polled_at = self._busy_at = time.monotonic()

    async def start(self, consumers: Consumers, counts: Mapping[str, int]) -> None:
        """Join the group, or take every partition of `counts` (topic -> partitions)."""
        group = None if self.listen.broadcast else self.listen.group
        if self.by_assignment:
            if self.listen.assigned is not None:
                self.listen.assigned()
            takes = [TopicPartition(t, p) for t in self.listen.topics for p in range(counts[t])]
            self._consumer = await consumers.open(self._settings, group=group, partitions=takes)
            self._assigned = set(takes)
            self._joined = True
            self._growth = Growth(self._consumer, self.listen.topics)
            if self.listen.broadcast:
                await self._consumer.seek_to_end()
        else:
            self._consumer = await consumers.open(
                self._settings, group=group, topics=self.listen.topics, listener=self,
                number=self._number,
            )  # fmt: skip
        self.marks.consumer = self._consumer
        self._lag.start(self._consumer)
        self._tasks = [asyncio.create_task(self._poll()), asyncio.create_task(self._commits())]

    async def stop(self, grace_s: float) -> None:
        """Hear nothing new, finish, commit. The consumer is closed by who opened it."""
        self._lag.stop()
        await self.early.settled(grace_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await self.dispatcher.drain(grace_s)
        if crashpoints.armed:
            crashpoints.reach("bus.drained")
        await self._commit()
        if not self.listen.broadcast and (left := self.dispatcher.commits()):
            log.warning("not committed", group=self.listen.group, partitions=len(left))
        if self.suspicion is not None:
            await self.suspicion.part()

    async def crash(self) -> None:
        """Stop as a killed process does, for tests: nothing is finished, nothing committed."""
        self._keep(())
        await self.stop(0)

    def ready(self) -> str | None:
        """None when assigned and polling."""
        name = f"{self.listen.group} on {', '.join(self.listen.topics)}"
        if not self._joined:
            return f"bus: {name} has not joined"
        if time.monotonic() - self._polled_at > POLL_LIMIT_S:
            return f"bus: {name} does not poll"
        return None

    # aiokafka awaits these when they are coroutines. Nothing is cancelled: what is being heard goes on.

    async def on_partitions_revoked(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, revoked: Sequence[TopicPartition]
    ) -> None:
        """Tell the broker how far we are before somebody else begins."""
        self._settled.clear()
        if crashpoints.armed:
            crashpoints.reach("bus.revoked")
        await self._commit()
        if self.suspicion is not None:
            await self.suspicion.part()

    async def on_partitions_assigned(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, assigned: Sequence[TopicPartition]
    ) -> None:
        """Forget what is somebody else's now."""
        told = sorted(f"{p.topic}/{p.partition}" for p in assigned)
        log.info("assigned", group=self.listen.group, partitions=told)
        if self.listen.assigned is not None:
            self.listen.assigned()
        self._keep([(p.topic, p.partition) for p in assigned])
        self._assigned = set(assigned)
        if crashpoints.armed:
            crashpoints.reach("bus.assigned")
        self._settled.set()
        self._joined = True

    def _keep(self, partitions: Collection[Partition]) -> None:
        self.dispatcher.keep(partitions)
        if self.suspicion is not None:
            self.suspicion.keep(partitions)

    async def _of_now(self, found: Found) -> Found:
        """What was fetched while a rebalance was under way is fetched again, once it is known
        what may be gone on with: it may be of another log."""
        await self._settled.wait()
        return {} if self._assigned else found

    def _forget(self, partition: Partition) -> None:
        if self.dispatcher.last(partition) is not None:  # else all of it is still to come
            self.early.forget(partition)
        self.dispatcher.forget(partition)
        if self.suspicion is not None:
            self.suspicion.forget(partition)

    async def _poll(self) -> None:
        consumer = self._consumer
        assert consumer is not None
        doubts = Doubts(
            consumer, self.dispatcher, topics=self.listen.topics, group=self.listen.group,
            told_of_changes=self._settings.parked_fetch, forget=self._forget,
            tell=self.listen.began_anew,
        )  # fmt: skip
        taken = 0
        while True:
            try:
                if self._growth is not None and (grown := await self._growth.taken()):
                    await self._resume(doubts, grown)  # nothing was lost: nobody is told
                if self._assigned:
                    await self._begin(doubts)
                if taken < MOST_RECORDS:
                    await self.early.leisure(self.listen)
                waits_ms = 20 if self._throttled else 200
                found = cast(
                    Found, await consumer.getmany(timeout_ms=waits_ms, max_records=MOST_RECORDS)
                )
                if self.listen.patient and 0 < sum(map(len, found.values())) <= FEW_RECORDS:
                    await others_first()
                fetched = await self._of_now(found)
                found = doubts.sure(fetched)
                self._polled_at = time.monotonic()
                taken = sum(map(len, found.values()))
                await self._take(found)
                self.early.taken({(at.topic, at.partition) for at in found})
                self._throttle(consumer)
                self._adapt(consumer, bool(found))
                await doubts.look(fetched=bool(fetched))
            except ConsumerStoppedError:
                return
            except (KafkaError, TimeoutError, IllegalStateError) as error:
                log.warning("polling again", error=repr(error), group=self.listen.group)
                await asyncio.sleep(0.5)
            except Exception:  # whatever it is: who polls no more is deaf, and says nothing
                log.exception("polling again", group=self.listen.group)
                await asyncio.sleep(0.5)

    async def _begin(self, doubts: Doubts) -> None:
        assert self._consumer is not None
        mine = self._assigned & self._consumer.assignment()
        known = await self._resume(doubts, mine)
        tell = self.listen.began_anew
        if tell is not None and mine and not known and not await doubts.knows_group():
            tell()  # what one before us asked went with another broker
        self._assigned.clear()

    async def _resume(self, doubts: Doubts, partitions: Collection[TopicPartition]) -> bool:
        return self.listen.broadcast or await doubts.resume(partitions)

    def _hears_early(self) -> bool:
        """Whether nothing speaks against hearing what has not come yet."""
        awaited = self.listen.awaited
        wary = self.suspicion is not None and self.suspicion.wary
        return (
            self._joined and not self._assigned and not self._throttled and not wary
            and (awaited is None or awaited.is_set())
        )  # fmt: skip

    async def _take(self, found: Found) -> None:
        if self.suspicion is not None:
            known = self.dispatcher.known
            new = {
                (at.topic, at.partition): [one for one in map(heard, records) if not known(one)]
                for at, records in found.items()
            }
            return await self.suspicion.admit(
                {at: records for at, records in new.items() if records}
            )
        for records in found.values():
            for record in records:
                self.dispatcher.take(heard(record))

    def _throttle(self, consumer: AIOKafkaConsumer) -> None:
        filled = self.dispatcher.paused()
        if self.suspicion is not None:
            filled |= self.suspicion.full()
        if not filled and not self._throttled:
            return  # as nearly always: aiokafka looks at every partition for what is paused
        full = {TopicPartition(*where) for where in filled}
        full &= consumer.assignment()
        paused = consumer.paused()
        if new := full - paused:
            consumer.pause(*new)
        if over := paused - full:
            consumer.resume(*over)
        self._throttled = bool(full)

    def _adapt(self, consumer: AIOKafkaConsumer, busy: bool) -> None:
        """Protocol 16.4, for a broker that does not wake a waiting fetch."""
        if self._settings.parked_fetch:
            return
        if busy:
            self._busy_at = self._polled_at
        still = self._polled_at - self._busy_at < STILL_BUSY_S
        set_fetch_wait(consumer, BUSY_MS if still else QUIET_MS)

    def _progressed(self) -> None:
        self._progress.set()
        if self.suspicion is not None:
            self.suspicion.progressed()

    async def _commits(self) -> None:
        while True:
            await self._progress.wait()
            self._progress.clear()
            try:
                await self._commit()
            except Exception:  # whatever it is: who commits no more repeats all at its end
                log.exception("committing again", group=self.listen.group)
                self._progress.set()
            await asyncio.sleep(self._settings.commit_every_s)

    async def _commit(self) -> None:
        """Never loses a mark: what fails is committed with the next."""
        offsets = self.dispatcher.commits()
        wary = self.suspicion.wary if self.suspicion is not None else ()
        offsets = {at: offset for at, offset in offsets.items() if at not in wary}
        if self.listen.broadcast or self._consumer is None or not offsets:
            return
        mine = {TopicPartition(*at): offset for at, offset in offsets.items()}
        mine = {at: offset for at, offset in mine.items() if at in self._consumer.assignment()}
        stamps = {at: str(self.dispatcher.stamp((at.topic, at.partition)) or "") for at in mine}
        with contextlib.suppress(KafkaError, TimeoutError, IllegalStateError, Transient):
            async with asyncio.timeout(5):  # aiokafka would try for ever
                if self.listen.marking is not None and mine:
                    told = {(at.topic, at.partition): offset for at, offset in mine.items()}
                    await self.listen.marking(told)
                if crashpoints.armed:
                    crashpoints.reach("bus.committing")
                await self._consumer.commit({at: (n, stamps[at]) for at, n in mine.items()})
            done = {(at.topic, at.partition): offset for at, offset in mine.items()}
            self.dispatcher.committed(done)
            if self.suspicion is not None:
                self.suspicion.committed(done)
