"""Lanes that may be heard next, when more are ready than may be heard at once: higher ones first."""

from collections import deque

from actalog_bus.ports import Record

PRIORITY = "actalog-priority"  # the header; absent means 0
HIGHEST = 9  # beyond, and below its negative, all are the same
LOWER_EVERY = 8  # so often one of a lower level goes first: nobody waits for ever


def priority_of(record: Record) -> int:
    """What its sender says; nonsense is 0."""
    said = record.header(PRIORITY)
    if said is None:
        return 0
    try:
        return max(-HIGHEST, min(HIGHEST, int(said)))
    except ValueError:
        return 0


class Ready:
    """Names, each with a level. Of one level the first that came goes first."""

    def __init__(self) -> None:
        self._levels: dict[int, deque[str]] = {0: deque()}
        self._taken = 0

    def __bool__(self) -> bool:
        return any(self._levels.values())

    def append(self, name: str, level: int) -> None:
        """It is ready."""
        self._levels.setdefault(level, deque()).append(name)

    def popleft(self) -> str:
        """Whose turn it is.

        Raises:
            IndexError: nobody's.
        """
        if len(self._levels) == 1:
            return self._levels[0].popleft()
        waiting = sorted((level for level, names in self._levels.items() if names), reverse=True)
        if not waiting:
            raise IndexError("nothing is ready")
        self._taken += 1
        # The lower ones in turn, so that the lowest of three is not forgotten either.
        turn, own = divmod(self._taken, LOWER_EVERY)
        lower = own == 0 and len(waiting) > 1
        level = waiting[1 + turn % (len(waiting) - 1)] if lower else waiting[0]
        name = self._levels[level].popleft()
        if level and not self._levels[level]:
            del self._levels[level]
        return name
