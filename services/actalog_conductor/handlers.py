"""One method per kind of message."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import orjson
from pydantic import TypeAdapter, ValidationError

from actalog_bus.ports import Delivery, Record
from actalog_conductor.heard import Buried, Late, TimeIs, TurnCame
from actalog_conductor.hearing import Hearing
from actalog_conductor.outside import Outside
from actalog_conductor.telling import Leave
from actalog_contracts.calls import (
    AnyReply,
    CallAnswered,
    CallBuried,
    CallStored,
    TimePassed,
    TurnFree,
)
from actalog_contracts.runs import (
    ModelFailed,
    ModelReplied,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)
from actalog_core.canonical import clean_text
from actalog_core.clock import Clock, Monotonic, system_clock
from actalog_core.misfits import misfit
from actalog_log.call_ports import ledger_key
from actalog_log.ports import RunLog

COST_OR_ACT = (ModelReplied, ModelFailed, ToolReturned, ToolFailed, ToolInDoubt)
LATE_S = 5.0  # an answer heard so long after it was given means that its topic lags
LATELY_S = 2.0


@cache
def _replies() -> TypeAdapter[CallAnswered | CallStored | TurnFree | TimePassed | CallBuried]:
    return TypeAdapter(AnyReply)


@dataclass
class ConductorHandlers:
    """Hears tasks, controls and replies."""

    log: RunLog
    hearing: Hearing
    outside: Outside
    tasks: str  # the full name of the topic
    near: Callable[[str], bool]  # see `Bus.near`
    clock: Clock = system_clock
    monotonic: Monotonic = time.monotonic
    late_at: float = -60.0

    async def hear(self, delivery: Delivery) -> None:
        """Tasks and replies come from one consumer, so that a home hears both."""
        record = delivery.record
        # An answer that needs no broker may be there before the question is acknowledged.
        leave = delivery.leave if self.near(record.topic) else None
        if record.topic == self.tasks:
            await self.outside.hear(record, leave)
        else:
            await self.hear_reply(record, leave)

    async def hear_reply(self, record: Record, leave: Leave | None = None) -> None:
        """An answer of a service, a turn that is free, or time."""
        if self.clock().timestamp() - record.timestamp_ms / 1_000 > LATE_S:
            self.late_at = self.monotonic()
        try:
            reply = _replies().validate_json(record.value or b"")
        except ValidationError as error:
            raise misfit("a reply", error) from None
        causation = clean_text((record.header("ce_id") or b"").decode("utf-8", "replace")) or None
        match reply:
            case CallAnswered(late=True, outcome=outcome) if isinstance(outcome, COST_OR_ACT):
                await self.hearing.hear(reply.run_no, Late(outcome), causation=causation)
            case CallAnswered(outcome=outcome):
                await self.hearing.hear(reply.run_no, outcome, causation=causation, leave=leave)
            case CallStored():
                await self._hear_stored(reply, causation)
            case TurnFree():
                first = await self.log.first_waiting_no(reply.tenant_id, reply.session_id)
                if first == reply.run_no:
                    await self.hearing.hear(reply.run_no, TurnCame(), causation=causation)
                else:  # it may have taken its turn, and its hearer could not tell what followed
                    await self.hearing.again(reply.run_no)
            case TimePassed(now=now):
                await self.hearing.hear(reply.run_no, TimeIs(now), causation=causation)
            case CallBuried():
                await self._hear_buried(reply, causation)

    async def _hear_stored(self, reply: CallStored, causation: str | None) -> None:
        """Read from the ledger; what is not there any more was heard before."""
        stored = await self.log.outcome(ledger_key(reply.run_no, reply.call_id))
        if stored is None:
            await self.hearing.again(reply.run_no)
        else:
            answered = CallAnswered.model_validate_json(stored)
            await self.hearing.hear(reply.run_no, answered.outcome, causation=causation)

    async def _hear_buried(self, reply: CallBuried, causation: str | None) -> None:
        """Each of its attempts had an epoch: the last one's stands in the ledger."""
        epoch = 0
        if reply.call_id is not None:
            epoch = await self.log.claimed_epoch(ledger_key(reply.run_no, reply.call_id))
        said = f"{reply.message} (dead letter of {reply.source}, {reply.reason})"
        buried = Buried(reply.call_id, clean_text(said), epoch, reply.after_epoch)
        await self.hearing.hear(reply.run_no, buried, causation=causation)

    async def hear_answer(self, stored: bytes) -> None:
        """An answer as the ledger keeps it, which nobody told. It stays there until what follows
        from it was told: nothing brings it back once it is gone."""
        reply = CallAnswered.model_validate_json(stored)
        await self.hearing.hear(reply.run_no, reply.outcome, keeps_answer=True)

    def lagging(self) -> bool:
        """Whether answers were heard late just now: what waits in the topic needs no waking."""
        return self.monotonic() - self.late_at < LATELY_S


def lane(record: Record) -> str:
    """A run hears one message at a time: by its id where it can be read, else by its key.

    What the platform writes has it in a header; what comes from outside may say there what it
    likes, so its body is read.
    """
    subject = record.header("ce_subject")
    if subject and record.header("ce_type") in OURS:
        return subject.decode("utf-8", "replace")
    try:
        told = orjson.loads(record.value or b"")
        name = told.get("run_id") if isinstance(told, dict) else None  # pyright: ignore
    except orjson.JSONDecodeError:
        name = None
    if isinstance(name, str):
        return name
    return f"{record.topic}/{record.partition}/{record.offset}"


OURS = (
    b"call.answered.v1", b"call.stored.v1", b"turn.free.v1", b"time.passed.v1", b"call.buried.v1",
)  # fmt: skip
