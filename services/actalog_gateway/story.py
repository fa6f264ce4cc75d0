"""What a run has come to, from its events alone. Pure: the same events tell the same story."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, assert_never

from actalog_contracts.base import Error, ToolCall, Usage
from actalog_contracts.runs import (
    CallSettled,
    ContextBuilt,
    InputChecked,
    MemoryUpdated,
    ModelFailed,
    ModelNeeded,
    ModelReplied,
    OutputReviewed,
    RememberFailed,
    RequirementResolved,
    RunAccepted,
    RunBlocked,
    RunCancelled,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunPaused,
    RunStarted,
    SessionSummarised,
    ToolCalled,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)  # fmt: skip
from actalog_contracts.tasks import Requirement, RequirementCall
from actalog_core.clock import rfc3339
from actalog_core.foreign import read_or_text
from actalog_log.ports import StoredEvent

Ending = RunCompleted | RunFailed | RunBlocked | RunCancelled


@dataclass
class ToolStory:
    """A tool call and what came of it."""

    call: ToolCalled
    status: str = "running"  # awaiting, running, returned, failed, rejected, in_doubt
    content: str | None = None
    started_at: str = ""
    duration_ms: int = 0
    confirmed: bool | None = None
    note: str | None = None
    epoch: int = 0  # of its last doubt

    def told(self) -> dict[str, Any]:
        """As JSON; arguments as the object that they are, or the model's text."""
        return {
            "id": self.call.call_id, "name": self.call.name,
            "arguments": loads(self.call.arguments), "status": self.status,
            "content": self.content, "effect": self.call.effect, "duration_ms": self.duration_ms,
        }  # fmt: skip


