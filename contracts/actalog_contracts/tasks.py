"""What other systems send on `actalog.tasks`, and what they hear on `actalog.results`."""

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue

from actalog_contracts.base import (
    Count,
    Error,
    FromOutside,
    Identifier,
    MadeIdentifier,
    Message,
    Usage,
    Value,
)  # fmt: skip

Values = dict[str, JsonValue]
# A default that can change is copied deeply for each message, which takes longer than to read one:
# it is made anew, and the schema shows it all the same.
NO_LIST: dict[str, JsonValue] = {"default": []}
NO_VALUES: dict[str, JsonValue] = {"default": {}}


class Media(FromOutside):
    """What goes with the input: by address, as base64, or by the id of a blob; one of these."""

    type: Literal["image", "audio", "video", "file"]
    mime_type: str | None = None
    filename: str | None = None
    url: str | None = None
    data: str | None = None
    blob: str | None = None


class TaskSubmit(FromOutside):
    """A task. Only `target` and `input` are needed; `deadline` is RFC 3339 UTC."""

    type: Literal["task.submit.v1"] = "task.submit.v1"
    run_id: Identifier | None = None
    session_id: Identifier | None = None
    user_id: Identifier | None = None
    tenant_id: Identifier | None = None
    target: Identifier
    input: str | dict[str, JsonValue]
    media: list[Media] = Field(default_factory=list[Media], json_schema_extra=NO_LIST)
    session_state: Values = Field(default_factory=Values, json_schema_extra=NO_VALUES)
    dependencies: Values = Field(default_factory=Values, json_schema_extra=NO_VALUES)
    metadata: Values = Field(default_factory=Values, json_schema_extra=NO_VALUES)
    output_schema: dict[str, JsonValue] | None = None
    deadline: str | None = None
    priority: int = 0
    reply_to: Identifier | None = None
    correlation_id: Identifier | None = None


class RunCancel(FromOutside):
    type: Literal["run.cancel.v1"] = "run.cancel.v1"
    run_id: MadeIdentifier
    tenant_id: Identifier | None = None
    reason: str | None = None
    by: str | None = None


class RequirementResolve(FromOutside):
    """A person's answer. `digest` is that of the arguments the person saw."""

    type: Literal["requirement.resolve.v1"] = "requirement.resolve.v1"
    run_id: MadeIdentifier
    tenant_id: Identifier | None = None
    requirement_id: MadeIdentifier
    decision: Literal["approve", "reject", "provide", "done", "not_done"]
    digest: str | None = None
    arguments: dict[str, JsonValue] | None = None
    values: dict[str, JsonValue] = {}
    result: JsonValue = None
    note: str | None = None
    by: str | None = None


class RunContinue(FromOutside):
    type: Literal["run.continue.v1"] = "run.continue.v1"
    run_id: MadeIdentifier
    tenant_id: Identifier | None = None
    input: str | None = None


class RunFork(FromOutside):
    type: Literal["run.fork.v1"] = "run.fork.v1"
    run_id: MadeIdentifier
    tenant_id: Identifier | None = None
    seq: int
    overrides: dict[str, JsonValue] = {}


class KnowledgeIngest(FromOutside):
    type: Literal["knowledge.ingest.v1"] = "knowledge.ingest.v1"
    tenant_id: Identifier | None = None
    knowledge: Identifier
    document: dict[str, JsonValue]


class WorkflowSignal(FromOutside):
    type: Literal["workflow.signal.v1"] = "workflow.signal.v1"
    run_id: MadeIdentifier
    tenant_id: Identifier | None = None
    name: Identifier
    payload: dict[str, JsonValue] = {}


Inbound = Annotated[
    TaskSubmit
    | RunCancel
    | RequirementResolve
    | RunContinue
    | RunFork
    | KnowledgeIngest
    | WorkflowSignal,
    Field(discriminator="type"),
]

RefusalCode = Literal[
    "bad_input", "conflict", "unknown_target", "unknown_run", "not_allowed", "expired",
    "already_resolved", "digest_mismatch", "too_large", "overloaded", "internal",
]  # fmt: skip


class RefusalError(Value):
    code: RefusalCode
    message: str
    field: str | None = None
    retryable: bool = False


class MessageRefused(Message):
    """About a message; ends no run. `winner` is the id of the event that stands."""

    type: Literal["message.refused.v1"] = "message.refused.v1"
    id: str
    refused_type: str | None = None
    message_id: str | None = None
    run_id: str | None = None
    correlation_id: str | None = None
    error: RefusalError
    winner: str | None = None


class RequirementCall(Value):
    id: str
    name: str
    arguments: Any  # an object, or the model's text where it is none
    digest: str


class Requirement(Value):
    id: str
    run_id: str
    kind: Literal[
        "confirmation", "user_input", "question", "external_execution", "output_review",
        "iteration_review", "route_selection", "in_doubt",
    ]  # fmt: skip
    tool_call: RequirementCall | None = None
    fields: tuple[dict[str, Any], ...] = ()
    expires_at: str | None = None


class OutputRef(Value):
    digest: str
    bytes: Count
    url: str


class RunResult(Message):
    """One for every run that a task started, when it ends and at every pause. `truncated`: the
    output is text that ends where its model reached a limit of tokens."""

    type: Literal["run.result.v1"] = "run.result.v1"
    id: str
    seq: Count
    run_id: str
    session_id: str
    user_id: str | None = None
    tenant_id: str
    target: str
    correlation_id: str | None = None
    metadata: dict[str, Any] = {}
    status: Literal["completed", "paused", "cancelled", "blocked", "failed"]
    output: Any = None
    truncated: bool | None = None
    output_ref: OutputRef | None = None
    error: Error | None = None
    requirements: tuple[Requirement, ...] = ()
    usage: Usage
    events: Count
    accepted_at: str
    finished_at: str


class PublishedEvent(Message):
    """An event of the log on `actalog.events` and in `/v1/runs/{run_id}/log`."""

    id: str
    run_id: str
    seq: Count
    position: Count | None = None
    session_id: str
    tenant_id: str
    user_id: str | None = None
    parent_run_id: str | None = None
    run_no: Count | None = None  # with the next two: what the log's rows are made of again
    turn: Count | None = None
    rules_version: Count | None = None
    type: str
    recorded_at: str
    causation_id: str | None = None
    previous_hash: str
    hash: str
    payload: dict[str, Any]
    payload_ref: OutputRef | None = None  # instead of a payload above the message limit
