"""The dispatcher: hears records at least once, in order per lane, lanes side by side.

Law (design 7, protocol 6.1): an offset is committed only when every record before it was heard,
settled or buried. Whoever polls hands records to `take`, pauses what `paused` names, and commits
what `commits` says; the poll itself never waits for a hearing. Nothing here knows Kafka.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping

import structlog

from actalog_bus.outages import Outages
from actalog_bus.ports import Fault, Hear, Lane, Reason, Record, Sealed
from actalog_bus.ready import Ready, priority_of
from actalog_bus.retry import Backoff
from actalog_bus.share import Hearing, Share
from actalog_bus.watermark import Stamp
from actalog_core import crashpoints
from actalog_core.errors import Permanent, Transient

Partition = tuple[str, int]
Bury = Callable[[Record, Fault], Awaitable[None]]

log = structlog.get_logger()
BUFFER_BYTES = 64 * 1_048_576  # beside it lies what one poll has fetched
SPAN = 20_000  # finished offsets remembered behind one that takes long, per partition


def _nothing() -> None: ...


class Dispatcher:
    """One subscription's lanes. Must be used from one event loop.

    `limit` records are heard at once; about `buffer` of them or `buffer_bytes` are held, split
    evenly between partitions, so that one hot lane fills its own partition's share and no other.
    """

    def __init__(
        self, *, hear: Hear, lane: Lane, bury: Bury, limit: int = 256, buffer: int = 4_096,
        buffer_bytes: int = BUFFER_BYTES, tries: int = 3, backoff: Backoff | None = None,
        progress: Callable[[], None] = _nothing,
    ) -> None:  # fmt: skip
        self._hear, self._lane, self._bury = hear, lane, bury
        self._limit, self._buffer, self._tries = limit, buffer, tries
        self._buffer_bytes = buffer_bytes
        self._backoff = backoff or Backoff()
        self.progress, self._outages = progress, Outages()
        self._shares: dict[Partition, Share] = {}
        self.handed: Callable[[Record], Hearing | None] = lambda _: None  # that is this record
        self._lanes: dict[str, deque[Hearing]] = {}
        self._ready = Ready()
        self._workers: set[asyncio.Task[None]] = set()
        self._paused: set[Partition] = set()
        self._anew: set[Partition] = set()
        self._closing = False

    # What the poller tells us.

    def take(self, record: Record, fault: Fault | None = None) -> None:
        """Accept a record; one that is already known is left out. With a `fault` it is buried in
        its turn, unheard."""
        share = self._opened(record)
        if share is None:
            return
        if fault is None and (early := self.handed(record)) is not None:
            return early.came(record, share)
        share.hold(record)
        self.queue(Hearing(record, share, self.progress, fault=fault))

    def _opened(self, record: Record) -> Share | None:
        """Its partition, where the record's offset is open now; None: it is known."""
        where = (record.topic, record.partition)
        share = self._shares.get(where)
        if share is None:
            share = self._shares[where] = Share()
        if self.known(record):
            return None
        share.mark.take(record.offset, record.timestamp_ms)
        share.took(record)
        return share

    def queue(self, hearing: Hearing) -> None:
        """To the end of its lane."""
        name = self._lane_of(hearing.record)
        if name in self._lanes:
            self._lanes[name].append(hearing)
        else:
            self._lanes[name] = deque((hearing,))
            self._make_ready(name)

    def keep(self, partitions: Collection[Partition]) -> None:
        """After a rebalance: what is not in `partitions` is lost.

        What is being heard goes on (a revoked partition cancels nothing); what still waits is
        heard by the next owner. Kept partitions keep their lanes, and what is fetched again from
        the committed offset is known.
        """
        for partition in self._shares.keys() - set(partitions):
            self._shares.pop(partition).lost = True

    def resume(self, partition: Partition, stamp: Stamp) -> None:
        """The last record before what was committed: fetched again, it tells whether the log is
        still the same."""
        self._shares.setdefault(partition, Share()).resume(stamp)

    def reads_from(self, partition: Partition, offset: int) -> None:
        """No record before that is asked for."""
        self._shares.setdefault(partition, Share()).floor = offset

    def forget(self, partition: Partition) -> None:
        """Another log stands where this one was. What was taken of the old one is still heard:
        nobody else has it any more."""
        self._anew.discard(partition)
        self._shares.pop(partition, None)

    def committed(self, offsets: Mapping[Partition, int]) -> None:
        """The broker has taken these offsets."""
        for partition, offset in offsets.items():
            if partition in self._shares:
                self._shares[partition].committed = offset

    # What the poller asks.

    def acknowledged(self) -> dict[Partition, int | None]:
        """Of each partition that is held, the offset that the broker took last."""
        return {where: share.committed for where, share in self._shares.items()}

    def heard_upto(self, partition: Partition) -> int | None:
        """Every offset below it is heard, settled or buried; None: the partition is not ours."""
        share = self._shares.get(partition)
        return share.mark.offset if share is not None else None

    def known(self, record: Record) -> bool:
        """Whether the record was taken before. One that cannot be what was taken at its offset is
        of another log: nothing is taken of that partition until it is forgotten."""
        where = (record.topic, record.partition)
        share = self._shares.get(where)
        if share is not None and share.knows(record) and share.of_another_log(record):
            self._anew.add(where)
        return where in self._anew or (share is not None and share.knows(record))

    def began_anew(self) -> set[Partition]:
        """Partitions of which a record came that is none of the log we know. They take nothing
        until they are forgotten."""
        self._anew &= self._shares.keys()
        return set(self._anew)

    def last(self, partition: Partition) -> int | None:
        """The last offset taken; None before the first."""
        share = self._shares.get(partition)
        return share.last.offset if share is not None and share.last is not None else None

    def stamp(self, partition: Partition) -> Stamp | None:
        """The last record before what `commits` says; None when it was not we who heard it."""
        share = self._shares.get(partition)
        return share.mark.done or share.resumed if share is not None else None

    def commits(self) -> dict[Partition, int]:
        """Offsets that may be committed and have not been."""
        marks = {where: (share.mark.offset, share) for where, share in self._shares.items()}
        return {
            where: offset
            for where, (offset, share) in marks.items()
            if offset is not None and offset != share.committed
        }

    def paused(self) -> set[Partition]:
        """Partitions that must not be fetched now: from their full share until half of it."""
        parts = max(1, len(self._shares))
        most, most_bytes = max(1, self._buffer // parts), self._buffer_bytes // parts
        self._paused &= self._shares.keys()
        for partition, share in self._shares.items():
            filled = max(
                share.unheard / most, share.held_bytes / most_bytes, share.mark.span / SPAN
            )
            if filled >= 1:
                self._paused.add(partition)
            elif filled <= 0.5:
                self._paused.discard(partition)
        return set(self._paused)

    @property
    def idle(self) -> bool:
        """Nothing waits, is being heard, or will be tried again."""
        return not self._lanes

    async def drain(self, grace_s: float) -> None:
        """Begin nothing new; finish what is being heard. What is not done by then is cancelled:
        its offset is not committed, or its lease runs out."""
        self._closing = True
        if crashpoints.armed:
            crashpoints.reach("bus.draining")
        if self._workers:
            await asyncio.wait(set(self._workers), timeout=grace_s)
        left = set(self._workers)
        for worker in left:
            worker.cancel()
        for worker in left:
            with contextlib.suppress(asyncio.CancelledError):
                await worker

    # Lanes. A lane is in `_lanes` while it holds records; it is ready, worked on, or waits for a
    # timer, and exactly one of these.

    def _lane_of(self, record: Record) -> str:
        try:
            return self._lane(record)
        except Exception:  # noqa: BLE001
            # What has no lane is judged by `hear`; here it only must not stop the others.
            return f"{record.topic}/{record.partition}"

    def _make_ready(self, name: str) -> None:
        self._ready.append(name, priority_of(self._lanes[name][0].record))
        if not self._closing and len(self._workers) < self._limit:
            worker = asyncio.create_task(self._work())
            self._workers.add(worker)

    async def _work(self) -> None:
        """Take lanes in turn, one record each, until none is ready."""
        try:
            while self._ready and not self._closing:
                await self._next()
        finally:
            # Here and not in a callback, which comes a turn of the loop later: a lane made
            # ready in between would find the limit reached by workers that have ended.
            if task := asyncio.current_task():
                self._workers.discard(task)

    async def _next(self) -> None:
        name = self._ready.popleft()
        hearing = self._lanes[name][0]
        delay_s = None if hearing.void else await self._attempt(hearing)
        if delay_s is None:
            self._done(name, hearing)
        else:
            asyncio.get_running_loop().call_later(delay_s, self._make_ready, name)

    def _done(self, name: str, hearing: Hearing) -> None:
        lane = self._lanes[name]
        lane.popleft()
        if lane:
            self._ready.append(name, priority_of(self._lanes[name][0].record))
        else:
            del self._lanes[name]
        hearing.share.let_go(hearing.record)
        hearing.over = True
        if not hearing.early or hearing.fault is None:
            hearing.settle()

    async def _attempt(self, hearing: Hearing) -> float | None:
        """None when the record is heard or buried; else seconds until it is tried again."""
        try:
            if hearing.fault is not None:
                await self._bury(hearing.record, hearing.fault)
            else:
                if crashpoints.armed:
                    crashpoints.reach("bus.hearing")
                hearing.attempts += 1
                if type(hearing.record.value) is Sealed:
                    raise Permanent(hearing.record.value.said)
                await self._hear(hearing)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            return self._failed(hearing, error)  # something inside was cancelled, not we
        except Exception as error:  # noqa: BLE001
            return self._failed(hearing, error)
        return None

    def _failed(self, hearing: Hearing, error: BaseException) -> float | None:
        record, kind = hearing.record, type(error).__name__
        if hearing.early:
            hearing.fault = Fault("unexpected", f"{kind}: {error}", hearing.attempts)
            return None
        where = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
        if hearing.fault is not None or (isinstance(error, Transient) and _again(hearing, error)):
            hearing.strikes += hearing.fault is not None
            self._outages.met(record, error, attempts=hearing.attempts)
            return self._backoff.delay_s(max(hearing.attempts, hearing.strikes))
        hearing.strikes += 1
        given_up = isinstance(error, Permanent | Transient)
        if not given_up and hearing.strikes < self._tries:
            log.warning("unexpected", error=kind, attempts=hearing.attempts, **where)
            return self._backoff.delay_s(hearing.strikes)
        reason: Reason = "permanent" if given_up else "unexpected"
        if isinstance(error, Permanent):
            reason = error.reason
        log.error("dead letter", error=kind, attempts=hearing.attempts, **where)
        hearing.fault = Fault(reason, f"{kind}: {error}", hearing.attempts)
        return 0.0


def _again(hearing: Hearing, error: Transient) -> bool:
    """An outage is waited for; what names its tries has that many."""
    return error.tries is None or hearing.attempts < error.tries
