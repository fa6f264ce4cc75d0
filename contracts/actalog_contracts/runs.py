"""The events of a run: what the log holds. Payloads have no tenant, user or run id: the row has.

An old example of an event is never edited; a new shape is a new version.
"""

from typing import Annotated, Literal

from pydantic import Field

from actalog_contracts.base import (
    CallId,
    Count,
    Digest,
    Error,
    Message,
    Span,
    TextRef,
    ToolCall,
    Usage,
    Value,
)  # fmt: skip


class Event(Message):
    """A fact about a run."""


class HistoryRun(Value):
    """An earlier run of the session, by reference, up to that event."""

    run_no: Count
    run_id: str
    seq: Count


class RunAccepted(Event):
    """seq 1. `input` is None when the text is held until it was checked."""

    type: Literal["run.accepted.v1"] = "run.accepted.v1"
    kind: Literal["agent", "memory"]
    target: str
    definition: Digest
    input: str | None = None
    input_is_json: bool = False
    held_input: TextRef | None = None
    media: str = "[]"  # JSON as received, like the next three
    session_state: str = "{}"
    dependencies: str = "{}"
    metadata: str = "{}"
    output_schema: str | None = None
    body_digest: Digest
    accepted_at: str
    deadline: str
    priority: int = 0
    reply_to: str | None = None
    correlation_id: str | None = None
    echo_headers: tuple[tuple[str, str], ...] = ()  # values as latin-1, so that bytes survive
    about: HistoryRun | None = None  # a memory run: what it remembers


class RunStarted(Event):
    """The session's turn has come."""

    type: Literal["run.started.v1"] = "run.started.v1"


class InputChecked(Event):
    """Carries the text to be used."""

    type: Literal["input.checked.v1"] = "input.checked.v1"
    call_id: CallId
    verdict: Literal["passed", "masked", "blocked"]
    text: str | None = None
    reasons: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    rules: str = ""


class MemoryNote(Value):
    id: str
    text: str
    topics: tuple[str, ...] = ()


class ContextBuilt(Event):
    """What the model will see beside the input, and why it was chosen."""

    type: Literal["context.built.v1"] = "context.built.v1"
    call_id: CallId | None = None
    history: tuple[HistoryRun, ...] = ()
    memories: tuple[MemoryNote, ...] = ()
    summary: str | None = None
    session_state: str | None = None
    state_version: Count = 0
    reasons: tuple[str, ...] = ()


class PromptPart(Value):
    """A part of a prompt: a field of an event used verbatim (`run_no`, `seq`, `field`), or text
    under its digest."""

    role: str
    digest: Digest
    run_no: Count | None = None
    seq: Count | None = None
    field: str | None = None
    text: str | None = None


class PromptRecord(Value):
    """Shows a prompt again. `params` is the JSON sent beside the messages."""

    digest: Digest
    renderer: str
    parts: tuple[PromptPart, ...]
    params: str = "{}"


class Attempt(Value):
    """One request to a provider. `kind` is None when it succeeded."""

    epoch: Count
    kind: str | None = None
    message: str = ""
    retry_after_ms: Count | None = None
    duration_ms: Count = 0


class ModelNeeded(Event):
    """A service needs a model: a recipe and a continuation that comes back verbatim (law 11)."""

    type: Literal["model.needed.v1"] = "model.needed.v1"
    call_id: CallId
    purpose: str
    template: str
    refs: tuple[HistoryRun, ...] = ()
    text: str = ""
    continuation: str
    response_schema: str | None = None


class ModelReplied(Event):
    """A whole message of a model. `text` is None when it is held for a review."""

    type: Literal["model.replied.v1"] = "model.replied.v1"
    call_id: CallId
    epoch: Count
    purpose: str = "answer"
    text: str | None = None
    held_text: TextRef | None = None
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    finish: str
    provider: str
    model: str
    request_id: str | None = None
    usage: Usage
    prompt: PromptRecord
    attempts: tuple[Attempt, ...] = ()
    first_token_ms: Count | None = None
    duration_ms: Count = 0
    extra: str = "{}"  # what the provider wants back unchanged (signatures), JSON text


class ModelFailed(Event):
    type: Literal["model.failed.v1"] = "model.failed.v1"
    call_id: CallId
    epoch: Count
    purpose: str = "answer"
    kind: Literal[
        "auth", "rate_limited", "overloaded", "timeout", "connection", "invalid_request",
        "context_overflow", "refused", "truncated", "malformed", "unknown",
    ]  # fmt: skip
    message: str
    attempts: tuple[Attempt, ...] = ()
    prompt: PromptRecord | None = None
    usage: Usage = Usage()


class ToolCalled(Event):
    """The intent: written before the tool is asked to run."""

    type: Literal["tool.called.v1"] = "tool.called.v1"
    call_id: CallId
    name: str
    arguments: str
    arguments_digest: Digest
    path: str | None = None
    effect: str
    requires_confirmation: bool = False


