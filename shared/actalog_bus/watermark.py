"""How far a partition has been heard: pure bookkeeping, no clock and no I/O."""

from collections import deque
from typing import NamedTuple, Self


class Stamp(NamedTuple):
    """A record by its offset and its time (ms since 1970): what may be told of it in a commit."""

    offset: int
    at_ms: int

    def __str__(self) -> str:
        return f"{self.offset}@{self.at_ms}"

    @classmethod
    def of(cls, text: str) -> Self | None:
        """From a commit's metadata; None: it is none of ours."""
        offset, _, ms = text.partition("@")
        return cls(int(offset), int(ms)) if offset.isdecimal() and ms.isdecimal() else None


class Beside(NamedTuple):
    """What stands beside a committed offset, as text: the last record before it, and how many
    workers began there and came no further."""

    stamp: Stamp | None = None
    began: int = 0

    def __str__(self) -> str:
        return f"{self.stamp or ''}#{self.began}" if self.began else str(self.stamp or "")

    @classmethod
    def of(cls, text: str) -> Self:
        """From a commit's metadata; what is none of ours says nothing."""
        stamp, _, began = text.partition("#")
        return cls(Stamp.of(stamp), int(began) if began.isdecimal() else 0)


class Watermark:
    """Offsets of one partition: taken in rising order, finished in any order.

    `offset` is what may be committed: the oldest unfinished one, or the position when nothing is
    open. Committing it can repeat what came later, but can never lose anything (design 7).
    """

    __slots__ = ("_finished", "_open", "done", "position")

    def __init__(self) -> None:
        self.position: int | None = None  # the next offset that is new
        self.done: Stamp | None = None  # the last one before `offset`
        self._open: deque[Stamp] = deque()
        self._finished: set[int] = set()

    def take(self, offset: int, at_ms: int = 0) -> bool:
        """Open an offset; False when it is known (fetched again after a rebalance)."""
        if self.position is not None and offset < self.position:
            return False
        self._open.append(Stamp(offset, at_ms))
        self.position = offset + 1
        return True

    def finish(self, offset: int) -> None:
        """Close an open offset; its order does not matter."""
        self._finished.add(offset)
        while self._open and self._open[0].offset in self._finished:
            self.done = self._open.popleft()
            self._finished.discard(self.done.offset)

    @property
    def offset(self) -> int | None:
        """What may be committed; None before anything was taken."""
        return self._open[0].offset if self._open else self.position

    @property
    def span(self) -> int:
        """How many offsets are remembered: open ones and those finished ahead of one of them."""
        return len(self._open)
