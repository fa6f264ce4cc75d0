"""What the embedded broker shows before what stands in front of it.

Where two connections write to one partition at the same moment, it may give the later record to a
reader when the one before it is not to be seen yet: a consumer goes on behind both, and never
hears the first. It numbers records without a gap, so a hole is looked at again for a while. What
is not there by then is lost: of two that begin an empty partition together, it keeps only one.
"""

import time
from collections.abc import Callable

from aiokafka import TopicPartition

from actalog_bus.fetched import next_offset
from actalog_bus.ports import Sealed
from actalog_bus.records import Found

WAITS_S = 0.5


class Holes:
    """Of one consumer. `seek`: read from there."""

    def __init__(
        self, seek: Callable[[TopicPartition, int], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._seek, self._clock = seek, clock
        self._due: dict[TopicPartition, int] = {}  # the next offset
        self._since: dict[TopicPartition, tuple[int, float]] = {}  # a hole, and when it was seen

    def reads_from(self, at: TopicPartition, offset: int) -> None:
        """What comes next of a partition; before the first word on it, any offset may."""
        self._due[at] = offset

    def whole(self, found: Found) -> Found:
        """What was fetched, as far as nothing is missing in front of it."""
        told: Found = {}
        for at, records in found.items():
            due, taken = self._due.get(at, records[0].offset), 0
            for record in records:
                if record.offset > due and self._is_waited_for(at, due):
                    self._seek(at, due)
                    break
                value, taken = record.value, taken + 1
                behind = next_offset(value) if type(value) is Sealed else record.offset + 1
                due = max(due, behind)
            self._due[at] = due
            if taken:
                told[at] = records[:taken]
        return told

    def _is_waited_for(self, at: TopicPartition, offset: int) -> bool:
        now = self._clock()
        seen, since = self._since.get(at, (-1, now))
        if seen != offset:
            since = now
        self._since[at] = (offset, since)
        return now - since < WAITS_S
