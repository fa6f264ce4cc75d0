"""Leases of the calls that a process holds: renewed while it works on them (protocol 6)."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from actalog_calls.reach import Reach
from actalog_core.clock import Clock, Monotonic, system_clock
from actalog_core.errors import Transient
from actalog_core.sure_clock import SureClock
from actalog_log.call_ports import Calls, Claim

T = TypeVar("T")
Cancel = Callable[[], None]
Again = Callable[[], Coroutine[Any, Any, None]]

log = structlog.get_logger()


@dataclass(slots=True)
class Mine:
    """A call of ours. `working` is False when its work broke off: heard again, it is expired."""

    stands: "asyncio.Future[Claim]"
    epoch: int = 0
    since: float = 0.0  # when it was claimed, by this process's clock
    working: bool = True
    lost: bool = False
    ended: bool = False
    outcome: bytes | None = None  # told, and settled soon
    told: list[Cancel] = field(default_factory=list[Cancel])
    told_lost: list[Cancel] = field(default_factory=list[Cancel])

    def end(self) -> None:
        """Its run has ended: told once."""
        if not self.ended:
            self.ended = True
            for cancel in self.told:
                cancel()

    def lose(self) -> None:
        """Somebody else has it: told once, and renewed no more."""
        if not self.lost:
            self.lost = True
            for cancel in self.told_lost:
                cancel()


class Leases:
    """A part of a service: renews three times a lease, and knows gaps. `sure` is its clock beside
    the database's (decision 0022)."""

    def __init__(
        self, calls: Calls, *, holder: str, lease_ms: int, clock: Monotonic = time.monotonic,
        wall: Clock = system_clock,
    ) -> None:  # fmt: skip
        self.calls, self.lease_ms = calls, lease_ms
        # One life of one process: a successor of the same name must not renew for the dead.
        self.holder = f"{holder}/{uuid.uuid4().hex[:12]}"
        self.sure = SureClock(wall)
        self.reach = Reach(lease_s=lease_ms / 1000, clock=clock)
        self.mine: dict[str, Mine] = {}
        self.waiting: dict[str, Again] = {}
        self.suspects = asyncio.Lock()
        self.again: set[asyncio.Task[None]] = set()
        self.task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Renew from now on."""
        await self.beat()
        self.task = asyncio.create_task(self._beats(), name="leases")

    async def stop(self) -> None:
        """Renew no more: what is still running is taken over when its lease runs out."""
        self.waiting.clear()
        for task in (*self.again, *([self.task] if self.task else [])):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def ready(self) -> str | None:
        return self.reach.missing()

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(self.lease_ms / 3000)
            try:
                await self.beat()
            except Exception:
                log.exception("leases were not renewed")

    async def beat(self) -> bool:
        """Renew once, also when there is nothing to renew: it tells whether we reach the database."""
        working = [
            key for key, mine in self.mine.items() if mine.working and mine.epoch and not mine.lost
        ]
        try:
            async with asyncio.timeout(self.lease_ms / 1000):
                renewed = await self.reaching(self.calls.renew(self.holder, self.lease_ms, working))
        except (Transient, TimeoutError):
            self.reach.failed()
            return False
        self.sure.compare(renewed.at)
        for key in renewed.ended & self.mine.keys():
            self.mine[key].end()
        for key in renewed.lost & self.mine.keys():
            if self.mine[key].outcome is not None:
                continue  # the log has heard it before we have settled it
            log.warning("a claim was lost", call=key)
            self.mine[key].lose()
        if self.waiting and self.reach.steady():
            self._look_again()
        return True

    def when_steady(self, call_id: str, again: Again) -> None:
        """A call was told as busy to a process that could not have taken it over: it asks again
        once it can. Should it die before, the supervisor sends the command again."""
        if not self.reach.steady() and call_id not in self.mine:
            self.waiting[call_id] = again

    def _look_again(self) -> None:
        waiting, self.waiting = self.waiting, {}
        for again in waiting.values():
            task = asyncio.create_task(_told(again))
            self.again.add(task)
            task.add_done_callback(self.again.discard)

    async def reaching(self, call: Awaitable[T]) -> T:
        """A call to the database, noted as reaching it or not."""
        try:
            told = await call
        except Transient:
            self.reach.failed()
            raise
        self.reach.reached()
        return told


async def _told(again: Again) -> None:
    try:
        await again()
    except Exception:
        log.exception("a call that was asked for again broke off")
