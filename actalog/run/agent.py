"""The output of an agent's run, and the events of its stream, under Agno's names."""

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, TypeAlias

from actalog.metrics import RunMetrics
from actalog.models.message import Message
from actalog.models.response import ToolExecution
from actalog.run.base import RunStatus
from actalog.run.requirement import RunRequirement
from actalog_contracts.base import Error


class RunEvent(StrEnum):
    """The names of events."""

    run_started = "RunStarted"
    run_content = "RunContent"
    run_content_completed = "RunContentCompleted"
    run_completed = "RunCompleted"
    run_error = "RunError"
    run_cancelled = "RunCancelled"
    run_paused = "RunPaused"
    run_continued = "RunContinued"
    tool_call_started = "ToolCallStarted"
    tool_call_completed = "ToolCallCompleted"
    tool_call_error = "ToolCallError"


@dataclass(kw_only=True, slots=True)
class _Event:
    """`created_at` is in seconds since the epoch."""

    name: ClassVar[RunEvent]
    agent_id: str = ""
    agent_name: str = ""
    run_id: str = ""
    session_id: str = ""
    created_at: int = 0

    @property
    def event(self) -> str:
        return self.name.value

    def to_dict(self) -> dict[str, Any]:
        return {"event": self.event, **asdict(self)}


@dataclass(kw_only=True, slots=True)
class RunStartedEvent(_Event):
    name = RunEvent.run_started
    model: str = ""
    model_provider: str = ""


@dataclass(kw_only=True, slots=True)
class RunContentEvent(_Event):
    """More text of the answer, or of the model's reasoning."""

    name = RunEvent.run_content
    content: str | None = None
    reasoning_content: str | None = None
    content_type: str = "str"


@dataclass(kw_only=True, slots=True)
class RunContentCompletedEvent(_Event):
    name = RunEvent.run_content_completed


@dataclass(kw_only=True, slots=True)
class RunCompletedEvent(_Event):
    """The whole answer: what counts, whatever was streamed before."""

    name = RunEvent.run_completed
    content: Any = None
    content_type: str = "str"
    metrics: RunMetrics = field(default_factory=RunMetrics)


@dataclass(kw_only=True, slots=True)
class RunErrorEvent(_Event):
    """`error_type` is the code of the result: model_failed, input_blocked, turn_limit, ..."""

    name = RunEvent.run_error
    content: str = ""
    error_type: str = ""


@dataclass(kw_only=True, slots=True)
class RunCancelledEvent(_Event):
    name = RunEvent.run_cancelled
    reason: str | None = None


@dataclass(kw_only=True, slots=True)
class RunPausedEvent(_Event):
    name = RunEvent.run_paused
    tools: list[ToolExecution] = field(default_factory=list[ToolExecution])
    requirements: list[RunRequirement] = field(default_factory=list[RunRequirement])


@dataclass(kw_only=True, slots=True)
class RunContinuedEvent(_Event):
    name = RunEvent.run_continued


@dataclass(kw_only=True, slots=True)
class ToolCallStartedEvent(_Event):
    name = RunEvent.tool_call_started
    tool: ToolExecution


@dataclass(kw_only=True, slots=True)
class ToolCallCompletedEvent(_Event):
    name = RunEvent.tool_call_completed
    tool: ToolExecution
    content: str | None = None


@dataclass(kw_only=True, slots=True)
class ToolCallErrorEvent(_Event):
    name = RunEvent.tool_call_error
    tool: ToolExecution
    error: str | None = None


RunOutputEvent: TypeAlias = (
    RunStartedEvent | RunContentEvent | RunContentCompletedEvent | RunCompletedEvent
    | RunErrorEvent | RunCancelledEvent | RunPausedEvent | RunContinuedEvent
    | ToolCallStartedEvent | ToolCallCompletedEvent | ToolCallErrorEvent
)  # fmt: skip


@dataclass(kw_only=True, slots=True)
class RunOutput:
    """A run, as far as it has come. `content` is the answer, an instance of the output schema
    where that is a pydantic class; after a failure it is what went wrong, and `error` has it.
    `truncated`: the answer is text that ends where its model reached a limit of tokens."""

    run_id: str
    session_id: str
    agent_id: str
    agent_name: str
    user_id: str | None = None
    status: RunStatus = RunStatus.running
    content: Any = None
    content_type: str = "str"
    truncated: bool = False
    reasoning_content: str | None = None
    input: str | None = None
    messages: list[Message] = field(default_factory=list[Message])
    metrics: RunMetrics = field(default_factory=RunMetrics)
    tools: list[ToolExecution] = field(default_factory=list[ToolExecution])
    requirements: list[RunRequirement] = field(default_factory=list[RunRequirement])
    model: str | None = None
    model_provider: str | None = None
    error: Error | None = None
    created_at: int = 0

    @property
    def is_paused(self) -> bool:
        return self.status is RunStatus.paused

    @property
    def is_cancelled(self) -> bool:
        return self.status is RunStatus.cancelled

    @property
    def active_requirements(self) -> list[RunRequirement]:
        """Those that nobody has decided."""
        return [one for one in self.requirements if not one.is_resolved()]

    @property
    def tools_requiring_confirmation(self) -> list[ToolExecution]:
        return [one.tool_execution for one in self.active_requirements]

    def get_content_as_string(self) -> str:
        """The answer as text; a structured one as JSON."""
        if hasattr(self.content, "model_dump_json"):
            return self.content.model_dump_json()
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        import json

        return json.dumps(self.content, ensure_ascii=False)
