"""From the platform's events and deltas to the story of a run that an author reads. Pure.

Events come in order per run and may repeat; deltas come beside them, early, late, or never
(protocol 7.3, 8). Whatever comes, the text of a message is told once and from its start.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

import orjson

from actalog.client.events import read
from actalog.metrics import RunMetrics
from actalog.models.message import Message
from actalog.models.response import ToolExecution
from actalog.run import agent as told
from actalog.run.base import RunStatus
from actalog.run.requirement import RunRequirement
from actalog.run.writing import Writing
from actalog_contracts import runs
from actalog_contracts.base import Error, Usage
from actalog_contracts.streams import Delta
from actalog_contracts.tasks import PublishedEvent, RunResult
from actalog_core.foreign import read_or_text

log = logging.getLogger("actalog")


@dataclass
class Story:
    """One run. `parse` turns the text of a structured answer into what the author asked for."""

    output: told.RunOutput
    parse: Callable[[str], Any] | None = None
    seq: int = 0
    finished: bool = False
    writing: Writing = field(default_factory=Writing)
    texts: dict[int, str] = field(default_factory=dict[int, str])
    tools: dict[str, ToolExecution] = field(default_factory=dict[str, ToolExecution])
    resolving: set[str] = field(default_factory=set[str])
    started_at: datetime | None = None
    now: int = 0  # of the last event, in seconds since the epoch
    first_token_ms: int | None = None
    cut: bool = False  # the last message ends at a limit of tokens

    @property
    def rests(self) -> bool:
        """The run has ended, or waits for a person."""
        return self.finished or self.output.is_paused

    def hear_delta(self, delta: Delta) -> Iterator[told.RunOutputEvent]:
        """More text of a message. Gaps wait for the whole message; late ones are dropped."""
        new = "" if self.finished else self.writing.hear(delta)
        if new and delta.kind == "text":
            yield told.RunContentEvent(**self._about(), content=new)
        elif new:
            yield told.RunContentEvent(**self._about(), reasoning_content=new)

    def hear_event(self, event: PublishedEvent) -> Iterator[told.RunOutputEvent]:
        """The next event; one that came before, or of a kind not known here, means nothing."""
        if event.seq <= self.seq:
            return
        self.seq = event.seq
        known = read(event)
        if known is None or self.finished:
            return
        at = datetime.fromisoformat(event.recorded_at)
        self.started_at = self.started_at or at
        self.now = int(at.timestamp())
        yield from self._told(known, at)

    def hear_result(self, result: RunResult) -> Iterator[told.RunOutputEvent]:
        """What the run came to before anybody listened here: its events are not told again."""
        if result.seq <= self.seq or self.finished:
            return
        self.seq = result.seq
        at, accepted = map(datetime.fromisoformat, (result.finished_at, result.accepted_at))
        self.started_at, self.now = accepted, int(at.timestamp())
        self.output.created_at = int(accepted.timestamp())
        if result.status == "paused":
            yield from self._waits(result)
            return
        self.finished = True
        self.output.metrics = self._metrics(result.usage, at)
        match result.status:
            case "completed":
                yield from self._answered(result)
            case "cancelled":
                self.output.status = RunStatus.cancelled
                yield told.RunCancelledEvent(**self._about())
            case status:
                yield from self._failed(result.error or Error(code=status, message=status))

    def _answered(self, result: RunResult) -> Iterator[told.RunOutputEvent]:
        self.cut = bool(result.truncated)
        if isinstance(result.output, str):
            yield told.RunContentEvent(**self._about(), content=result.output)
            yield from self._completed(result.output, is_json=False)
        elif (ref := result.output_ref) is not None:
            log.warning("run %s: its answer, %d bytes, is at %s", result.run_id, ref.bytes, ref.url)
            yield from self._completed(None, is_json=False)
        else:
            yield from self._completed(orjson.dumps(result.output).decode(), is_json=True)

    def _waits(self, result: RunResult) -> Iterator[told.RunOutputEvent]:
        raised: list[runs.RequirementRaised] = []
        for one in result.requirements:
            if (call := one.tool_call) is None:
                continue
            kind = "in_doubt" if one.kind == "in_doubt" else "confirmation"
            raised.append(runs.RequirementRaised(id=one.id, kind=kind, call_id=call.id))
            if call.id not in self.tools:
                self.tools[call.id] = ToolExecution(
                    call.id, call.name, _arguments(call.arguments), created_at=self.now,
                    digest=call.digest, requires_confirmation=kind == "confirmation" or None,
                )  # fmt: skip
                self.output.tools.append(self.tools[call.id])
        yield from self._paused(runs.RunPaused(requirements=tuple(raised)))

    def _told(self, event: runs.RunEvent, at: datetime) -> Iterator[told.RunOutputEvent]:
        match event:
            case runs.RunAccepted():
                self.output.created_at = self.now
                self._asked(event.input)
            case runs.RunStarted():
                yield told.RunStartedEvent(
                    **self._about(), model=self.output.model or "",
                    model_provider=self.output.model_provider or "",
                )  # fmt: skip
            case runs.InputChecked():
                self._asked(event.text)
            case runs.ModelReplied():
                yield from self._replied(event)
            case runs.OutputReviewed(text=text):
                self.texts[self.seq] = text or ""
                yield from self._said(text, "")
            case runs.ToolCalled():
                yield from self._called(event)
            case runs.ToolReturned() | runs.ToolFailed():
                yield from self._came_back(event)
            case runs.RunPaused():
                yield from self._paused(event)
            case runs.RequirementResolved():
                yield from self._resolved(event)
            case runs.RunCompleted() | runs.RunFailed() | runs.RunBlocked() | runs.RunCancelled():
                yield from self._ended(event, at)
            case _:
                return

    def _about(self) -> dict[str, Any]:
        run = self.output
        return {
            "agent_id": run.agent_id, "agent_name": run.agent_name, "run_id": run.run_id,
            "session_id": run.session_id, "created_at": self.now,
        }  # fmt: skip

    def _asked(self, text: str | None) -> None:
        if text is not None:
            self.output.input = text
            self.output.messages.append(Message("user", text))

    def _replied(self, reply: runs.ModelReplied) -> Iterator[told.RunOutputEvent]:
        self.writing.answered(reply.call_id)
        self.output.model, self.output.model_provider = reply.model, reply.provider
        self.cut = reply.finish == "length"
        if self.first_token_ms is None:
            self.first_token_ms = reply.first_token_ms
        if reply.held_text is None:
            self.texts[self.seq] = reply.text or ""
            yield from self._said(reply.text, reply.reasoning)

    def _said(self, text: str | None, reasoning: str) -> Iterator[told.RunOutputEvent]:
        """A whole message: what was not streamed of it is told now."""
        if reasoning:
            self.output.reasoning_content = (self.output.reasoning_content or "") + reasoning
        more, thought = self.writing.rest(text or "", reasoning)
        if thought:
            yield told.RunContentEvent(**self._about(), reasoning_content=thought)
        if more:
            yield told.RunContentEvent(**self._about(), content=more)
        self.output.messages.append(Message("assistant", text, reasoning or None))

    def _called(self, event: runs.ToolCalled) -> Iterator[told.RunOutputEvent]:
        tool = ToolExecution(
            event.call_id, event.name, _object(event.arguments), created_at=self.now,
            requires_confirmation=event.requires_confirmation or None,
            digest=event.arguments_digest,
        )  # fmt: skip
        self.tools[event.call_id] = tool
        self.output.tools.append(tool)
        if self.output.messages and self.output.messages[-1].role == "assistant":
            asked = {"name": event.name, "arguments": event.arguments}
            self.output.messages[-1].tool_calls.append(
                {"id": event.call_id, "type": "function", "function": asked}
            )
        if not event.requires_confirmation:
            yield told.ToolCallStartedEvent(**self._about(), tool=replace(tool))

    def _came_back(
        self, event: runs.ToolReturned | runs.ToolFailed
    ) -> Iterator[told.RunOutputEvent]:
        tool = self.tools.get(event.call_id) or ToolExecution(event.call_id, "")
        failed = isinstance(event, runs.ToolFailed)
        tool.result = event.message if failed else event.content
        tool.tool_call_error = failed
        tool.duration = event.duration_ms / 1000
        self.output.messages.append(
            Message("tool", tool.result, tool_call_id=tool.tool_call_id, tool_name=tool.tool_name,
                    tool_call_error=failed)
        )  # fmt: skip
        said = f"{tool.tool_name} completed in {tool.duration:.4f}s."
        yield told.ToolCallCompletedEvent(**self._about(), tool=replace(tool), content=said)
        if failed:
            yield told.ToolCallErrorEvent(**self._about(), tool=replace(tool), error=tool.result)

    def _paused(self, event: runs.RunPaused) -> Iterator[told.RunOutputEvent]:
        run = self.output
        wanted = [one for one in event.requirements if one.id not in self.resolving]
        if not wanted:
            return  # the answers are on their way
        run.requirements = [
            RunRequirement(one.id, self.tools[one.call_id], run.run_id, kind=one.kind)
            for one in wanted if one.call_id in self.tools
        ]  # fmt: skip
        run.status = RunStatus.paused
        tools = [one.tool_execution for one in run.requirements]
        yield told.RunPausedEvent(**self._about(), tools=tools, requirements=run.requirements)

    def _resolved(self, event: runs.RequirementResolved) -> Iterator[told.RunOutputEvent]:
        self.output.requirements = [
            one for one in self.output.requirements if one.id != event.requirement_id
        ]
        if self.output.is_paused:
            yield told.RunContinuedEvent(**self._about())
        self.output.status = RunStatus.running
        tool = self.tools.get(event.requirement_id.removesuffix(":confirm"))
        if tool is not None:
            tool.confirmed = event.decision == "approve"
            tool.confirmation_note = event.note
            if event.arguments is not None:
                tool.tool_args = _object(event.arguments)
            yield told.ToolCallStartedEvent(**self._about(), tool=replace(tool))

    def _ended(
        self, event: runs.RunCompleted | runs.RunFailed | runs.RunBlocked | runs.RunCancelled,
        at: datetime,
    ) -> Iterator[told.RunOutputEvent]:  # fmt: skip
        self.finished = True
        self.output.metrics = self._metrics(event.usage, at)
        match event:
            case runs.RunCompleted():
                text = event.output if event.output is not None else self._text(event.output_seq)
                yield from self._completed(text, event.output_is_json)
            case runs.RunCancelled(reason=reason):
                self.output.status = RunStatus.cancelled
                yield told.RunCancelledEvent(**self._about(), reason=reason)
            case runs.RunFailed(error=error) | runs.RunBlocked(error=error):
                yield from self._failed(error)

    def _text(self, seq: int | None) -> str | None:
        return self.texts.get(seq or 0)

    def _completed(self, text: str | None, is_json: bool) -> Iterator[told.RunOutputEvent]:
        run = self.output
        run.status, run.content = RunStatus.completed, text
        if is_json and text is not None:
            run.content = self.parse(text) if self.parse else read_or_text(text)
            run.content_type = type(run.content).__name__
        run.truncated = self.cut and not is_json
        yield told.RunContentCompletedEvent(**self._about())
        yield told.RunCompletedEvent(
            **self._about(), content=run.content, content_type=run.content_type, metrics=run.metrics
        )

    def _failed(self, error: Error) -> Iterator[told.RunOutputEvent]:
        run = self.output
        run.status, run.error, run.content = RunStatus.error, error, error.message
        yield told.RunErrorEvent(**self._about(), content=error.message, error_type=error.code)

    def _metrics(self, usage: Usage, at: datetime) -> RunMetrics:
        first = self.first_token_ms
        lasted = (at - self.started_at).total_seconds() if self.started_at else None
        return RunMetrics.of(
            usage, time_to_first_token=None if first is None else first / 1000, duration=lasted
        )


def _object(arguments: str) -> dict[str, Any]:
    return _arguments(read_or_text(arguments or "{}"))


def _arguments(parsed: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", parsed) if isinstance(parsed, dict) else {}
