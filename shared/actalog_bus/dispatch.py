"""The dispatcher: hears records at least once, in order per lane, lanes side by side.

Law (design 7, protocol 6.1): an offset is committed only when every record before it was heard,
settled or buried. Whoever polls hands records to `take`, pauses what `paused` names, and commits
what `commits` says; the poll itself never waits for a hearing. Nothing here knows Kafka.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from actalog_bus.outages import Outages
from actalog_bus.ports import Fault, Hear, Lane, Reason, Record, Sealed
from actalog_bus.positions import BUFFER_BYTES, Positions
from actalog_bus.ready import Ready, priority_of
from actalog_bus.retry import Backoff
from actalog_bus.share import Hearing
from actalog_core import crashpoints
from actalog_core.errors import Permanent, Transient

Bury = Callable[[Record, Fault], Awaitable[None]]

log = structlog.get_logger()


def _nothing() -> None: ...


class Dispatcher(Positions):
    """One subscription's lanes. Must be used from one event loop. `limit` records are heard at once;
    what is held of each partition has a limit, too (`Positions`)."""

    def __init__(
        self, *, hear: Hear, lane: Lane, bury: Bury, limit: int = 256, buffer: int = 4_096,
        buffer_bytes: int = BUFFER_BYTES, tries: int = 3, backoff: Backoff | None = None,
        progress: Callable[[], None] = _nothing,
    ) -> None:  # fmt: skip
        super().__init__(buffer=buffer, buffer_bytes=buffer_bytes)
        self._hear, self._lane, self._bury = hear, lane, bury
        self._limit, self._tries = limit, tries
        self._backoff = backoff or Backoff()
        self.progress, self._outages = progress, Outages()
        self.handed: Callable[[Record], Hearing | None] = lambda _: None  # that is this record
        self._lanes: dict[str, deque[Hearing]] = {}
        self._ready = Ready()
        self._workers: set[asyncio.Task[None]] = set()
        self._left: set[asyncio.Task[None]] = set()  # of hearings whose lanes go on
        self._again: set[Hearing] = set()  # and failed: heard once more, in a moment
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

    def queue(self, hearing: Hearing) -> None:
        """To the end of its lane."""
        name = self._lane_of(hearing.record)
        if name in self._lanes:
            self._lanes[name].append(hearing)
        else:
            self._lanes[name] = deque((hearing,))
            self._make_ready(name)

    # What the poller asks.

    @property
    def idle(self) -> bool:
        """Nothing waits, is being heard, or will be tried again."""
        return not self._lanes and not self._left and not self._again

    async def drain(self, grace_s: float) -> None:
        """Begin nothing new; finish what is being heard. What is not done by then is cancelled:
        its offset is not committed, or its lease runs out."""
        self._closing = True
        if crashpoints.armed:
            crashpoints.reach("bus.draining")
        until = asyncio.get_running_loop().time() + grace_s
        for works in (self._workers, self._left):  # the first may leave more to the second
            if works:
                left_s = max(0.0, until - asyncio.get_running_loop().time())
                await asyncio.wait(set(works), timeout=left_s)
        late = self._workers | self._left
        for work in late:
            work.cancel()
        await asyncio.gather(*late, return_exceptions=True)

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
        if delay_s is not None:
            asyncio.get_running_loop().call_later(delay_s, self._make_ready, name)
            return
        self._free(name)
        if hearing.left is None:
            self._over(hearing)
        else:
            self._left.add(hearing.left)
            hearing.left.add_done_callback(partial(self._came_to_its_end, hearing))

    def _free(self, name: str) -> None:
        """The next of the lane may be heard."""
        lane = self._lanes[name]
        lane.popleft()
        if lane:
            self._ready.append(name, priority_of(self._lanes[name][0].record))
        else:
            del self._lanes[name]

    def _over(self, hearing: Hearing) -> None:
        hearing.share.let_go(hearing.record)
        hearing.over = True
        if not hearing.early or hearing.fault is None:
            hearing.settle()

    def _came_to_its_end(self, hearing: Hearing, left: asyncio.Task[None]) -> None:
        """What a hearing left is done; or it failed, and the record is heard again: behind what
        its lane has heard meanwhile, where it changes nothing (law 5)."""
        self._left.discard(left)
        hearing.left = None
        error = asyncio.CancelledError() if left.cancelled() else left.exception()
        if error is not None and self._closing:
            return  # not heard: its offset is not committed
        delay_s = self._failed(hearing, error) if error is not None else None
        if delay_s is None:
            self._over(hearing)
        else:
            self._again.add(hearing)
            asyncio.get_running_loop().call_later(delay_s, self._take_again, hearing)

    def _take_again(self, hearing: Hearing) -> None:
        self._again.discard(hearing)
        self.queue(hearing)

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
                hearing.leave_nothing()
                raise
            return self._failed(hearing, error)  # something inside was cancelled, not we
        except Exception as error:  # noqa: BLE001
            return self._failed(hearing, error)
        return None

    def _failed(self, hearing: Hearing, error: BaseException) -> float | None:
        record, kind = hearing.record, type(error).__name__
        hearing.leave_nothing()  # whoever hears it again leaves it again
        if hearing.early:
            log.info("heard again when it comes", error=f"{kind}: {error}", topic=record.topic)
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
