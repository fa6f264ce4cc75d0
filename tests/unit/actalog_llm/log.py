"""Runs as lists of stored events."""

from datetime import UTC, datetime
from typing import Any

from actalog_contracts.base import TextRef, ToolCall, Usage
from actalog_contracts.definitions import AgentDefinition, ModelChoice, ToolDefinition
from actalog_contracts.runs import (
    ModelReplied,
    PromptRecord,
    RunAccepted,
    RunEvent,
    ToolCalled,
    ToolReturned,
)
from actalog_core.events import encode
from actalog_log.ports import StoredEvent

AT = datetime(2026, 1, 1, tzinfo=UTC)
LOOK = ToolDefinition(name="look", description="Looks.", parameters='{"type":"object"}', path="p")
AGENT = AgentDefinition(
    id="a", name="a", model=ModelChoice(provider="openai", id="m"), tools=(LOOK,),
    description="You help.", instructions=("Be brief.", "Be kind."), expected_output="a sentence",
)  # fmt: skip
NO_PROMPT = PromptRecord(digest="sha256:0", renderer="none", parts=())


def stored(event: RunEvent, *, seq: int, run_no: int = 1) -> StoredEvent:
    kind, payload = encode(event)
    return StoredEvent(run_no, seq, kind, payload, 1, None, AT, b"")


def run(*events: RunEvent, run_no: int = 1) -> list[StoredEvent]:
    return [stored(event, seq=at, run_no=run_no) for at, event in enumerate(events, 1)]


def accepted(text: str | None = "Where?", **more: Any) -> RunAccepted:
    return RunAccepted(
        kind="agent", target="agent:a", definition="sha256:a", input=text, body_digest="hmac:b",
        accepted_at="2026-01-01T00:00:00Z", deadline="2026-01-02T00:00:00Z", **more,
    )  # fmt: skip


def replied(
    text: str | None, *calls: tuple[str, str], prompt: PromptRecord = NO_PROMPT, **more: Any
) -> ModelReplied:
    """`calls` are (provider id, arguments) of `look`."""
    asked = tuple(
        ToolCall(id=f"r:m1.{at}", provider_id=id, name="look", arguments=arguments)
        for at, (id, arguments) in enumerate(calls)
    )
    return ModelReplied(
        call_id="r:m1", epoch=1, text=text, tool_calls=asked, finish="stop", provider="openai",
        model="m", usage=Usage(), prompt=prompt, **more,
    )  # fmt: skip


def held() -> TextRef:
    return TextRef(held="r:m1:1", digest="hmac:x")


def called(at: int, arguments: str = "{}", turn: int = 1, **more: Any) -> ToolCalled:
    return ToolCalled(
        call_id=f"r:t{turn}.{at}", name=more.pop("name", "look"), arguments=arguments,
        arguments_digest="sha256:d", effect="once", **more,
    )  # fmt: skip


def returned(at: int, content: str, turn: int = 1) -> ToolReturned:
    return ToolReturned(call_id=f"r:t{turn}.{at}", content=content)
