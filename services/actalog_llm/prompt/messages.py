"""From parts to messages: what adapters put into their provider's form. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import orjson

from actalog_llm.prompt.parts import EXTRA, TOOL_CALL, TOOL_ERROR, Part


@dataclass(frozen=True, slots=True)
class User:
    text: str


@dataclass(frozen=True, slots=True)
class AskedCall:
    """`arguments` is always a JSON object: providers take no other."""

    id: str
    name: str
    arguments: str


@dataclass(slots=True)
class Assistant:
    text: str = ""
    extra: str = "{}"
    calls: list[AskedCall] = field(default_factory=list[AskedCall])


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    id: str
    text: str
    failed: bool


Said: TypeAlias = User | Assistant | ToolOutcome


@dataclass(slots=True)
class Messages:
    """A prompt in order. `tools` are {"name", "description", "parameters"}."""

    system: str = ""
    schema: str | None = None
    tools: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    said: list[Said] = field(default_factory=list[Said])


def assemble(parts: Iterable[Part]) -> Messages:
    """The messages that the parts are of: neighbours of one side are one message."""
    told = Messages()
    for part in parts:
        match part.kind:
            case "tools":
                told.tools = orjson.loads(part.text)
            case "schema":
                told.schema = part.text
            case "system":
                told.system = f"{told.system}\n\n{part.text}" if told.system else part.text
            case "user":
                _user(told, part.text)
            case "quote":
                _user(told, f"[{part.role.removeprefix('quote:')}] {part.text}")
            case "tool" | "tool_error":
                call_id = part.role.partition(":")[2]
                told.said.append(ToolOutcome(call_id, part.text, part.kind == TOOL_ERROR))
            case _:
                _assistant(told, part)
    return told


def _user(told: Messages, text: str) -> None:
    last = told.said[-1] if told.said else None
    if isinstance(last, User):
        told.said[-1] = User(f"{last.text}\n\n{text}")
    else:
        told.said.append(User(text))


def _assistant(told: Messages, part: Part) -> None:
    last = told.said[-1] if told.said else None
    # `extra`, text and calls come in this order, so a repeat begins the next message.
    if not isinstance(last, Assistant) or (part.kind != TOOL_CALL and _begins(last, part)):
        last = Assistant()
        told.said.append(last)
    match part.kind:
        case "extra":
            last.extra = part.text
        case "assistant":
            last.text = part.text
        case "tool_call":
            _, call_id, name = part.role.split(":", 2)
            last.calls.append(AskedCall(call_id, name, as_object(part.text)))
        case other:
            raise ValueError(f"a prompt has no parts of kind {other!r}")


def _begins(last: Assistant, part: Part) -> bool:
    return bool(last.calls or last.text or (part.kind == EXTRA and last.extra != "{}"))


def as_object(arguments: str) -> str:
    """Arguments as received where they are a JSON object; what is none is shown inside of one."""
    try:
        if isinstance(orjson.loads(arguments or "{}"), dict):
            return arguments or "{}"
    except orjson.JSONDecodeError:
        pass
    return orjson.dumps({"malformed_arguments": arguments}).decode()
