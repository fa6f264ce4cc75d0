"""What a run tells the world after each commit: its events, and its result when it ends or pauses."""

from collections.abc import Sequence
from typing import Any

import orjson

from actalog_bus.envelope import body, headers
from actalog_bus.ports import Bus
from actalog_conductor.agent_states import Finished, Paused, State
from actalog_contracts import topics
from actalog_contracts.runs import (
    ModelReplied,
    OutputReviewed,
    RunCompleted,
    RunEvent,
    ToolCalled,
)  # fmt: skip
from actalog_contracts.tasks import PublishedEvent, Requirement, RequirementCall, RunResult
from actalog_core import homes
from actalog_core.clock import rfc3339
from actalog_core.events import decode
from actalog_log.ports import RunRow, StoredEvent


class Publisher:
    """Publishes at least once, in order per run; repeats carry the same ids (protocol 7)."""

    def __init__(self, bus: Bus, *, prefix: str) -> None:
        self.bus, self.prefix = bus, prefix

    async def events(self, row: RunRow, stored: Sequence[StoredEvent]) -> None:
        """The audit feed. One after the other: a failure leaves no gap behind it."""
        topic = topics.full_name(topics.EVENTS, self.prefix)
        for event in stored:
            said = PublishedEvent(
                id=f"{row.run_id}:{event.seq}", run_id=row.run_id, seq=event.seq,
                session_id=row.session_id, tenant_id=row.tenant_id, user_id=row.user_id,
                parent_run_id=row.parent_run_id, type=event.type,
                recorded_at=rfc3339(event.recorded_at), causation_id=event.causation_id,
                previous_hash=event.previous_hash.hex(), hash=event.hash.hex(),
                payload=orjson.loads(event.payload),
            )  # fmt: skip
            await self._send(topic, row, said, type=event.type, id=said.id)

    async def result(self, row: RunRow, state: State, stored: Sequence[StoredEvent]) -> None:
        """The result of a run that a task started. `stored` is its log."""
        if row.turn is None or not isinstance(state, (Finished, Paused)):
            return
        said = result_of(row, state, stored)
        topic = topics.full_name(topics.RESULTS, self.prefix)
        await self._send(topic, row, said, type=said.type, id=said.id)

    async def _send(
        self, topic: str, row: RunRow, message: RunResult | PublishedEvent, *, type: str, id: str
    ) -> None:
        partition = homes.home(row.session_id, self.bus.partitions(topic))
        await self.bus.publish(
            topic, value=body(message), key=row.session_id.encode(), partition=partition,
            headers=headers(type=type, id=id, tenant_id=row.tenant_id, run_id=row.run_id),
        )  # fmt: skip


def result_of(row: RunRow, state: Finished | Paused, stored: Sequence[StoredEvent]) -> RunResult:
    """The result as the log tells it: settled calls that came after the end change nothing."""
    events = [(event, decode(event.type, event.payload)) for event in stored]
    last = _ending(events)
    facts, accepted = state.facts, state.facts.accepted
    paused = isinstance(state, Paused)
    return RunResult(
        id=f"{row.run_id}:{last.seq}", seq=last.seq, run_id=row.run_id,
        session_id=row.session_id, user_id=row.user_id, tenant_id=row.tenant_id,
        target=row.target, correlation_id=accepted.correlation_id,
        metadata=orjson.loads(accepted.metadata),
        status="paused" if paused else _status(state.status),
        output=None if paused else _output(events), error=None if paused else state.error,
        requirements=_requirements(row, state) if paused else (),
        usage=facts.usage, events=last.seq, accepted_at=accepted.accepted_at,
        finished_at=rfc3339(last.recorded_at),
    )  # fmt: skip


def _status(status: str) -> Any:
    return status


def _ending(events: Sequence[tuple[StoredEvent, RunEvent]]) -> StoredEvent:
    return next(stored for stored, event in reversed(events) if event.type != "call.settled.v1")


def _output(events: Sequence[tuple[StoredEvent, RunEvent]]) -> Any:
    """The answer's text stands once in the log: the end refers to it."""
    by_seq = {stored.seq: event for stored, event in events}
    for event in by_seq.values():
        if isinstance(event, RunCompleted):
            said = by_seq.get(event.output_seq or 0)
            text = said.text if isinstance(said, (ModelReplied, OutputReviewed)) else event.output
            return orjson.loads(text) if event.output_is_json and text else text
    return None


def _requirements(row: RunRow, state: Paused) -> tuple[Requirement, ...]:
    return tuple(_requirement(row, called) for called in state.awaiting.values())


def _requirement(row: RunRow, called: ToolCalled) -> Requirement:
    call = RequirementCall(
        id=called.call_id, name=called.name, arguments=_object(called.arguments),
        digest=called.arguments_digest,
    )  # fmt: skip
    return Requirement(
        id=f"{called.call_id}:confirm", run_id=row.run_id, kind="confirmation", tool_call=call
    )


def _object(arguments: str) -> Any:
    """What the model wrote, as JSON where it is JSON; the digest is that of its text."""
    try:
        return orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError:
        return arguments
