"""How far a partition has been heard: pure bookkeeping, no clock and no I/O."""

from collections import deque


class Watermark:
    """Offsets of one partition: taken in rising order, finished in any order.

    `offset` is what may be committed: the oldest unfinished one, or the position when nothing is
    open. Committing it can repeat what came later, but can never lose anything (design 7).
    """

    __slots__ = ("_finished", "_open", "position")

    def __init__(self) -> None:
        self.position: int | None = None  # the next offset that is new
        self._open: deque[int] = deque()
        self._finished: set[int] = set()

    def take(self, offset: int) -> bool:
        """Open an offset; False when it is known (fetched again after a rebalance)."""
        if self.position is not None and offset < self.position:
            return False
        self._open.append(offset)
        self.position = offset + 1
        return True

    def finish(self, offset: int) -> None:
        """Close an open offset; its order does not matter."""
        self._finished.add(offset)
        while self._open and self._open[0] in self._finished:
            self._finished.discard(self._open.popleft())

    @property
    def offset(self) -> int | None:
        """What may be committed; None before anything was taken."""
        return self._open[0] if self._open else self.position

    @property
    def span(self) -> int:
        """How many offsets are remembered: open ones and those finished ahead of one of them."""
        return len(self._open)
