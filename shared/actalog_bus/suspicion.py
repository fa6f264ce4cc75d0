"""A message that kills its worker is found, however often the worker is started again.

What a dead worker knew is gone with it, so the count is kept where offsets are: beside a
committed offset stands how many workers began there and came no further. It costs one commit for
each partition after it was assigned, and nothing for the records after the first. Whoever finds
that a worker has died at an offset hears one record of that partition at a time for a while, each
committed before the next begins, so that the right one is blamed; a third death there, and the
record is buried unheard.

What is settled while the work goes on (calls that are claimed) is past its offset: the ledger
counts those deaths (protocol 6).
"""

import asyncio
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from actalog_bus.dispatch import Dispatcher
from actalog_bus.ports import Fault, Record
from actalog_bus.positions import Partition

DEATHS = 3
WARY_FOR = 500  # offsets behind a death that are heard one at a time
MOST_WAITING = 1_000

log = structlog.get_logger()


class Marks(Protocol):
    """What is committed beside offsets."""

    async def read(self, partitions: Collection[Partition]) -> Mapping[Partition, tuple[int, int]]:
        """(offset, how many began there)."""
        ...

    async def write(self, marks: Mapping[Partition, tuple[int, int]]) -> None:
        """Commit these. What fails is not written: a death may be missed, no record is."""
        ...


def killed() -> Fault:
    """Of a record at which three workers have died."""
    return Fault("killed", f"{DEATHS} workers died while they heard it", DEATHS)


@dataclass(slots=True)
class _Wary:
    """A partition whose records are heard one at a time."""

    until: int
    condemned: int | None  # an offset that is buried unheard
    marked: int  # the offset at which it is written that we began, before any was heard
    waiting: deque[Record] = field(default_factory=deque[Record])
    task: "asyncio.Task[None] | None" = None


class Suspicion:
    """Stands before one dispatcher. Must be used from one event loop."""

    def __init__(self, dispatcher: Dispatcher, marks: Marks) -> None:
        self.dispatcher, self.marks = dispatcher, marks
        self._known: set[Partition] = set()
        self._wary: dict[Partition, _Wary] = {}
        self._marked: dict[Partition, int] = {}  # since then nothing was committed
        self._progress = asyncio.Event()

    @property
    def wary(self) -> Collection[Partition]:
        """Partitions whose offsets are committed here and nowhere else."""
        return self._wary.keys()

    def full(self) -> set[Partition]:
        """Partitions that must not be fetched now."""
        return {at for at, one in self._wary.items() if len(one.waiting) >= MOST_WAITING}

    async def admit(self, found: Mapping[Partition, Sequence[Record]]) -> None:
        """Hand new records to the dispatcher, or let them wait their turn."""
        new = {at: records[0] for at, records in found.items() if at not in self._known}
        if new:
            await self._began(new)
        for at, records in found.items():
            wary = self._wary.get(at)
            if wary is None:
                for record in records:
                    self.dispatcher.take(record)
            else:
                wary.waiting.extend(records)
                if wary.task is None:
                    wary.task = asyncio.create_task(self._one_at_a_time(at, wary))

    def progressed(self) -> None:
        """The dispatcher has finished something."""
        self._progress.set()

    def committed(self, partitions: Collection[Partition]) -> None:
        """Offsets were committed as usual: what stood beside them is gone."""
        for at in partitions:
            self._marked.pop(at, None)

    def keep(self, partitions: Collection[Partition]) -> None:
        """The others are somebody else's."""
        kept = set(partitions)
        self._known &= kept
        for at in self._wary.keys() - kept:
            self._end(at)
        self._marked = {at: offset for at, offset in self._marked.items() if at in kept}

    def forget(self, at: Partition) -> None:
        """Another log stands there: nobody has died at its records."""
        self._known.discard(at)
        self._marked.pop(at, None)
        if at in self._wary:
            self._end(at)

    async def part(self) -> None:
        """We leave in order: nobody has died here."""
        marks = {
            at: (self.dispatcher.heard_upto(at) or offset, 0) for at, offset in self._marked.items()
        }
        self._marked.clear()
        for at in list(self._wary):
            self._end(at)
        self._known.clear()
        if marks:
            await self.marks.write(marks)

    def _end(self, at: Partition) -> None:
        wary = self._wary.pop(at)
        if wary.task is not None:
            wary.task.cancel()

    async def _began(self, new: Mapping[Partition, Record]) -> None:
        """The first records since these partitions are ours: has anybody died at them?"""
        stood = await self.marks.read(new)
        marks: dict[Partition, tuple[int, int]] = {}
        for at, record in new.items():
            offset, began = stood.get(at, (record.offset, 0))
            deaths = began if offset == record.offset else 0
            marks[at] = (record.offset, deaths + 1)
            self._known.add(at)
            self._marked[at] = record.offset
            if deaths:
                log.warning("a worker died here", topic=at[0], partition=at[1],
                            offset=record.offset, deaths=deaths)  # fmt: skip
                condemned = record.offset if deaths >= DEATHS else None
                self._wary[at] = _Wary(record.offset + WARY_FOR, condemned, record.offset)
        await self.marks.write(marks)

    async def _mark(self, at: Partition, offset: int) -> None:
        try:
            await self.marks.write({at: (offset, 1)})
        except Exception:  # whatever it is: nobody else would take what waits here
            log.exception("a mark was not written", topic=at[0], partition=at[1])

    async def _one_at_a_time(self, at: Partition, wary: _Wary) -> None:
        last = wary.marked
        while wary.waiting:
            record = wary.waiting[0]
            if record.offset != wary.marked:
                await self._mark(at, record.offset)
            self.dispatcher.take(
                record, killed() if record.offset == wary.condemned else None
            )  # fmt: skip
            wary.waiting.popleft()
            last = record.offset
            while (heard := self.dispatcher.heard_upto(at)) is not None and heard <= last:
                self._progress.clear()
                await self._progress.wait()
        wary.task = None
        if last >= wary.until:
            self._wary.pop(at, None)
