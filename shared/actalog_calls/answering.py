"""From a command heard to its answer published: protocol 6.2, 6.3 and 6.5."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from actalog_bus.envelope import Postman, body
from actalog_bus.ports import Delivery
from actalog_calls.claims import Claims
from actalog_contracts.calls import (
    CallAnswered,
    CallStored,
    Command,
    Outcome,
    answer,
    lies_in_ledger,
)
from actalog_log.ports import Claim, ledger_key

Run = Callable[[Claim], Awaitable[Outcome]]

log = structlog.get_logger()
LARGE_BYTES = 2_000  # of an answer; below, reading it from the ledger costs more than it saves


async def answer_claimed(
    delivery: Delivery,
    command: Command,
    *,
    claims: Claims,
    postman: Postman,
    run: Run,
    beside: bool,
) -> None:
    """Run a command once, and answer it however often it is heard.

    `run` gets the claim and decides what an `expired` one means. With `beside` it begins at once,
    under the epoch that a first claim has: its deltas must wait for `claims.stands`, it is
    cancelled if the claim is somebody else's, and begun again if it turns out to be `expired`.
    `claim.call_id` is the name by which `claims` knows the call.

    Raises:
        Transient: the database or the broker was not reached; hear it again.
        Whatever `run` raises: heard again, the claim is `expired`.
    """
    answering = _Answering(delivery, command, claims, postman, run)
    await (answering.beside() if beside else answering.before())


@dataclass
class _Answering:
    delivery: Delivery
    command: Command
    claims: Claims
    postman: Postman
    run: Run

    @property
    def key(self) -> str:
        return ledger_key(self.command.run_no, self.command.call_id)

    async def before(self) -> None:
        """Claim, then work: nothing acts before the claim stands."""
        claim = await self.claims.claim(self.key, run_no=self.command.run_no)
        if not await self._ours(claim):
            return
        self.delivery.settle()
        outcome = await self._worked(asyncio.ensure_future(self.run(claim)))
        reply = answer(self.command, outcome)
        told = body(reply)
        stored = await self.claims.settle(self.key, epoch=self.claims.epoch(self.key), outcome=told)
        if stored:
            said = self._short(reply, told)
            await self.postman.reply(said, causation=self.delivery.record)
        elif await self._late():  # what lies in the ledger is another's
            await self.postman.reply(reply, causation=self.delivery.record)

    async def beside(self) -> None:
        """Work while the claim is on its way."""
        if self.claims.holds(self.key):
            self.delivery.settle()
            return
        claiming = asyncio.ensure_future(self.claims.claim(self.key, run_no=self.command.run_no))
        await asyncio.sleep(0)  # the claim is on its way, and `stands` knows of it
        work: asyncio.Future[Outcome] | None = None
        if not claiming.done():
            work = asyncio.ensure_future(self.run(Claim(self.key, "claimed", 1)))
        try:
            claim = await claiming
            if work is not None and claim.state != "claimed":
                await _abort(work)
                work = None
            if not await self._ours(claim):
                return
        except BaseException:
            claiming.cancel()
            if work is not None:
                await _abort(work)
            raise
        self.delivery.settle()
        await self._finish(work or asyncio.ensure_future(self.run(claim)))

    async def _finish(self, work: "asyncio.Future[Outcome]") -> None:
        self.claims.on_lost(self.key, lambda: _cancel(work))
        try:
            outcome = await self._worked(work)
        except asyncio.CancelledError:
            if _being_cancelled():
                raise
            self.claims.forget(self.key)
            return
        reply = answer(self.command, outcome)
        told = body(reply)
        storing = asyncio.ensure_future(
            self.claims.settle(self.key, epoch=self.claims.epoch(self.key), outcome=told)
        )
        if len(told) > LARGE_BYTES and await storing:
            await self.postman.reply(lies_in_ledger(self.command), causation=self.delivery.record)
            return
        # Both at the same time: the call only reads, so whoever was first, a second answer is as
        # good as the first and means nothing.
        try:
            await self.postman.reply(reply, causation=self.delivery.record)
        finally:
            await storing

    async def _ours(self, claim: Claim) -> bool:
        """Whether it is ours to run. What was answered is answered again."""
        match claim.state:
            case "claimed" | "expired":
                return True
            case "answered":
                if claim.outcome is not None:  # else the log has it
                    await self._again(claim.outcome)
            case "busy":
                self.claims.when_steady(self.key, self.before)
        self.delivery.settle()
        return False

    async def _again(self, outcome: bytes) -> None:
        try:
            reply = CallAnswered.model_validate_json(outcome)
        except ValidationError:
            log.exception("a stored outcome cannot be read", call=self.key)
            raise
        await self.postman.reply(self._short(reply, outcome), causation=self.delivery.record)

    def _short(self, reply: CallAnswered, stored: bytes) -> CallAnswered | CallStored:
        """What is in the ledger and large is fetched there: the bus carries it once, as an event."""
        return lies_in_ledger(self.command) if len(stored) > LARGE_BYTES else reply

    async def _worked(self, work: "asyncio.Future[Outcome]") -> Outcome:
        try:
            return await work
        except BaseException:
            await _abort(work)
            self.claims.broke_off(self.key)
            raise

    async def _late(self) -> bool:
        """Our epoch was taken. Where the other has answered (a doubt), ours is recorded as late
        (6.5); where it is still at it, its answer will be the one."""
        found = await self.claims.look(self.key)
        log.warning("an outcome came late", call=self.key, stands=found.state)
        return found.state == "answered"


async def _abort(work: "asyncio.Future[Outcome]") -> None:
    """Cancel work and wait for it to end; what it raises is of no interest."""
    work.cancel()
    await asyncio.wait([work])
    if not work.cancelled():
        work.exception()


def _cancel(work: "asyncio.Future[Outcome]") -> None:
    work.cancel()


def _being_cancelled() -> bool:
    """Whether we ourselves are being cancelled."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