@dataclass
class Story:
    """`status`: accepted, running, paused, or how the run ended."""

    run_id: str
    status: str = "accepted"
    seq: int = 0
    accepted: RunAccepted | None = None
    input: str | None = None
    output: Any = None
    truncated: bool = False
    error: Error | None = None
    reason: str | None = None
    usage: Usage = field(default_factory=Usage)
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    tools: dict[str, ToolStory] = field(default_factory=dict[str, ToolStory])
    replies: list[ModelReplied] = field(default_factory=list[ModelReplied])
    context: ContextBuilt | None = None
    memories: list[MemoryUpdated] = field(default_factory=list[MemoryUpdated])
    summary: SessionSummarised | None = None
    started_at: str | None = None
    finished_at: str | None = None
    texts: dict[int, str] = field(default_factory=dict[int, str])
    ended_seq: int = 0
    settled: dict[str, int] = field(default_factory=dict[str, int])  # requirement: by which event

    @property
    def ended(self) -> bool:
        return self.status not in ("accepted", "running", "paused")

    @property
    def structured(self) -> bool:
        """The output is an object, as a schema asked for."""
        return isinstance(self.output, dict)

    @property
    def reasoning(self) -> str:
        """What the model thought, as far as its provider tells it."""
        return "".join(one.get("reasoning", "") for one in self.messages)

    @property
    def said(self) -> str:
        """All that the model said to the person, one message behind the other."""
        return "".join(self.texts.values())

    def requirements(self) -> list[Requirement]:
        """What waits for a person."""
        until = self.accepted.deadline if self.accepted else None
        return [_requirement(self.run_id, one, until) for one in self._asked_of_people()]

    def _asked_of_people(self) -> list[ToolStory]:
        told = () if self.ended else self.tools.values()
        return [one for one in told if one.status in ("awaiting", "in_doubt")]

    def winner(self, requirement_id: str) -> str | None:
        """The id of the event that settled a requirement."""
        seq = self.settled.get(requirement_id)
        return f"{self.run_id}:{seq}" if seq else None

    @property
    def expired(self) -> bool:
        """Its deadline has passed."""
        return self.error is not None and self.error.code == "deadline_exceeded"

    def raised(self, requirement_id: str) -> bool:
        """Whether it was ever asked."""
        call_id, _, what = requirement_id.rpartition(":")
        tool = self.tools.get(call_id)
        if tool is None:
            return False
        doubted = what.removeprefix("doubt")
        if what != "confirm":
            return doubted.isdecimal() and 0 < int(doubted) <= tool.epoch
        return tool.call.requires_confirmation

    def add(self, seq: int, at: str, event: RunEvent) -> None:
        """The story goes on. `at` is RFC 3339: when the event was recorded."""
        self.seq = seq
        asked = {_requirement_id(one) for one in self._asked_of_people()}
        self._add(seq, at, event)
        for name in asked - {_requirement_id(one) for one in self._asked_of_people()}:
            self.settled[name] = seq

    def _add(self, seq: int, at: str, event: RunEvent) -> None:
        match event:
            case RunAccepted():
                self.accepted = event
                self._asked(event.input)
            case RunStarted():
                self.status, self.started_at = "running", at
            case InputChecked(verdict=verdict, text=text):
                self._asked(None if verdict == "blocked" else text or self.input)
            case ContextBuilt():
                self.context = event
            case ModelReplied() | OutputReviewed():
                self._said(event)
            case ModelFailed(usage=usage):
                self.usage = self.usage.plus(usage)
            case ToolCalled() | ToolReturned() | ToolFailed() | ToolInDoubt():
                self._acted(event, at)
            case RunPaused():
                self.status = "paused"
            case RequirementResolved():
                self._resolved(event)
            case CallSettled(usage=usage):
                self.usage = self.usage.plus(usage)
            case RunCompleted() | RunFailed() | RunBlocked() | RunCancelled():
                self.finished_at, self.ended_seq = at, seq
                self._end(event)
            case MemoryUpdated():
                self.memories.append(event)
            case SessionSummarised():
                self.summary = event
            case ModelNeeded() | RememberFailed():
                return
            case _:
                assert_never(event)

    def _asked(self, text: str | None) -> None:
        self.input = text
        self.messages = [{"role": "user", "content": text}] if text is not None else []

    def _said(self, event: ModelReplied | OutputReviewed) -> None:
        if isinstance(event, ModelReplied):
            self.usage = self.usage.plus(event.usage)
            if event.purpose == "answer":
                self.replies.append(event)
            if event.held_text is not None:
                return  # what the review lets through is said
        elif event.verdict == "blocked":
            return
        self.texts[self.seq] = event.text or ""
        message: dict[str, Any] = {"role": "assistant", "content": event.text}
        if isinstance(event, ModelReplied) and event.reasoning:
            message["reasoning"] = event.reasoning
        if event.tool_calls:
            message["tool_calls"] = [_asked_for(call) for call in event.tool_calls]
        self.messages.append(message)

    def _acted(self, event: ToolCalled | ToolReturned | ToolFailed | ToolInDoubt, at: str) -> None:
        if isinstance(event, ToolCalled):
            status = "awaiting" if event.requires_confirmation else "running"
            self.tools[event.call_id] = ToolStory(event, status, started_at=at)
            self._named(event)
            return
        tool = self.tools.get(event.call_id)
        if tool is None:
            return
        match event:
            case ToolReturned():
                tool.status, tool.content = "returned", event.content
                tool.duration_ms = event.duration_ms
            case ToolFailed():
                tool.status = "rejected" if event.kind == "rejected" else "failed"
                tool.content, tool.duration_ms = event.message, event.duration_ms
            case ToolInDoubt():
                tool.status, tool.content, tool.epoch = "in_doubt", event.message, event.epoch
                return  # no answer yet: a person will give one
        self.usage = self.usage.plus(Usage(tool_calls=1))
        self.messages.append(
            {"role": "tool", "tool_call_id": event.call_id, "content": tool.content}
        )

    def _named(self, called: ToolCalled) -> None:
        """What the model asked for has the name of the call that was made of it, as its answer
        has: intents stand in the order of the asking."""
        for asked in self.messages[-1].get("tool_calls", ()) if self.messages else ():
            if asked["id"] not in self.tools:
                asked["id"] = called.call_id
                return

    def _resolved(self, event: RequirementResolved) -> None:
        self.status = "running"
        tool = self.tools.get(event.requirement_id.rpartition(":")[0])
        if tool is None:
            return
        tool.note = event.note
        if tool.status == "in_doubt":
            tool.status = "running"  # or its outcome follows
            return
        tool.confirmed = event.decision == "approve"
        if tool.confirmed:
            tool.status = "running"
            if event.arguments is not None:
                tool.call = tool.call.model_copy(update={"arguments": event.arguments})

    def _cut(self) -> bool:
        """Whether the last message ends at a limit of tokens."""
        return bool(self.replies) and self.replies[-1].finish == "length"

    def _end(self, event: Ending) -> None:
        self.status = event.type.removeprefix("run.").removesuffix(".v1")
        self.usage = event.usage
        match event:
            case RunCompleted():
                text = self.texts.get(event.output_seq or 0, event.output)
                self.output = loads(text) if event.output_is_json and text else text
                self.truncated = self._cut() and not event.output_is_json
            case RunFailed(error=error) | RunBlocked(error=error):
                self.error = error
            case RunCancelled(reason=reason):
                self.reason = reason
                said = reason or "the run was cancelled"
                self.error = Error(code="cancelled", message=said, source="conductor")


def tell(run_id: str, events: Iterable[tuple[StoredEvent, RunEvent]]) -> Story:
    """The story that these events tell."""
    story = Story(run_id)
    for stored, event in events:
        story.add(stored.seq, rfc3339(stored.recorded_at), event)
    return story


def loads(text: str | None) -> Any:
    """What a model or a person wrote, as JSON where it is JSON."""
    return read_or_text(text or "{}")


def _asked_for(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id or call.provider_id, "name": call.name, "arguments": call.arguments}


def _requirement(run_id: str, tool: ToolStory, until: str | None) -> Requirement:
    called = tool.call
    call = RequirementCall(
        id=called.call_id, name=called.name, arguments=loads(called.arguments),
        digest=called.arguments_digest,
    )  # fmt: skip
    kind = "in_doubt" if tool.status == "in_doubt" else "confirmation"
    id = _requirement_id(tool)
    return Requirement(id=id, run_id=run_id, kind=kind, tool_call=call, expires_at=until)


def _requirement_id(tool: ToolStory) -> str:
    what = f"doubt{tool.epoch}" if tool.status == "in_doubt" else "confirm"
    return f"{tool.call.call_id}:{what}"
