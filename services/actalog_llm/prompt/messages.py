"""From parts to messages: what adapters put into their provider's form. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, cast

import orjson

from actalog_core.values import frozen
from actalog_llm.prompt.parts import EARLIER, EXTRA, TOOL_CALL, TOOL_ERROR, Part


@frozen
class Attached:
    """An image, a sound, a video or a file: by address, as base64, or by a blob's id. `where` it
    stands in the task. `earlier`: another run brought it."""

    type: str
    where: str
    earlier: bool = False
    mime_type: str | None = None
    filename: str | None = None
    url: str | None = None
    data: str | None = field(default=None, repr=False)
    blob: str | None = None


@frozen
class User:
    text: str
    media: tuple[Attached, ...] = ()


@frozen
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


@frozen
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
            case "media":
                _user(told, "", attached(part.text, earlier=part.role == EARLIER))
            case "quote":
                _user(told, f"[{part.role.removeprefix('quote:')}] {part.text}")
            case "tool" | "tool_error":
                call_id = part.role.partition(":")[2]
                told.said.append(ToolOutcome(call_id, part.text, part.kind == TOOL_ERROR))
            case _:
                _assistant(told, part)
    return told


def attached(text: str, *, earlier: bool = False) -> list[Attached]:
    """What a task's `media` says, as it stands in the log."""
    said: object = orjson.loads(text)
    listed = cast(list[object], said) if isinstance(said, list) else []
    return [
        _one(cast(dict[str, Any], one), f"media.{at}", earlier)
        for at, one in enumerate(listed) if isinstance(one, dict)
    ]  # fmt: skip


def _one(said: dict[str, Any], where: str, earlier: bool) -> Attached:
    told = {name: said[name] for name in ("mime_type", "filename", "url", "data", "blob")
            if isinstance(said.get(name), str)}  # fmt: skip
    if "data" in told:  # senders may have wrapped it, providers take no white space in it
        told["data"] = "".join(told["data"].split())
    return Attached(str(said.get("type")), where, earlier, **told)


def named(one: Attached) -> str:
    """In place of it, where it is not shown."""
    return f"[{one.type} {one.filename}]" if one.filename else f"[{one.type}]"


def in_short(text: str) -> str:
    """What a conversation that is quoted says of it."""
    return ", ".join(map(named, attached(text)))


def _user(told: Messages, text: str, media: Sequence[Attached] = ()) -> None:
    last = told.said[-1] if told.said else None
    if isinstance(last, User):
        if media:
            said = last.text
        else:  # the first text behind what was attached is that message's
            said = text if last.media and not last.text else f"{last.text}\n\n{text}"
        told.said[-1] = User(said, (*last.media, *media))
    else:
        told.said.append(User(text, tuple(media)))


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
