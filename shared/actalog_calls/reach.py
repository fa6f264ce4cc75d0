"""Whether this process has reached the database without a gap (protocol 6.4)."""

from actalog_core.clock import Monotonic


class Reach:
    """Ten seconds without the database must not put every living call in doubt: whoever was cut
    off, too, or slept, gives the others one lease to renew before it takes anything over."""

    def __init__(self, *, lease_s: float, clock: Monotonic) -> None:
        self.lease_s, self.clock = lease_s, clock
        # Renewals come three times a lease. Two that are missing are a gap.
        self.gap_s = lease_s * 2 / 3
        self.since: float | None = None
        self.last = 0.0

    def reached(self) -> None:
        """The database has answered now."""
        now = self.clock()
        if self.since is None or now - self.last > self.gap_s:
            self.since = now
        self.last = now

    def failed(self) -> None:
        """It has not answered."""
        self.since = None

    def steady(self) -> bool:
        """Whether an expired lease counts as expired for us."""
        now = self.clock()
        if self.since is None or now - self.last > self.gap_s:
            return False
        return now - self.since >= self.lease_s

    def unbroken_since(self, then: float) -> bool:
        """Whether there was no gap from then on: what was leased then is leased still."""
        if self.since is None or self.clock() - self.last > self.gap_s:
            return False
        return self.since <= then

    def missing(self) -> str | None:
        """None when the database was reached within the last lease; else what is wrong."""
        if self.since is not None and self.clock() - self.last <= self.lease_s:
            return None
        return "calls: the database does not answer, leases cannot be renewed"