class StateOp(Value):
    """One operation on the session's state; `value` is JSON text."""

    op: Literal["set", "delete", "increment", "append"]
    key: str
    value: str | None = None


class ToolReturned(Event):
    type: Literal["tool.returned.v1"] = "tool.returned.v1"
    call_id: CallId
    epoch: Count = 1
    content: str
    state_ops: tuple[StateOp, ...] = ()
    truncated: bool = False
    fingerprint: str = ""
    duration_ms: Count = 0


class ToolFailed(Event):
    """The model gets `message` as the tool's answer. `kind` arguments, unknown_tool: never ran."""

    type: Literal["tool.failed.v1"] = "tool.failed.v1"
    call_id: CallId
    epoch: Count = 1
    kind: Literal[
        "arguments", "unknown_tool", "raised", "timeout", "rejected", "limit", "cancelled",
        "internal",
    ]  # fmt: skip
    message: str
    fingerprint: str = ""
    duration_ms: Count = 0


class ToolInDoubt(Event):
    """The tool may or may not have acted: never run again by itself (law 8)."""

    type: Literal["tool.in_doubt.v1"] = "tool.in_doubt.v1"
    call_id: CallId
    epoch: Count
    message: str


class CallSettled(Event):
    """A late outcome, refused and recorded with its cost: may follow a run's end."""

    type: Literal["call.settled.v1"] = "call.settled.v1"
    call_id: CallId
    epoch: Count
    outcome: str
    usage: Usage = Usage()
    duration_ms: Count | None = None  # of a tool
    message: str | None = None  # what is known of a tool that failed or is in doubt


class RequirementRaised(Value):
    id: str
    kind: Literal["confirmation", "in_doubt"]
    call_id: CallId


class RunPaused(Event):
    type: Literal["run.paused.v1"] = "run.paused.v1"
    requirements: tuple[RequirementRaised, ...]


class RequirementResolved(Event):
    type: Literal["requirement.resolved.v1"] = "requirement.resolved.v1"
    requirement_id: str
    decision: Literal["approve", "reject", "provide", "done", "not_done"]
    arguments: str | None = None
    result: str | None = None  # what the call in doubt is taken to have returned
    note: str | None = None
    by: str | None = None


class OutputReviewed(Event):
    """Carries the text and the tool calls to be used, when the model's message was held."""

    type: Literal["output.reviewed.v1"] = "output.reviewed.v1"
    call_id: CallId | None = None
    verdict: Literal["passed", "masked", "blocked"]
    text: str | None = None
    reasons: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    rules: str = ""


class RunCompleted(Event):
    """`output` is None when it equals the text of the review or reply at `output_seq`."""

    type: Literal["run.completed.v1"] = "run.completed.v1"
    output: str | None = None
    output_seq: Count | None = None
    output_is_json: bool = False
    usage: Usage = Usage()


class RunFailed(Event):
    type: Literal["run.failed.v1"] = "run.failed.v1"
    error: Error
    usage: Usage = Usage()


class RunBlocked(Event):
    """A guardrail ended the run."""

    type: Literal["run.blocked.v1"] = "run.blocked.v1"
    error: Error
    usage: Usage = Usage()


class RunCancelled(Event):
    type: Literal["run.cancelled.v1"] = "run.cancelled.v1"
    reason: str | None = None
    by: str | None = None
    usage: Usage = Usage()


class MemoryOp(Value):
    op: Literal["add", "update", "delete"]
    id: str
    text: str = ""
    topics: tuple[str, ...] = ()


class MemoryUpdated(Event):
    """What changed in the user's memories; empty when there was nothing to keep."""

    type: Literal["memory.updated.v1"] = "memory.updated.v1"
    call_id: CallId
    ops: tuple[MemoryOp, ...] = ()


class SessionSummarised(Event):
    type: Literal["session.summarised.v1"] = "session.summarised.v1"
    call_id: CallId
    summary: str
    topics: tuple[str, ...] = ()


class RememberFailed(Event):
    """Remembering gave up; the answer is not touched by it."""

    type: Literal["remember.failed.v1"] = "remember.failed.v1"
    call_id: CallId
    message: str


RunEvent = (
    RunAccepted | RunStarted | InputChecked | ContextBuilt | ModelNeeded | ModelReplied
    | ModelFailed | ToolCalled | ToolReturned | ToolFailed | ToolInDoubt | CallSettled | RunPaused
    | RequirementResolved | OutputReviewed | RunCompleted | RunFailed | RunBlocked | RunCancelled
    | MemoryUpdated | SessionSummarised | RememberFailed
)  # fmt: skip
AnyRunEvent = Annotated[RunEvent, Field(discriminator="type")]

ENDINGS = ("run.completed.v1", "run.failed.v1", "run.blocked.v1", "run.cancelled.v1")
