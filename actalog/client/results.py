"""A run's result from its events: the same as `actalog.results` has."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from actalog.client.events import read as read_event
from actalog.client.transport import Told
from actalog_contracts import runs
from actalog_contracts.base import Error, Usage
from actalog_contracts.tasks import PublishedEvent, Requirement, RequirementCall, RunResult
from actalog_core.errors import Transient
from actalog_core.foreign import read_or_text

SETTLED_S = 0.5  # a run that rests so long after a pause has not been answered
STATUS = {
    "run.completed.v1": "completed", "run.failed.v1": "failed", "run.blocked.v1": "blocked",
    "run.cancelled.v1": "cancelled", "run.paused.v1": "paused",
}  # fmt: skip


@dataclass
class _Read:
    """What was read so far."""

    accepted: runs.RunAccepted | None = None
    texts: dict[int, str] = field(default_factory=dict[int, str])
    cut: bool = False  # the last message ends at a limit of tokens
    called: dict[str, runs.ToolCalled] = field(default_factory=dict[str, runs.ToolCalled])
    usage: Usage = field(default_factory=Usage)


async def result_of(told: AsyncIterator[Told]) -> RunResult:
    """Read until the run ends, or rests at a pause that nobody has resolved.

    Raises:
        Transient: the events ended before.
    """
    read = _Read()
    paused: RunResult | None = None
    try:
        while True:
            async with asyncio.timeout(None if paused is None else SETTLED_S):
                one = await anext(told)
            event = read_event(one) if isinstance(one, PublishedEvent) else None
            if event is None or not isinstance(one, PublishedEvent):
                continue
            paused = None
            if (result := _hear(read, one, event)) is not None:
                if result.status != "paused":
                    return result
                paused = result  # unless what follows tells that it went on long ago
    except (TimeoutError, StopAsyncIteration) as error:
        if paused is not None:
            return paused
        raise Transient("the run's events broke off") from error


def _hear(read: _Read, one: PublishedEvent, event: runs.RunEvent) -> RunResult | None:
    match event:
        case runs.RunAccepted():
            read.accepted = event
        case runs.ModelReplied():
            read.texts[one.seq] = event.text or ""
            read.usage = read.usage.plus(event.usage)
            read.cut = event.purpose == "answer" and event.finish == "length"
        case runs.OutputReviewed():
            read.texts[one.seq] = event.text or ""
        case runs.ToolCalled():
            read.called[event.call_id] = event
        case runs.ToolReturned() | runs.ToolFailed():
            read.usage = read.usage.plus(Usage(tool_calls=1))
        case runs.RunPaused() | runs.RunCompleted() | runs.RunFailed():
            return _result(read, one, event)
        case runs.RunBlocked() | runs.RunCancelled():
            return _result(read, one, event)
        case _:
            pass
    return None


def _result(read: _Read, one: PublishedEvent, event: Any) -> RunResult:
    accepted = read.accepted
    error: Error | None = getattr(event, "error", None)
    return RunResult(
        id=one.id, seq=one.seq, run_id=one.run_id, session_id=one.session_id,
        user_id=one.user_id, tenant_id=one.tenant_id, target=accepted.target if accepted else "",
        correlation_id=accepted.correlation_id if accepted else None,
        metadata=orjson.loads(accepted.metadata) if accepted else {},
        status=STATUS[one.type],  # pyright: ignore[reportArgumentType]
        output=_output(read, event) if isinstance(event, runs.RunCompleted) else None,
        truncated=_truncated(read, event) or None, error=error, requirements=_requirements(read, one, event),
        usage=getattr(event, "usage", read.usage), events=one.seq,
        accepted_at=accepted.accepted_at if accepted else one.recorded_at,
        finished_at=one.recorded_at,
    )  # fmt: skip


def _truncated(read: _Read, event: Any) -> bool:
    return read.cut and isinstance(event, runs.RunCompleted) and not event.output_is_json


def _output(read: _Read, event: runs.RunCompleted) -> Any:
    text = read.texts.get(event.output_seq or 0) if event.output is None else event.output
    return read_or_text(text) if event.output_is_json and text else text


def _requirements(read: _Read, one: PublishedEvent, event: Any) -> tuple[Requirement, ...]:
    if not isinstance(event, runs.RunPaused):
        return ()
    until = read.accepted.deadline if read.accepted else None
    asked = ((each, read.called[each.call_id]) for each in event.requirements)
    return tuple(
        Requirement(
            id=each.id, run_id=one.run_id, kind=each.kind,
            tool_call=RequirementCall(
                id=each.call_id, name=called.name, arguments=read_or_text(called.arguments or "{}"),
                digest=called.arguments_digest,
            ),
            expires_at=until,
        )
        for each, called in asked
    )  # fmt: skip
