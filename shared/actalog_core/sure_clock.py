"""Whose time counts: a clock that is wrong ends no run (protocol 5)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from actalog_core.clock import Clock

log = structlog.get_logger()
APART = timedelta(seconds=5)  # what `actalog doctor` still takes for fine


@dataclass
class SureClock:
    """This machine's time beside the database's, where they are far apart: the earlier one has
    surely come, and a deadline that is given counts from the later one. By a clock that is wrong
    by an hour every deadline within that hour would have passed, and what has ended stays ended.
    """

    own: Clock
    apart: timedelta = APART
    ahead: timedelta = timedelta()

    def __call__(self) -> datetime:
        """The earlier one."""
        return self.own() - max(self.ahead, timedelta())

    def latest(self) -> datetime:
        """The later one."""
        return self.own() - min(self.ahead, timedelta())

    def theirs(self) -> datetime:
        """The database's own, for what its clock has dated."""
        return self.own() - self.ahead

    def compare(self, theirs: datetime | None) -> None:
        """The database has told its time just now."""
        ahead = self.own() - theirs if theirs is not None else timedelta()
        was, self.ahead = self.ahead, ahead if abs(ahead) > self.apart else timedelta()
        if bool(was) != bool(self.ahead):
            ahead_s = round(self.ahead.total_seconds(), 1)
            log.warning("this machine's clock beside the database's", ahead_s=ahead_s)
