"""From a command heard to its answer published: protocol 6.2, 6.3 and 6.5."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from pydantic import ValidationError

from actalog_bus.envelope import AGAIN, Postman, body
from actalog_bus.ports import Delivery
from actalog_calls.claims import Claims
from actalog_contracts.calls import (
    CallAnswered,
    CallStored,
    Command,
    Outcome,
    RunTool,
    answer,
    lies_in_ledger,
)
from actalog_contracts.runs import ModelFailed, ModelReplied
from actalog_core import crashpoints
from actalog_core.errors import Permanent
from actalog_log.call_ports import Claim, ledger_key

Run = Callable[[Claim], Awaitable[Outcome]]
Condemned = Callable[[Claim], Outcome]
DEATHS = 3

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
    condemned: Condemned | None = None,
    leaving: Callable[[], None] | None = None,
    heard_before: bool = False,
) -> None:
    """Run a command once, and answer it however often it is heard.

    `run` gets the claim and decides what an `expired` one means. With `beside` it begins at once,
    under the epoch that a first claim has: its deltas must wait for `claims.stands`, it is
    cancelled if the claim is somebody else's (what it returns then is told as late: its cost), and
    begun again if the claim turns out to be `expired`; a command that was sent again, or may have been `heard_before`, waits for its claim, so that no
    request is begun in vain.
    `claim.call_id` is the name by which `claims` knows the call. A call that three workers have
    died with is not run: `condemned` answers it, where there is one, and it is a dead letter.
    `leaving` is told when the answer is about to leave.

    Raises:
        Transient: the database or the broker was not reached; hear it again.
        KilledItsWorkers: see there.
        Whatever `run` raises: heard again, the claim is `expired`.
    """
    answering = _Answering(
        delivery, command, claims, postman, run, condemned, leaving, heard_before
    )
    await (answering.beside() if beside else answering.before())


class KilledItsWorkers(Permanent):
    """Three workers died while they held it."""

    reason = "killed"


@dataclass
class _Answering:
    delivery: Delivery
    command: Command
    claims: Claims
    postman: Postman
    run: Run
    condemned: Condemned | None = None
    leaving: Callable[[], None] | None = None
    heard_before: bool = False

    @property
    def key(self) -> str:
        return ledger_key(self.command.run_no, self.command.call_id)

    async def before(self) -> None:
        """Claim, then work: nothing acts before the claim stands."""
        claim = await self._claim()
        if not await self._ours(claim):
            return
        self.delivery.settle()
        reply, told = await self._worked(asyncio.create_task(self._run(claim)))
        await self._tell(reply, told, stored=await self._store(told))
        if claim.deaths >= DEATHS:
            raise KilledItsWorkers(self.key)

    @property
    def after(self) -> int:
        """The epoch up to which a person has said that nothing has acted."""
        command = self.command
        return (command.after_epoch or 0) if isinstance(command, RunTool) else 0

    async def _claim(self) -> Claim:
        return await self.claims.claim(
            self.key, run_no=self.command.run_no, after_epoch=self.after
        )  # fmt: skip

    async def _run(self, claim: Claim) -> Outcome:
        """What two workers have died with runs alone; three, and it runs no more."""
        if claim.deaths >= DEATHS:
            if self.condemned is None:
                self.claims.forget(self.key)
                raise KilledItsWorkers(self.key)
            return self.condemned(claim)
        if claim.deaths == DEATHS - 1:
            return await self.claims.alone(self.key, lambda: self.run(claim))
        return await self.run(claim)

    async def beside(self) -> None:
        """Work while the claim is on its way."""
        if self.claims.holds(self.key):
            if (outcome := self.claims.outcome(self.key)) is not None:
                await self._again(outcome)
            self.delivery.settle()
            return
        claiming = asyncio.create_task(self._claim())
        work: asyncio.Future[Outcome] | None = None
        again = self.heard_before or self.delivery.record.header(AGAIN) is not None
        try:
            await asyncio.sleep(0)  # `stands` knows of the claim, which leaves before the request
            if not claiming.done() and not again:  # else somebody may be at it
                work = asyncio.create_task(self._run(Claim(self.key, "claimed", self.after + 1)))
            claim = await claiming
            if work is not None and claim.state != "claimed":
                await self._begun_in_vain(work)
                work = None
            if not await self._ours(claim):
                return
        except BaseException:
            claiming.cancel()
            if work is not None:
                await _abort(work)
            raise
        self.delivery.settle()
        await self._finish(work or asyncio.create_task(self._run(claim)))
        if claim.deaths >= DEATHS:
            raise KilledItsWorkers(self.key)

    async def _begun_in_vain(self, work: "asyncio.Future[Outcome]") -> None:
        """The call is another's, or was begun before. What `run` makes of being cancelled, if
        anything, is told where it has cost something; what was read in vain says nothing new."""
        await _abort(work)
        if work.cancelled() or work.exception() is not None:
            return
        if isinstance(outcome := work.result(), ModelReplied | ModelFailed):
            said = answer(self.command, outcome).model_copy(update={"late": True})
            await self.postman.reply(said, causation=self.delivery.record)

    async def _finish(self, work: "asyncio.Future[Outcome]") -> None:
        self.claims.on_lost(self.key, lambda: _cancel(work))
        try:
            reply, told = await self._worked(work)
        except asyncio.CancelledError:
            if _being_cancelled():
                raise
            self.claims.forget(self.key)
            return
        if len(told) > LARGE_BYTES or not self.claims.surely_ours(self.key):
            await self._tell(reply, told, stored=await self._store(told))
            return
        # Nobody else can have it: it is told at once, and stored when the log may have it already.
        self.claims.settle_soon(self.key, outcome=told)
        await self.postman.reply(reply, causation=self.delivery.record, told=told)

    async def _store(self, told: bytes) -> bool:
        return await self.claims.settle(
            self.key, epoch=self.claims.epoch(self.key), outcome=told
        )  # fmt: skip

    async def _tell(self, reply: CallAnswered, told: bytes, *, stored: bool) -> None:
        """What stands; or that it came too late: what lies in the ledger is another's, or will
        be (6.5), and what this one cost is recorded all the same."""
        if stored:
            said = self._short(reply, told)
        else:
            log.warning("an outcome came late", call=self.key)
            said = reply.model_copy(update={"late": True})
        await self.postman.reply(said, causation=self.delivery.record)

    async def _ours(self, claim: Claim) -> bool:
        """Whether it is ours to run. What was answered is answered again."""
        match claim.state:
            case "claimed" | "expired":
                if crashpoints.armed:
                    crashpoints.reach("calls.claimed")
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

    async def _worked(self, work: "asyncio.Future[Outcome]") -> tuple[CallAnswered, bytes]:
        """The answer, and as it is written: an outcome that cannot be is none."""
        try:
            reply = answer(self.command, await work)
            told = body(reply)
        except BaseException:  # it has ended: who is cancelled while it waits for it, cancels it
            self.claims.broke_off(self.key)
            raise
        if crashpoints.armed:
            crashpoints.reach("calls.worked")
        if self.leaving is not None:
            self.leaving()
        return reply, told


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
