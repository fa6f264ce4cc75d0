"""One method per kind of message."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import orjson
from pydantic import TypeAdapter, ValidationError

from actalog_bus.envelope import body, headers, stable_id
from actalog_bus.ports import Bus, Delivery, Record
from actalog_conductor import agent_run
from actalog_conductor.acceptance import Acceptance, Refused
from actalog_conductor.heard import Cancel, Resolve, TimeIs, TurnCame
from actalog_conductor.hearing import Hearing
from actalog_contracts import topics
from actalog_contracts.border import BadInput, Decoded, decode
from actalog_contracts.calls import AnyReply, CallAnswered, TimePassed, TurnFree
from actalog_contracts.tasks import (
    MessageRefused,
    RefusalError,
    RequirementResolve,
    RunCancel,
    TaskSubmit,
)  # fmt: skip
from actalog_core.errors import Permanent, Undecodable
from actalog_log.ports import RunLog, Tombstone


class MessageWasRefused(Permanent):
    """The message was refused, and its sender was told."""


@cache
def _replies() -> TypeAdapter[CallAnswered | TurnFree | TimePassed]:
    return TypeAdapter(AnyReply)


@dataclass
class ConductorHandlers:
    """Hears tasks, controls and replies."""

    bus: Bus
    log: RunLog
    hearing: Hearing
    acceptance: Acceptance
    prefix: str

    async def hear(self, delivery: Delivery) -> None:
        """Tasks and replies come from one consumer, so that a home hears both."""
        record = delivery.record
        if record.topic == topics.full_name(topics.TASKS, self.prefix):
            await self.hear_outside(record)
        else:
            await self.hear_reply(record)

    async def hear_reply(self, record: Record) -> None:
        """An answer of a service, a turn that is free, or time."""
        try:
            reply = _replies().validate_json(record.value or b"")
        except ValidationError as error:
            raise Undecodable(str(error)) from error
        causation = (record.header("ce_id") or b"").decode("utf-8", "replace") or None
        match reply:
            case CallAnswered(outcome=outcome):
                await self.hearing.hear(reply.run_no, outcome, causation=causation)
            case TurnFree():
                first = await self.log.first_waiting(reply.tenant_id, reply.session_id)
                if first is not None and first.row.run_no == reply.run_no:
                    await self.hearing.hear(reply.run_no, TurnCame(), causation=causation)
            case TimePassed(now=now):
                await self.hearing.hear(reply.run_no, TimeIs(now), causation=causation)

    async def hear_outside(self, record: Record) -> None:
        """A task or a control. What is refused is told and goes to the dead letters."""
        try:
            decoded = decode(record.value, dict(record.headers))
        except BadInput as error:
            refused = Refused(error.code, error.message, field=error.field)
            refused.run_id = error.readable.get("run_id")
            await self._refuse(record, refused, error.readable)
            raise MessageWasRefused(error.message) from error
        try:
            await self._act(decoded, record)
        except Refused as refused:
            told = decoded.message.model_dump(
                include={"type", "run_id", "tenant_id", "correlation_id"}
            )
            await self._refuse(record, refused, {k: v for k, v in told.items() if v})
            raise MessageWasRefused(refused.message) from refused

    async def _act(self, decoded: Decoded, record: Record) -> None:
        match decoded.message:
            case TaskSubmit() as task:
                await self.acceptance.accept(decoded, task, record)
            case RunCancel() as cancel:
                await self._cancel(cancel)
            case RequirementResolve() as answer:
                await self._resolve(answer)
            case other:
                raise Refused("not_allowed", f"{other.type} is not supported by this version")

    async def _cancel(self, cancel: RunCancel) -> None:
        """A cancel for a run not known leaves a tombstone, then looks again (protocol 2.3)."""
        tenant_id = cancel.tenant_id or "default"
        found = await self.log.find_run(tenant_id, cancel.run_id)
        if found is None:
            await self.log.put_tombstone(
                Tombstone(tenant_id, cancel.run_id, cancel.reason, cancel.by)
            )
            found = await self.log.find_run(tenant_id, cancel.run_id)
        if found is not None:
            await self.hearing.hear(found.row.run_no, Cancel(cancel.reason, cancel.by))

    async def _resolve(self, answer: RequirementResolve) -> None:
        found = await self.log.find_run(answer.tenant_id or "default", answer.run_id)
        if found is None:
            raise Refused("unknown_run", "there is no such run", field="run_id")
        heard = Resolve(
            answer.requirement_id, answer.decision, digest=answer.digest, note=answer.note,
            by=answer.by,
            arguments=None if answer.arguments is None else orjson.dumps(answer.arguments).decode(),
        )  # fmt: skip
        live = await self.hearing.load(found.row.run_no)
        match agent_run.refusal(live.state, heard):
            case None:
                await self.hearing.hear(found.row.run_no, heard)
            case "digest_mismatch":
                said = "the arguments are not those that the person saw"
                raise Refused("digest_mismatch", said, field="digest", run_id=answer.run_id)
            case _:
                raise Refused(
                    "already_resolved", "no such requirement is open", field="requirement_id",
                    run_id=answer.run_id, winner=f"{answer.run_id}:{live.head.seq}",
                )  # fmt: skip

    async def _refuse(self, record: Record, refused: Refused, readable: Mapping[str, str]) -> None:
        """Tell the sender. A repeat of the same record has the same id."""
        said = MessageRefused(
            id=stable_id("refused", record.topic, record.partition, record.offset,
                         record.timestamp_ms),
            refused_type=readable.get("type"),
            message_id=(record.header("ce_id") or b"").decode("utf-8", "replace") or None,
            run_id=refused.run_id or readable.get("run_id"),
            correlation_id=readable.get("correlation_id"), winner=refused.winner,
            error=RefusalError(code=refused.code, message=refused.message, field=refused.field),
        )  # fmt: skip
        await self.bus.publish(
            topics.full_name(topics.RESULTS, self.prefix), value=body(said), key=record.key,
            headers=headers(
                type=said.type, id=said.id, tenant_id=readable.get("tenant_id", "default"),
                run_id=said.run_id,
            ),
        )  # fmt: skip


def lane(record: Record) -> str:
    """A run hears one message at a time: by its id where it can be read, else by its key."""
    try:
        told = orjson.loads(record.value or b"")
        name = told.get("run_id") if isinstance(told, dict) else None  # pyright: ignore
    except orjson.JSONDecodeError:
        name = None
    if isinstance(name, str):
        return name
    return f"{record.topic}/{record.partition}/{record.offset}"
