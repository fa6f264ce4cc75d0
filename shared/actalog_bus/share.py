"""What the dispatcher knows of one partition, and of one record on its way."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from actalog_bus.ports import Fault, Record
from actalog_bus.watermark import Stamp, Watermark


@dataclass(slots=True)
class Share:
    """One partition, from assignment to loss.

    An offset says nothing about which log it is of: a topic may have been made anew. So the times
    of records are remembered: of the last one taken, of the last one before what was committed
    (`resumed`), and the latest of all.
    """

    mark: Watermark = field(default_factory=Watermark)
    unheard: int = 0
    held_bytes: int = 0
    committed: int | None = None
    lost: bool = False
    last: Stamp | None = None
    resumed: Stamp | None = None
    newest_ms: int = 0
    floor: int = 0  # no record before it was asked for

    def resume(self, stamp: Stamp) -> None:
        """Somebody has heard until there."""
        self.resumed = stamp
        if self.last is None:
            self.last, self.newest_ms = stamp, stamp.at_ms
            self.mark.position = self.committed = stamp.offset + 1

    def took(self, record: Record) -> None:
        self.last = Stamp(record.offset, record.timestamp_ms)
        self.newest_ms = max(self.newest_ms, record.timestamp_ms)
        self.floor = record.offset + 1

    def hold(self, record: Record) -> None:
        """It waits, or is being heard."""
        self.unheard += 1
        self.held_bytes += len(record.value or b"")

    def let_go(self, record: Record) -> None:
        """It is heard, or given up."""
        self.unheard -= 1
        self.held_bytes -= len(record.value or b"")

    def knows(self, record: Record) -> bool:
        """Whether its offset was taken, or passed over."""
        return record.offset < max(self.mark.position or 0, self.floor)

    def of_another_log(self, record: Record) -> bool:
        """Whether a record at a known offset cannot be the one that was there. One before where
        we read comes of itself only if the log ends before that: then the consumer begins anew."""
        if record.offset < self.floor:
            return True
        for known in (self.last, self.resumed):
            if known is not None and record.offset == known.offset:
                return record.timestamp_ms != known.at_ms
        return record.timestamp_ms > self.newest_ms


@dataclass(slots=True, eq=False)
class Hearing:
    """A record on its way; the Delivery that `hear` is given."""

    record: Record
    share: Share
    progress: Callable[[], None]
    attempts: int = 0
    strikes: int = 0  # unexpected exceptions; a Transient is none
    fault: Fault | None = None
    passed: bool = False
    early: bool = False  # its record has not come yet: it has no offset
    begun: bool = False  # it is in its lane, or was
    over: bool = False  # heard, or given up
    left: asyncio.Task[None] | None = None  # goes on while the next of the lane is heard

    def settle(self) -> None:
        """Let the watermark pass; the work and its place in the lane go on."""
        if not self.passed:
            self.passed = True
            self._pass()

    def leave(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """See `Delivery.leave`."""
        self.left = asyncio.create_task(work)
        return self.left

    def leave_nothing(self) -> None:
        """Of an attempt that failed, or was cancelled, after it had left something."""
        left, self.left = self.left, None
        if left is not None:
            left.cancel()

    def came(self, record: Record, share: Share) -> None:
        """What was heard early is there."""
        if not self.over:
            self.share.let_go(self.record)
            share.hold(record)
        self.record, self.share, self.early = record, share, False
        if self.passed:
            self._pass()

    def _pass(self) -> None:
        if not self.early:
            self.share.mark.finish(self.record.offset)
            self.progress()

    @property
    def void(self) -> bool:
        """The partition is somebody else's and this was not settled: the other one hears it."""
        return self.share.lost and not self.passed
