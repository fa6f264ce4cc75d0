"""Open runs in memory, and what the supervisor asks of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from actalog_log.memory_beside import MemoryBeside
from actalog_log.memory_calls import MemoryCalls
from actalog_log.ports import WAKE_CLAIM, WAKE_MOST, Looming, OpenRun, RunRow, Standing


@dataclass(slots=True)
class Open:
    standing: Standing
    wake_at: datetime | None
    last_seq: int
    published_seq: int = 0
    wakes: int = 0


class MemoryOpen(MemoryBeside):
    """A part of `MemoryLog`."""

    runs: dict[int, RunRow]
    open: dict[int, Open]
    calls: MemoryCalls

    def _near(self, wake_at: datetime | None) -> datetime | None:
        return wake_at and min(wake_at, self.clock() + WAKE_MOST)

    async def due_runs(self, now: datetime, limit: int) -> Sequence[OpenRun]:
        timed = sorted((one.wake_at, n) for n, one in self.open.items() if one.wake_at is not None)
        told: list[OpenRun] = []
        for run_no in [n for at, n in timed if at <= now][:limit]:
            one = self.open[run_no]
            one.wake_at = now + WAKE_CLAIM
            told.append(
                OpenRun(self.runs[run_no], one.standing, one.wake_at, one.published_seq, one.wakes)
            )
        return told

    async def expired_calls(self, limit: int) -> Sequence[tuple[str, int]]:
        return self.calls.asked(self.calls.due_expired()[:limit])

    async def unheard_answers(self, limit: int) -> Sequence[tuple[str, int, bytes]]:
        return self.calls.asked(self.calls.unheard()[:limit])

    async def looming(self, now: datetime, inbox_before: datetime) -> Looming:
        woken = any(one.wake_at is not None and one.wake_at <= now for one in self.open.values())
        inbox = self._due_inbox(inbox_before)
        calls, answers = bool(self.calls.due_expired()), bool(self.calls.unheard())
        return Looming(woken, calls, bool(inbox), answers, self.clock())

    async def woken(self, runs: Mapping[int, datetime | None], claimed: datetime) -> None:
        for run_no, at in runs.items():
            one = self.open.get(run_no)
            if one is not None and one.wake_at == claimed + WAKE_CLAIM:
                later = claimed + timedelta(seconds=min(30 * 2 ** min(one.wakes, 5), 600))
                one.wake_at = min(at or later, later)
                one.wakes += 1

    async def outcome(self, call_id: str) -> bytes | None:
        row = self.calls.rows.get(call_id)
        return row.outcome if row is not None and row.settled else None

    async def claimed_epoch(self, call_id: str) -> int:
        row = self.calls.rows.get(call_id)
        return row.epoch if row is not None else 0

    async def answer_heard(self, call_id: str, answer: bytes) -> None:
        row = self.calls.rows.get(call_id)
        if row is not None and row.settled and row.outcome == answer:
            row.outcome = None

    async def wake_all(self, at: datetime, *, paused: bool = True) -> int:
        leave = ("lost",) if paused else ("lost", "paused")
        hears = [one for one in self.open.values() if one.standing not in leave]
        later = [one for one in hears if one.wake_at is None or one.wake_at > at]
        for one in later:
            one.wake_at = at
        return len(later)

    async def live_calls(self, run_no: int) -> frozenset[str]:
        return self.calls.live(run_no)

    async def abandon_calls(self, run_no: int) -> int:
        return self.calls.abandon(run_no)
