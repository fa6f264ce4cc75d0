"""The calls that this process holds: claimed, renewed, settled (protocol 6)."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

import structlog

from actalog_calls.reach import Monotonic, Reach
from actalog_core.errors import Transient
from actalog_log.ports import Calls, Claim

T = TypeVar("T")
Cancel = Callable[[], None]
Again = Callable[[], Coroutine[Any, Any, None]]

log = structlog.get_logger()


@dataclass(slots=True)
class _Mine:
    """A call of ours. `working` is False when its work broke off: heard again, it is expired."""

    stands: "asyncio.Future[Claim]"
    epoch: int = 0
    working: bool = True
    ended: bool = False
    told: list[Cancel] = field(default_factory=list[Cancel])
    told_lost: list[Cancel] = field(default_factory=list[Cancel])


class Claims:
    """A part of a service. Call ids here are ledger keys (`actalog_log.ports.ledger_key`)."""

    def __init__(
        self, calls: Calls, *, holder: str, lease_ms: int, clock: Monotonic = time.monotonic
    ) -> None:
        self.calls, self.lease_ms = calls, lease_ms
        # One life of one process: a successor of the same name must not renew for the dead.
        self.holder = f"{holder}/{uuid.uuid4().hex[:12]}"
        self.reach = Reach(lease_s=lease_ms / 1000, clock=clock)
        self.mine: dict[str, _Mine] = {}
        self.waiting: dict[str, Again] = {}
        self.again: set[asyncio.Task[None]] = set()
        self.task: asyncio.Task[None] | None = None

    # --- the part

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

    async def beat(self) -> None:
        """Renew once, also when there is nothing to renew: it tells whether we reach the database."""
        working = [key for key, mine in self.mine.items() if mine.working and mine.epoch]
        try:
            async with asyncio.timeout(self.lease_ms / 1000):
                renewed = await self._reaching(
                    self.calls.renew(self.holder, self.lease_ms, working)
                )
        except (Transient, TimeoutError):
            self.reach.failed()
            return
        for key in renewed.ended & self.mine.keys():
            self._ended(self.mine[key])
        for key in renewed.lost & self.mine.keys():
            log.warning("a claim was lost", call=key)
            for cancel in self.mine[key].told_lost:
                cancel()
        if self.waiting and self.reach.steady():
            self._look_again()

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

    def _ended(self, mine: _Mine) -> None:
        if not mine.ended:
            mine.ended = True
            for cancel in mine.told:
                cancel()

    # --- a call

    async def claim(self, call_id: str, *, run_no: int) -> Claim:
        """What stands for a call. `busy` also when this process is at it already.

        Raises:
            Transient: the database was not reached; nothing is known.
        """
        known = self.mine.get(call_id)
        if known is not None and known.working:
            return Claim(call_id, "busy", known.epoch)
        if known is not None:
            return await self._resume(call_id, known)
        mine = self.mine[call_id] = _Mine(asyncio.get_running_loop().create_future())
        try:
            claim = await self._reaching(
                self.calls.claim(
                    call_id, run_no=run_no, holder=self.holder, lease_ms=self.lease_ms,
                    take_over=self.reach.steady(),
                )
            )  # fmt: skip
        except BaseException:
            self.forget(call_id)
            raise
        return self._keep(mine, claim)

    def _keep(self, mine: _Mine, claim: Claim) -> Claim:
        if claim.state in ("claimed", "expired"):
            mine.epoch = claim.epoch
            mine.stands.set_result(claim)
            if claim.ended:
                self._ended(mine)
        else:
            self.forget(claim.call_id)
        return claim

    async def _resume(self, call_id: str, mine: _Mine) -> Claim:
        """Our own call, whose work broke off: it may have acted, so the declaration decides."""
        mine.working = True
        try:
            epoch = await self.next_epoch(call_id, mine.epoch)
        except BaseException:
            mine.working = False
            raise
        if epoch is None:
            self.forget(call_id)
            return Claim(call_id, "busy", mine.epoch)
        claim = Claim(call_id, "expired", epoch)
        mine.stands = asyncio.get_running_loop().create_future()
        mine.stands.set_result(claim)
        return claim

    async def stands(self, call_id: str) -> Claim:
        """Wait until the claim of work that runs beside it stands: nothing leaves before.

        Raises:
            Transient: it will not stand.
        """
        mine = self.mine.get(call_id)
        if mine is None:
            raise Transient(f"call {call_id} is not ours")
        return await asyncio.shield(mine.stands)

    def holds(self, call_id: str) -> bool:
        """Whether this process is at it."""
        return call_id in self.mine and self.mine[call_id].working

    async def next_epoch(self, call_id: str, epoch: int) -> int | None:
        """The epoch of the next attempt (6.7); None: the call is no longer ours."""
        raised = await self._reaching(
            self.calls.raise_epoch(call_id, epoch=epoch, holder=self.holder)
        )
        if raised is not None and call_id in self.mine:
            self.mine[call_id].epoch = raised
        return raised

    def epoch(self, call_id: str) -> int:
        """The epoch under which we hold it; 0: we do not."""
        return self.mine[call_id].epoch if call_id in self.mine else 0

    async def settle(self, call_id: str, *, epoch: int, outcome: bytes) -> bool:
        """Store the outcome, however long the database is away: what was done is not lost while
        this process lives. False: the epoch was no longer ours (6.5)."""
        delay_s, unsure = 0.05, False
        while True:
            try:
                stored = await self._reaching(
                    self.calls.settle(call_id, epoch=epoch, outcome=outcome)
                )
                break
            except Transient:
                unsure = True  # it may stand all the same
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, self.lease_ms / 3000)
        self.forget(call_id)
        return stored or (unsure and await self._stands_as(call_id, outcome))

    async def _stands_as(self, call_id: str, outcome: bytes) -> bool:
        found = await self.look(call_id)
        return found.state == "answered" and found.outcome in (None, outcome)

    async def look(self, call_id: str) -> Claim:
        """What stands for a call that is known, without taking it over."""
        return await self._reaching(
            self.calls.claim(
                call_id, run_no=0, holder="nobody", lease_ms=0, take_over=False
            )
        )  # fmt: skip

    def on_ended(self, call_id: str, cancel: Cancel) -> None:
        """Call `cancel` when a renewal says that the call's run has ended (6.8)."""
        if (mine := self.mine.get(call_id)) is not None:
            mine.told.append(cancel)
            if mine.ended:
                cancel()

    def on_lost(self, call_id: str, cancel: Cancel) -> None:
        """Call `cancel` when a renewal says that somebody else has the call."""
        if (mine := self.mine.get(call_id)) is not None:
            mine.told_lost.append(cancel)

    def broke_off(self, call_id: str) -> None:
        """The work raised: no longer renewed, and resumed as expired if it is heard again."""
        if (mine := self.mine.get(call_id)) is not None:
            mine.working = False
            mine.told.clear()
            mine.told_lost.clear()

    def forget(self, call_id: str) -> None:
        """The call is no longer this process's."""
        mine = self.mine.pop(call_id, None)
        if mine is not None and not mine.stands.done():
            mine.stands.set_exception(Transient(f"call {call_id} is not ours"))
            mine.stands.exception()  # nobody needs to have waited for it

    async def _reaching(self, call: Awaitable[T]) -> T:
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
