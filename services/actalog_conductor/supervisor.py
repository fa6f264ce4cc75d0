"""The only timer (protocol 5): what is due and has not come by itself is asked again.

It is the net below the others. It asks one cheap question about twice a second, wakes a bounded
number of runs a second, and waits while the broker acknowledges nothing or topics lag.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import structlog

from actalog_calls.reach import Reach
from actalog_conductor.rows import at_once, lanes
from actalog_conductor.waking import Waking
from actalog_core import crashpoints
from actalog_core.errors import Permanent, Transient
from actalog_core.sure_clock import SureClock
from actalog_log.beside_ports import InboxRow
from actalog_log.ports import Looming, RunLog

log = structlog.get_logger()

EVERY_S = 0.5
SILENT_MOST_S = 5.0  # between looks while the broker acknowledges nothing
WAKES_PER_LOOK = 50
INBOX_AFTER = timedelta(seconds=3)  # the record of an inbox row is usually heard at once
INBOX_TRIES = 3
CALL_ROUNDS = 10  # of a look: about what one worker holds
INBOX_AT_ONCE, INBOX_ROUNDS = 50, 20  # rows; of a look, which has others to ask for as well
RANGES_EVERY_S = 60.0
AGAIN_FIRST_S, AGAIN_MOST_S = 3.0, 60.0


@dataclass
class Patience:
    """When something that was tried may be tried again: later each time."""

    monotonic: Callable[[], float]
    until: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])

    def may(self, name: str) -> bool:
        """True at most once per wait; the wait doubles."""
        now = self.monotonic()
        at, wait_s = self.until.get(name, (now, AGAIN_FIRST_S))
        if now < at:
            return False
        self.until[name] = (now + wait_s, min(AGAIN_MOST_S, wait_s * 2))
        return True

    def not_tried(self, name: str) -> None:
        """It could not even be asked: that is no reason to wait longer."""
        self.until.pop(name, None)

    def forget_old(self) -> None:
        """What was not asked about for long is forgotten."""
        now = self.monotonic()
        self.until = {n: (at, w) for n, (at, w) in self.until.items() if now < at + AGAIN_MOST_S}


@dataclass
class Supervisor:
    """A part of the conductor's service. Several share the work by SKIP LOCKED. `hears_itself`: what
    it asks is heard in its own process, and may have gone with the one before it."""

    log: RunLog
    waking: Waking
    hear_row: Callable[[InboxRow], Awaitable[None]]
    hear_answer: Callable[[bytes], Awaitable[None]]
    bury_row: Callable[[InboxRow], Awaitable[None]]
    lagging: Callable[[], bool]
    clock: SureClock
    monotonic: Callable[[], float] = time.monotonic
    every_s: float = EVERY_S
    lease_s: float = 6.0
    hears_itself: Callable[[], bool] = lambda: False
    _task: asyncio.Task[None] | None = None
    _silent_s: float = 0.0
    _waits: bool = False
    _ranges_at: float = 0.0
    _asks: Literal["nothing", "working", "all"] = "nothing"  # of open runs, once more
    _goes_on: bool = False  # from where another one stopped

    def __post_init__(self) -> None:
        self._patience = Patience(self.monotonic)
        lease_s = max(self.lease_s, 4 * self.every_s)
        self.reach = Reach(lease_s=lease_s, clock=self.monotonic)

    async def start(self) -> None:
        """Look from now on."""
        now = self.clock()
        with contextlib.suppress(Transient):  # else the first look tells what time it is
            self.clock.compare((await self.log.looming(now, now)).at)
        self._task = asyncio.create_task(self._run(), name="supervisor")

    async def stop(self) -> None:
        """Look no more."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def broker_began_anew(self) -> None:
        """What was asked went with the broker's data: every open run is looked at soon."""
        self._asks = "all"

    async def ask_again(self) -> None:
        """Where what was asked may be gone open runs are due, and the database knows it.

        Raises:
            Transient: the database does not answer.
        """
        asks = self._asks
        if asks == "nothing":
            return
        self._asks = "nothing"
        try:
            await self.log.wake_all(self.clock(), paused=asks == "all")
        except BaseException:
            self._asks = asks if self._asks == "nothing" else "all"
            raise

    def ready(self) -> str | None:
        """None: what it cannot reach, others miss as well."""
        return None if self._task is not None else "supervisor: not started"

    async def _run(self) -> None:
        while True:
            # Several do not look at the same moment, and not all at once when a server is back.
            await asyncio.sleep((self.every_s + self._silent_s) * (0.75 + self._chance() / 2))
            reached = self.reach.last
            try:
                await self.look()
                self._silent_s, self._waits = 0.0, False
            except Transient as error:
                # Of the database a look asks little, and everybody's lease counts from its return.
                broker = self.reach.last > reached
                self._silent_s = min(SILENT_MOST_S, max(1.0, self._silent_s * 2)) if broker else 0.0
                if broker or not self._waits:
                    log.warning("the supervisor waits", wait_s=self._silent_s, error=str(error))
                self._waits = True
            except Exception:
                log.exception("the supervisor goes on")

    def _chance(self) -> float:
        """From 0 to 1, as the digits of the clock fall: a simulated one repeats itself."""
        return self.monotonic() * 997 % 1

    async def look(self) -> None:
        """Once over what is due.

        Raises:
            Transient: the database or the broker does not answer.
        """
        await self._keep_ranges()
        if not self._goes_on and self.hears_itself():
            self._goes_on = True
            self._asks = "working" if self._asks == "nothing" else "all"
        await self.ask_again()
        now = self.clock()
        looming = await self.log.looming(now, self.clock.theirs() - INBOX_AFTER)
        self.reach.reached()
        self.clock.compare(looming.at)
        if looming != NOTHING:
            self._patience.forget_old()
            if crashpoints.armed:
                crashpoints.reach("supervisor.found")
        if looming.inbox:
            await self._inbox()
        # After a gap the living renew first: an expired lease says nothing yet (protocol 6.4).
        if looming.calls and self.reach.steady():
            await self._calls()
        if looming.answers and not self.lagging():
            await self._answers()
        if looming.runs and not self.lagging():
            await self._runs()

    async def _runs(self) -> None:
        claimed = self.clock()
        due_runs = await self.log.due_runs(claimed, WAKES_PER_LOOK)
        woken: dict[int, datetime | None] = {}
        try:
            for due in due_runs:
                woken[due.row.run_no] = None  # what cannot be woken backs off as the others do
                with self._one_alone(run_id=due.row.run_id):
                    woken[due.row.run_no] = await self.waking.wake(due)
        except BaseException:
            # Nobody was told: this one and those behind it are due again when the claim is over.
            woken.popitem()
            raise
        finally:
            if woken:
                await self.log.woken(woken, claimed)

    async def _calls(self) -> None:
        """A dead worker is noticed within its lease and a second, with all that it held."""
        for _ in range(CALL_ROUNDS):
            found = await self.log.expired_calls(WAKES_PER_LOOK)
            await at_once(self._call(key, run_no) for key, run_no in found)
            if len(found) < WAKES_PER_LOOK:
                return

    async def _call(self, key: str, run_no: int) -> None:
        with self._in_time(f"call {key}") as may, self._one_alone(call=key):
            if may:
                await self.waking.resume(run_no, key)

    async def _answers(self) -> None:
        """A worker that died after it had stored its answer and before it told anybody."""
        for key, _, answer in await self.log.unheard_answers(WAKES_PER_LOOK):
            with self._in_time(f"answer {key}") as may, self._one_alone(answer=key):
                if may:
                    await self.hear_answer(answer)
                    if crashpoints.armed:
                        crashpoints.reach("supervisor.heard")
                    # Heard and told, it is in the log, or it means nothing any more.
                    await self.log.answer_heard(key, answer)

    async def _inbox(self) -> None:
        """Round after round while there are many: what waited out an outage is decided about as fast
        as what comes from Kafka. A row whose hearing has brought somebody to an end is heard alone:
        the next death says whether it was this one, and is counted to no other."""
        for _ in range(INBOX_ROUNDS):
            rows = await self.log.due_inbox(self.clock.theirs() - INBOX_AFTER, INBOX_AT_ONCE)
            await self._rows([row for row in rows if row.tries])
            await at_once(self._rows(lane) for lane in lanes(row for row in rows if not row.tries))
            if len(rows) < INBOX_AT_ONCE:
                return

    async def _rows(self, lane: Sequence[InboxRow]) -> None:
        for row in lane:
            name = f"inbox {row.tenant_id}/{row.inbox_id}"
            with self._in_time(name) as may, self._one_alone(inbox=row.inbox_id):
                if may:
                    await self._row(row)

    async def _row(self, row: InboxRow) -> None:
        """What brings its hearers to an end three times is heard no more. The count is kept in
        the row: who died does not tell. Who is stopped does."""
        counting = asyncio.create_task(self.log.try_inbox(row.tenant_id, row.inbox_id))
        try:
            if await asyncio.shield(counting) > INBOX_TRIES:
                await self.bury_row(row)
                return
            if crashpoints.armed:
                crashpoints.reach("supervisor.counted")
            await self.hear_row(row)
        except (Transient, asyncio.CancelledError):
            with contextlib.suppress(Transient):
                await counting  # it counts, also where nobody waits for it any more
                await self.log.try_inbox(row.tenant_id, row.inbox_id, -1)
            raise

    async def _keep_ranges(self) -> None:
        now = self.monotonic()
        if now >= self._ranges_at:
            await self.log.keep_ranges_ahead()
            self._ranges_at = now + RANGES_EVERY_S

    @contextlib.contextmanager
    def _in_time(self, name: str) -> Generator[bool]:
        """Whether it is its time. What the servers kept from being done waits no longer for it."""
        try:
            yield self._patience.may(name)
        except Transient:
            self._patience.not_tried(name)
            raise

    @contextlib.contextmanager
    def _one_alone(self, **what: str):
        """What is wrong with one keeps no other from being looked at."""
        try:
            yield
        except Transient:
            raise
        except Permanent as error:
            log.error("cannot be woken", error=str(error), **what)
        except Exception:
            log.exception("cannot be woken", **what)


NOTHING = Looming(runs=False, calls=False, inbox=False)
