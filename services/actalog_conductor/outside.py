"""What other systems and the gateway say: tasks, cancels, answers of people."""

import contextlib
from dataclasses import dataclass, replace

from actalog_bus.burial import burial
from actalog_bus.envelope import stable_id
from actalog_bus.ports import Fault, Record
from actalog_conductor.acceptance import Acceptance
from actalog_conductor.agent_states import Finished
from actalog_conductor.heard import Cancel
from actalog_conductor.hearing import Hearing
from actalog_conductor.live import Live
from actalog_conductor.refusals import Refusals
from actalog_conductor.refused import MessageWasRefused, Refused
from actalog_conductor.resolving import Resolving
from actalog_conductor.supervisor import INBOX_TRIES
from actalog_conductor.telling import Leave
from actalog_contracts import topics
from actalog_contracts.base import MAX_ID
from actalog_contracts.border import BadInput, Decoded, decode
from actalog_contracts.tasks import RequirementResolve, RunCancel, TaskSubmit
from actalog_core import metrics
from actalog_core.canonical import clean_text
from actalog_log.beside_ports import InboxRow, Tombstone
from actalog_log.ports import RunLog

NO_PARTITION = -1  # of a row that is heard as a record
INBOX = "actalog-inbox-id"  # names the row that waits for this message (protocol 2.1)


@dataclass
class Outside:
    """Hears `actalog.tasks`."""

    log: RunLog
    hearing: Hearing
    acceptance: Acceptance
    refusals: Refusals

    def __post_init__(self) -> None:
        self.resolving = Resolving(self.log, self.hearing)

    async def hear(self, record: Record, leave: Leave | None = None) -> None:
        """A task or a control. What is refused is told and goes to the dead letters. `leave`: see
        `Teller.tell`.

        Raises:
            MessageWasRefused: its sender was told.
        """
        inbox = (record.header(INBOX) or b"").decode("utf-8", "replace") or None
        try:
            decoded = decode(record.value, dict(record.headers))
        except BadInput as error:
            refused = Refused(error.code, error.message, field=error.field)
            await self.refusals.tell(record, refused, error.readable)
            raise MessageWasRefused(error.message) from error
        try:
            await self._act(decoded, record, inbox, leave)
        except Refused as refused:
            await self._told(decoded, record, refused)
            await self._done(decoded, record, inbox)
            raise MessageWasRefused(refused.message) from refused
        if not isinstance(decoded.message, TaskSubmit):  # a task's goes with its decision
            await self._done(decoded, record, inbox)

    async def hear_row(self, row: InboxRow) -> None:
        """An inbox row that nobody picked up, as if its record had been heard. It goes when what
        follows was told, and not with the decision: who dies in between is not delivered again."""
        with contextlib.suppress(MessageWasRefused):
            await self.hear(_record(row, "inbox"))
        await self.log.drop_inbox(row.tenant_id, row.inbox_id)

    async def bury_row(self, row: InboxRow) -> None:
        """An inbox row that cannot be decided: to the dead letters of `actalog.tasks`, and whoever
        sent it hears about it. One that was decided is told by whoever looks at its run."""
        if await self.log.find_run(row.tenant_id, row.inbox_id) is not None:
            await self.log.drop_inbox(row.tenant_id, row.inbox_id)
            return
        fault = Fault("unexpected", f"{INBOX_TRIES} hearings of it came to no end", INBOX_TRIES)
        record = _record(row, topics.full_name(topics.TASKS, self.refusals.prefix))
        await self.refusals.bus.publish_many(burial(record, fault))
        await self.refusals.buried(record, fault)
        metrics.DEAD_LETTERS.labels(record.topic, fault.reason).inc()
        await self.log.drop_inbox(row.tenant_id, row.inbox_id)

    async def _act(
        self, decoded: Decoded, record: Record, inbox: str | None, leave: Leave | None
    ) -> None:
        match decoded.message:
            case TaskSubmit() as task:
                # The header comes from outside: only a row of this very run is done with it.
                mine = inbox if inbox == task.run_id and record.partition != NO_PARTITION else None
                live = await self.acceptance.accept(decoded, task, record, inbox=mine, leave=leave)
                if task.run_id is not None and _ended_otherwise(live):
                    await self._cancelled_too_late(live, record)
            case RunCancel() as cancel:
                await self._cancel(cancel)
            case RequirementResolve() as answer:
                sender = (record.header("ce_source") or b"").decode("utf-8", "replace")
                by = answer.by or clean_text(sender) or None
                await self.resolving.resolve(answer, cause=_cause(record, inbox), by=by)
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
        if found is None:
            return
        live = await self.hearing.hear(found.row.run_no, Cancel(cancel.reason, cancel.by))
        if status := _ended_otherwise(live):
            raise _stands(live, status)

    async def _cancelled_too_late(self, live: Live, record: Record) -> None:
        """A cancel that overtook its task was not seen until now: who accepted the task died before
        it had looked. Whoever cancelled hears what stands."""
        row = live.row
        if await self.log.get_tombstone(row.tenant_id, row.run_id) is None:
            return
        about = {"type": RunCancel.model_fields["type"].default, "tenant_id": row.tenant_id}
        refused = _stands(live, _ended_otherwise(live) or "")
        await self.refusals.tell(replace(record, headers=()), refused, about)

    async def _told(self, decoded: Decoded, record: Record, refused: Refused) -> None:
        fields = {"type", "run_id", "tenant_id", "correlation_id", "reply_to"}
        told = decoded.message.model_dump(include=fields, exclude_none=True)
        if decoded.ce_id and len(decoded.ce_id) <= MAX_ID:
            told["message_id"] = decoded.ce_id
        if decoded.correlation_id:
            told.setdefault("correlation_id", decoded.correlation_id)
        await self.refusals.tell(record, refused, told)

    async def _done(self, decoded: Decoded, record: Record, inbox: str | None) -> None:
        """The row goes when this message is the one that waits in it, whatever became of it."""
        if inbox is None:
            return
        tenant_id = getattr(decoded.message, "tenant_id", None) or "default"
        row = await self.log.get_inbox(tenant_id, inbox)
        if row is not None and row.body == record.value:
            await self.log.drop_inbox(tenant_id, inbox)


def _ended_otherwise(live: Live) -> str | None:
    """The status of a run that has ended and was not cancelled."""
    state = live.state
    return state.status if isinstance(state, Finished) and state.status != "cancelled" else None


def _stands(live: Live, status: str) -> Refused:
    return Refused(
        "already_resolved", f"the run had ended: {status}", field="run_id",
        run_id=live.row.run_id, winner=f"{live.row.run_id}:{live.told_seq}",
    )  # fmt: skip


def _cause(record: Record, inbox: str | None) -> str:
    """By what a redelivery of a message is recognised."""
    told = inbox or clean_text((record.header("ce_id") or b"").decode("utf-8", "replace"))
    where = (record.topic, record.partition, record.offset, record.timestamp_ms)
    return told or stable_id("message", *where)


def _record(row: InboxRow, topic: str) -> Record:
    """A row as a record that lies on no partition."""
    at = row.received_at
    told = {name: text.encode() for name, text in row.headers.items()}
    return Record(
        topic, NO_PARTITION, 0, int(at.timestamp() * 1_000) if at else 0, row.inbox_id.encode(), row.body,
        (*told.items(), (INBOX, row.inbox_id.encode())),
    )  # fmt: skip
