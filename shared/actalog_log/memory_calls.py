"""The effect ledger in memory."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from actalog_log.call_ports import Claim, Renewed

if TYPE_CHECKING:
    from actalog_log.memory import MemoryLog


ASKED_S = 2  # as PostgreSQL's
Found = TypeVar("Found", tuple[str, int], tuple[str, int, bytes])


@dataclass(slots=True)
class _Call:
    run_no: int
    holder: str
    lease_until: datetime
    epoch: int = 1
    settled: bool = False
    outcome: bytes | None = None
    deaths: int = 0
    alone: bool = False
    asked_at: datetime | None = None


class MemoryCalls:
    """Calls in a dictionary, with leases on the log's clock."""

    def __init__(self, log: "MemoryLog") -> None:
        self.log = log
        self.rows: dict[str, _Call] = {}

    async def claim(
        self, call_id: str, *, run_no: int, holder: str, lease_ms: int, take_over: bool = True,
        after_epoch: int = 0, on_notice: bool = False,
    ) -> Claim:  # fmt: skip
        now = self.log.clock()
        until = now + timedelta(milliseconds=lease_ms)
        row = self.rows.get(call_id)
        if row is None:
            self.rows[call_id] = _Call(run_no, holder, until, epoch=after_epoch + 1)
            return Claim(call_id, "claimed", after_epoch + 1, ended=self._ended(run_no))
        if row.settled and row.epoch <= after_epoch:
            self.rows[call_id] = _Call(run_no, holder, until, epoch=after_epoch + 1)
            return Claim(call_id, "claimed", after_epoch + 1, ended=self._ended(run_no))
        if row.settled:
            return Claim(call_id, "answered", row.epoch, row.outcome)
        if row.holder == holder:
            row.lease_until = until
            state = "claimed" if row.epoch in (1, after_epoch + 1) else "expired"
            return Claim(call_id, state, row.epoch, ended=self._ended(run_no), deaths=row.deaths)
        noted = row.asked_at is not None and row.asked_at > row.lease_until
        if row.lease_until >= now or not (take_over or (on_notice and noted)):
            return Claim(call_id, "busy", row.epoch)
        row.epoch, row.holder, row.lease_until = row.epoch + 1, holder, until
        row.deaths, row.alone = row.deaths + (row.deaths < 2 or row.alone), False
        state = "claimed" if row.epoch == after_epoch + 1 else "expired"
        return Claim(call_id, state, row.epoch, ended=self._ended(run_no), deaths=row.deaths)

    async def run_alone(self, call_id: str, *, epoch: int) -> bool:
        row = self.rows.get(call_id)
        if row is None or row.settled or row.epoch != epoch:
            return False
        row.alone = True
        return True

    def _ended(self, run_no: int) -> bool:
        known = self.log.open.get(run_no)
        return run_no in self.log.runs and (known is None or known.standing == "ended")

    async def renew(self, holder: str, lease_ms: int, call_ids: Collection[str]) -> Renewed:
        ended: set[str] = set()
        lost: set[str] = set()
        for call_id in call_ids:
            row = self.rows.get(call_id)
            if row is None or row.holder != holder or row.settled:
                lost.add(call_id)
                continue
            row.lease_until = self.log.clock() + timedelta(milliseconds=lease_ms)
            known = self.log.open.get(row.run_no)
            if known is None or known.standing == "ended":
                ended.add(call_id)
        return Renewed(frozenset(ended), frozenset(lost), self.log.clock())

    async def raise_epoch(self, call_id: str, *, epoch: int, holder: str) -> int | None:
        row = self.rows.get(call_id)
        if row is None or row.settled or (row.epoch, row.holder) != (epoch, holder):
            return None
        row.epoch += 1
        return row.epoch

    async def settle(self, call_id: str, *, epoch: int, outcome: bytes) -> bool:
        row = self.rows.get(call_id)
        if row is None or row.settled or row.epoch != epoch:
            return False
        row.settled, row.outcome = True, outcome
        return True

    async def settle_all(self, outcomes: Mapping[str, tuple[int, bytes]]) -> frozenset[str]:
        stored = {
            call_id for call_id, (epoch, outcome) in outcomes.items()
            if await self.settle(call_id, epoch=epoch, outcome=outcome)
        }  # fmt: skip
        return frozenset(stored)

    def clear(self, call_ids: Sequence[str]) -> None:
        """Forget outcomes that the log has (protocol 6.6)."""
        for call_id in call_ids:
            if (row := self.rows.get(call_id)) is not None:
                row.settled, row.outcome = True, None

    def unsettled(self, run_no: int) -> bool:
        """Whether a call of the run has no outcome yet."""
        return any(row.run_no == run_no and not row.settled for row in self.rows.values())

    def live(self, run_no: int) -> frozenset[str]:
        """Ids of the run's calls that somebody holds now."""
        now = self.log.clock()
        rows = [(i, r) for i, r in self.rows.items() if r.run_no == run_no and not r.settled]
        return frozenset(call_id for call_id, row in rows if row.lease_until >= now)

    def abandon(self, run_no: int) -> int:
        """Settle the run's calls whose lease has run out."""
        gone = [call_id for call_id, number in self.expired() if number == run_no]
        for call_id in gone:
            self.rows[call_id].settled = True
        return len(gone)

    def expired(self) -> list[tuple[str, int]]:
        """(call_id, run_no) of calls whose lease has run out."""
        now = self.log.clock()
        return [(i, r.run_no) for i, r in self._by_lease() if not r.settled and r.lease_until < now]

    def _by_lease(self) -> list[tuple[str, _Call]]:
        return sorted(self.rows.items(), key=lambda one: one[1].lease_until)

    def due_expired(self) -> list[tuple[str, int]]:
        """Those of `expired` that nobody has just asked for."""
        return [(i, number) for i, number in self.expired() if self._due(self.rows[i])]

    def asked(self, found: list[Found]) -> list[Found]:
        """Note that these are asked for now."""
        for one in found:
            self.rows[one[0]].asked_at = self.log.clock()
        return found

    def _due(self, row: _Call) -> bool:
        now = self.log.clock()
        free = row.asked_at is None or row.asked_at < now - timedelta(seconds=ASKED_S)
        return row.lease_until < now and free

    def unheard(self) -> list[tuple[str, int, bytes]]:
        """(call_id, run_no, answer) of calls whose answer the log does not have for so long."""
        rows = [(i, r) for i, r in self._by_lease() if r.settled and self._due(r)]
        return [(i, r.run_no, r.outcome) for i, r in rows if r.outcome is not None]
