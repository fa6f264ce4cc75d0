"""Since when what is heard is ours."""

from datetime import UTC, datetime

from actalog_bus.ports import Record
from actalog_core.clock import Clock

BEGAN = datetime.fromtimestamp(0, UTC)


class Since:
    """Knows which records somebody else may have heard: those of partitions that were his then.
    Their calls are claimed first, so that a change of hands, or a topic that is read once more,
    begins nothing in vain. Clocks that differ cost just that."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.at = BEGAN

    def assigned(self) -> None:
        """Partitions are ours from now on, or are heard from their beginning once more."""
        self.at = self.clock()

    def heard_before(self, record: Record) -> bool:
        """Whether somebody may be at it, or has answered it."""
        return record.timestamp_ms < int(self.at.timestamp() * 1_000)
