"""The calls that this process holds: claimed, attempted, settled (protocol 6)."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping

from actalog_calls.leases import Cancel, Leases, Mine, T
from actalog_calls.soon import Settled, Soon
from actalog_core import crashpoints
from actalog_core.clock import Clock, Monotonic, system_clock
from actalog_core.errors import Transient
from actalog_log.call_ports import Calls, Claim


class Claims(Leases):
    """A part of a service. Call ids here are ledger keys (`actalog_log.call_ports.ledger_key`)."""

    def __init__(
        self, calls: Calls, *, holder: str, lease_ms: int, clock: Monotonic = time.monotonic,
        wall: Clock = system_clock,
    ) -> None:  # fmt: skip
        super().__init__(calls, holder=holder, lease_ms=lease_ms, clock=clock, wall=wall)
        self.soon = Soon(self._settle_all)

    async def stop(self) -> None:
        """What was put off is settled first."""
        await self.soon.stop()
        await super().stop()

    async def claim(self, call_id: str, *, run_no: int, after_epoch: int = 0) -> Claim:
        """What stands for a call. `busy` also when this process is at it already.

        Raises:
            Transient: the database was not reached; nothing is known.
        """
        known = self.mine.get(call_id)
        if known is not None and known.working:
            return Claim(call_id, "busy", known.epoch)
        if known is not None and known.epoch > after_epoch:  # else a person has said it is void
            return await self._resume(call_id, known)
        mine = self.mine[call_id] = Mine(asyncio.get_running_loop().create_future())
        mine.since = self.reach.clock()  # as old as its asking: we may stand still before we hear
        try:
            claim = await self.reaching(
                self.calls.claim(
                    call_id, run_no=run_no, holder=self.holder, lease_ms=self.lease_ms,
                    take_over=self.reach.steady(), after_epoch=after_epoch, on_notice=True,
                )
            )  # fmt: skip
        except BaseException:
            self.forget(call_id)
            raise
        return self._keep(mine, claim)

    def _keep(self, mine: Mine, claim: Claim) -> Claim:
        if claim.state in ("claimed", "expired"):
            mine.epoch = claim.epoch
            mine.stands.set_result(claim)
            if claim.ended:
                mine.end()
        else:
            mine.lose()
            self.forget(claim.call_id)
        return claim

    async def _resume(self, call_id: str, mine: Mine) -> Claim:
        """Our own call, whose work broke off: it may have acted, so the declaration decides."""
        mine.working, since = True, self.reach.clock()
        try:
            epoch = await self.next_epoch(call_id, mine.epoch)
        except BaseException:
            mine.working = False
            raise
        if epoch is None:
            self.forget(call_id)
            return Claim(call_id, "busy", mine.epoch)
        claim = Claim(call_id, "expired", epoch)
        mine.since = since
        mine.stands = asyncio.get_running_loop().create_future()
        mine.stands.set_result(claim)
        return claim

    async def alone(self, call_id: str, run: Callable[[], Awaitable[T]]) -> T:
        """Run what two workers have died with: one such call at a time in this process, and it is
        written before it begins, so that the third death is its own."""
        async with self.suspects:
            await self.reaching(self.calls.run_alone(call_id, epoch=self.epoch(call_id)))
            return await run()

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

    def outcome(self, call_id: str) -> bytes | None:
        """What was told of a call that this process still `holds`."""
        return self.mine[call_id].outcome

    async def next_epoch(self, call_id: str, epoch: int) -> int | None:
        """The epoch of the next attempt (6.7); None: the call is no longer ours."""
        raised = await self.reaching(
            self.calls.raise_epoch(call_id, epoch=epoch, holder=self.holder)
        )
        if (mine := self.mine.get(call_id)) is not None:
            if raised is None:
                mine.lost = True  # whoever asks knows by what is returned
            else:
                mine.epoch = raised
        return raised

    def epoch(self, call_id: str) -> int:
        """The epoch under which we hold it; 0: we do not."""
        return self.mine[call_id].epoch if call_id in self.mine else 0

    def surely_ours(self, call_id: str) -> bool:
        """Whether nobody else can have it: its lease was renewed all the time. Not after this
        process stood still, or was cut off, for so long that others may have taken it over."""
        mine = self.mine.get(call_id)
        return mine is not None and not mine.lost and self.reach.unbroken_since(mine.since)

    async def still_ours(self, call_id: str) -> bool:
        """Whether nobody else has it, however long it takes to know: renewed, if need be."""
        while not self.surely_ours(call_id):
            mine, now = self.mine.get(call_id), self.reach.clock()
            if mine is None or mine.lost:
                return False
            if not await self.beat():
                await asyncio.sleep(self.lease_ms / 30_000)
            elif not mine.lost:
                mine.since = now
                return True
        return True

    def settle_soon(self, call_id: str, *, outcome: bytes) -> "asyncio.Task[None]":
        """Settle what is being told at the same time. It goes with others, a moment later: the log
        has most of them by then, and nothing is left to write."""
        mine = self.mine[call_id]
        mine.outcome = outcome
        return self.soon.put_off(call_id, (mine.epoch, outcome))

    async def _settle_all(self, outcomes: Mapping[str, Settled]) -> None:
        try:
            await self._settled(lambda: self.calls.settle_all(outcomes))
        finally:  # what was given up is not renewed for ever
            for call_id in outcomes:
                self.forget(call_id)

    async def settle(self, call_id: str, *, epoch: int, outcome: bytes) -> bool:
        """Store the outcome, however long the database is away: what was done is not lost while
        this process lives. False: the epoch was no longer ours (6.5)."""
        stored, unsure = await self._settled(
            lambda: self.calls.settle(call_id, epoch=epoch, outcome=outcome)
        )
        self.forget(call_id)
        return stored or (unsure and await self._stands_as(call_id, outcome))

    async def _settled(self, settle: Callable[[], Awaitable[T]]) -> tuple[T, bool]:
        """What it told, and whether an earlier try may stand all the same."""
        delay_s, unsure = 0.05, False
        while True:
            try:
                told = await self.reaching(settle())
                break
            except Transient:
                unsure = True
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, self.lease_ms / 3000)
        if crashpoints.armed:
            crashpoints.reach("calls.settled")
        return told, unsure

    async def _stands_as(self, call_id: str, outcome: bytes) -> bool:
        found = await self.look(call_id)
        return found.state == "answered" and found.outcome in (None, outcome)

    async def look(self, call_id: str) -> Claim:
        """What stands for a call that is known, without taking it over."""
        return await self.reaching(
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
        """Call `cancel` when the claim or a renewal says that somebody else has the call."""
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
