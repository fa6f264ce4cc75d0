"""A run as AgentOS streams it: Agno's event names, orders and fields. Pure: items in, frames out."""

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import (
    ContextBuilt,
    ModelReplied,
    OutputReviewed,
    RequirementResolved,
    RunBlocked,
    RunCancelled,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunPaused,
    ToolCalled,
    ToolFailed,
    ToolReturned,
)  # fmt: skip
from actalog_contracts.streams import Delta
from actalog_core.events import decode
from actalog_gateway import agentos_shapes as shapes
from actalog_gateway.agentos_shapes import without_none
from actalog_gateway.feeds import Item, Told
from actalog_gateway.sse import data_frame
from actalog_gateway.story import Story, ToolStory

ALWAYS_TOLD = ("RunContent", "RunPaused", "RunError", "RunCancelled")
ERROR_TYPES = {
    "model_failed": "model_provider_error", "input_blocked": "input_check_error",
    "output_blocked": "output_check_error",
}  # fmt: skip


class AgentTeller:
    """For one client. Events up to `after` are heard and not told: a continued run's stream
    begins behind its pause. `indexed`: events are numbered, as AgentOS does when it continues.
    Without `events` only text is told, and why there is no more of it."""

    def __init__(
        self, definition: AgentDefinition, *, run_id: str, session_id: str, after: int = 0,
        indexed: bool = False, events: bool = True,
    ) -> None:  # fmt: skip
        self.definition, self.after, self.events = definition, after, events
        self.story = Story(run_id)
        self.about = {
            "agent_id": definition.id, "agent_name": definition.name, "run_id": run_id,
            "session_id": session_id, "nested_depth": 0,
        }  # fmt: skip
        self.model = {"model": definition.model.id, "model_provider": shapes.provider(definition)}
        self.index = 0 if indexed else None
        self.at = 0
        self.shown: dict[
            str, tuple[int, int]
        ] = {}  # call: epoch, code points; -1: streamed no more
        self.thought: dict[str, tuple[int, int]] = {}  # the same of what the model thinks
        self.text = ""  # what this client was shown

    def tell(self, item: Item) -> Iterator[bytes]:
        """The frames that an item becomes."""
        yield from filter(None, self._frames(item))

    def _frames(self, item: Item) -> Iterator[bytes]:
        match item:
            case Told():
                self.at = shapes.epoch(item.at)
                event = decode(item.type, orjson.dumps(item.payload))
                self.story.add(item.seq, item.at, event)
                if item.seq > self.after:
                    yield from self._event(event)
            case Delta():
                yield from self._delta(item)
            case _:
                return

    def frame(self, name: str, **more: Any) -> bytes:
        """One event; `event` stands in the JSON, too. Nothing where the client wants none."""
        if not self.events and name not in ALWAYS_TOLD:
            return b""
        said = {"created_at": self.at, "event": name, **self.about, **without_none(more)}
        if self.index is not None:
            said["event_index"] = self.index
            self.index += 1
        return data_frame(name, said)

    def started(self, at: int) -> bytes:
        """A run was accepted: told at once."""
        self.at = at
        return self.frame("RunStarted", **self.model)

    def continued(self, at: int) -> bytes:
        self.at = at
        return self.frame("RunContinued")

    def completed(self, state: Mapping[str, Any]) -> bytes:
        """The last event. Where a message was not streamed to its end, this has it whole; of a
        cancelled one the log has nothing, and the client what was streamed."""
        said, kind = shapes.content(self.story, self.definition)
        if self.story.status == "cancelled":
            said = self.text
        return self.frame(
            "RunCompleted", content=said, content_type=kind, session_state=dict(state),
            reasoning_content=self.story.reasoning or None,
            metrics=shapes.metrics(self.story, self.definition),
        )  # fmt: skip

    def _event(self, event: RunEvent) -> Iterator[bytes]:
        match event:
            case ContextBuilt():
                yield self.frame("ModelRequestStarted", **self.model)
            case ModelReplied():
                yield from self._replied(event)
            case OutputReviewed(text=text) if event.verdict != "blocked" and text:
                yield from self._content(text)
            case ToolCalled() if not event.requires_confirmation:
                yield self.frame("ToolCallStarted", tool=self._tool(event.call_id))
            case ToolReturned() | ToolFailed():
                yield from self._came_back(event)
            case RunPaused():
                yield self.frame("RunContentCompleted")
                yield self.frame(
                    "RunPaused", content=shapes.CONFIRMATION,
                    tools=[one["tool_execution"] for one in shapes.requirements(self.story)],
                    requirements=shapes.requirements(self.story),
                )  # fmt: skip
            case RequirementResolved(requirement_id=name, decision="approve"):
                call_id = name.removesuffix(":confirm")
                if call_id in self.story.tools:
                    yield self.frame("ToolCallStarted", tool=self._tool(call_id))
            case RunCompleted():
                if self.story.structured:
                    yield self._said(*shapes.content(self.story, self.definition))
                yield self.frame("RunContentCompleted")
            case RunFailed() | RunBlocked():
                error = event.error
                kind = ERROR_TYPES.get(error.code, error.code)
                yield self.frame(
                    "RunError", content=error.message, error_type=kind, error_id=error.code
                )
            case RunCancelled(reason=reason):
                told = reason or f"Run {self.story.run_id} was cancelled"
                yield self.frame("RunCancelled", content=self.text, reason=told)
            case _:
                return

    def _replied(self, event: ModelReplied) -> Iterator[bytes]:
        epoch, had = self.shown.get(event.call_id, (event.epoch, 0))
        self.shown[event.call_id] = (event.epoch, -1)
        if event.text and had >= 0 and epoch == event.epoch:
            yield from self._content(event.text[had:])
        usage = event.usage
        first = event.first_token_ms
        yield self.frame(
            "ModelRequestCompleted", **self.model, input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens, total_tokens=usage.total_tokens,
            time_to_first_token=None if first is None else first / 1_000,
            reasoning_tokens=usage.reasoning_tokens, cache_read_tokens=usage.cached_tokens,
            cache_write_tokens=0,
        )  # fmt: skip

    def _delta(self, delta: Delta) -> Iterator[bytes]:
        """This wire knows no restart: another attempt ends a message's streaming (8.2)."""
        epoch, had = self.shown.get(delta.call_id, (delta.epoch, 0))
        if had < 0 or self.story.ended or delta.epoch < epoch:
            return
        if delta.epoch > epoch and had > 0:
            self.shown[delta.call_id] = (delta.epoch, -1)
            return
        if delta.kind == "reasoning":
            yield from self._thought(delta)
            return
        new = delta.text[max(0, had - delta.offset) :]
        if delta.offset > had or not new:
            return
        self.shown[delta.call_id] = (delta.epoch, had + len(new))
        yield from self._content(new)

    def _thought(self, delta: Delta) -> Iterator[bytes]:
        """Of the first attempt that thinks; the end has all that the model thought."""
        epoch, had = self.thought.get(delta.call_id, (delta.epoch, 0))
        new = delta.text[max(0, had - delta.offset) :]
        if delta.epoch == epoch and delta.offset <= had and new:
            self.thought[delta.call_id] = (epoch, had + len(new))
            yield self.frame("RunContent", **self._fields("", "str", new))

    def _content(self, text: str) -> Iterator[bytes]:
        """Structured answers come once, as the object they are."""
        wanted = self.story.accepted and self.story.accepted.output_schema
        if text and not (wanted or self.definition.output_schema):
            self.text += text
            yield self._said(text, "str")

    def _said(self, said: Any, kind: str) -> bytes:
        return self.frame("RunContent", **self._fields(said, kind, ""))

    def _fields(self, said: Any, kind: str, reasoning: str) -> dict[str, Any]:
        return {
            "content": said, "workflow_agent": False, "content_type": kind,
            "reasoning_content": reasoning, "model_provider_data": {},
        }  # fmt: skip

    def _came_back(self, event: ToolReturned | ToolFailed) -> Iterator[bytes]:
        tool = self.story.tools.get(event.call_id)
        if tool is None:
            return
        if tool.status != "rejected":
            told = shapes.tool(tool)
            yield self.frame("ToolCallCompleted", content=_done(tool, told), tool=told)
            if isinstance(event, ToolFailed):
                yield self.frame("ToolCallError", error=event.message, tool=told)
        waiting = ("running", "awaiting")
        if not any(one.status in waiting for one in self.story.tools.values()):
            yield self.frame("ModelRequestStarted", **self.model)

    def _tool(self, call_id: str) -> dict[str, Any]:
        return shapes.tool(self.story.tools[call_id])


def _done(tool: ToolStory, told: Mapping[str, Any]) -> str:
    """`get_weather(city=Paris) completed in 0.0007s. `, as Agno writes it."""
    arguments = ", ".join(f"{name}={value}" for name, value in told["tool_args"].items())
    return f"{tool.call.name}({arguments}) completed in {tool.duration_ms / 1_000:.4f}s. "
