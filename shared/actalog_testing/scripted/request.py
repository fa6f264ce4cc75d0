"""A request of either wire, in one shape."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

Wire = Literal["openai", "anthropic"]


@dataclass(frozen=True, slots=True)
class Said:
    """One message as plain text. `tool_calls` has the names of the tools that were called."""

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    tool_calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OfferedTool:
    name: str
    description: str
    schema: Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """What was received. `body` is the parsed JSON, `headers` have lower-case names."""

    wire: Wire
    body: dict[str, Any]
    headers: Mapping[str, str]
    raw: bytes

    @property
    def model(self) -> str:
        return str(self.body.get("model", ""))

    @property
    def stream(self) -> bool:
        return bool(self.body.get("stream"))

    @property
    def wants_usage(self) -> bool:
        """OpenAI reports usage on a stream only when asked to."""
        return bool(_at(self.body, "stream_options").get("include_usage"))

    @cached_property
    def tag(self) -> str:
        """A short name of the request that is a function of its bytes."""
        return f"{zlib.crc32(self.raw):08x}"

    @cached_property
    def messages(self) -> tuple[Said, ...]:
        """All messages in order; Anthropic's system text comes first."""
        system = _text(self.body.get("system"))
        first = (Said("system", system),) if system else ()
        told: list[Said] = [*first]
        for message in _parts(self.body.get("messages")):
            told += _said(message)
        return tuple(told)

    @cached_property
    def system(self) -> str:
        return "\n".join(said.text for said in self.messages if said.role == "system")

    @cached_property
    def tools(self) -> tuple[OfferedTool, ...]:
        offered: list[OfferedTool] = []
        for tool in _parts(self.body.get("tools")):
            told = _at(tool, "function") or tool
            schema = _at(told, "parameters") or _at(told, "input_schema")
            offered.append(OfferedTool(told.get("name", ""), told.get("description") or "", schema))
        return tuple(offered)

    @cached_property
    def output_schema(self) -> Mapping[str, Any] | None:
        """The JSON Schema that the answer has to satisfy; {} for "any JSON object"."""
        asked = _at(self.body, "response_format")
        if asked.get("type") == "json_schema":
            return _at(asked, "json_schema", "schema")
        if asked.get("type") == "json_object":
            return {}
        shape = _at(self.body, "output_format") or _at(self.body, "output_config", "format")
        return _at(shape, "schema") if shape.get("type") == "json_schema" else None


def _said(message: Mapping[str, Any]) -> list[Said]:
    role, content = message.get("role"), message.get("content")
    match role:
        case "system" | "developer":
            return [Said("system", _text(content))]
        case "tool":
            return [Said("tool", _text(content))]
        case "assistant":
            asked = _parts(message.get("tool_calls"))
            calls = [str(_at(call, "function").get("name", "")) for call in asked]
            calls += [p.get("name", "") for p in _parts(content) if p.get("type") == "tool_use"]
            return [Said("assistant", _text(content), tuple(calls))]
        case _:
            results = [p for p in _parts(content) if p.get("type") == "tool_result"]
            told = [Said("tool", _text(part.get("content"))) for part in results]
            text = _text(content)
            return [*told, Said("user", text)] if text or not told else told


def _at(value: Mapping[str, Any], *path: str) -> dict[str, Any]:
    """The object at that path; {} where there is none."""
    found: object = value
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType]
    return found if isinstance(found, dict) else {}  # pyright: ignore[reportUnknownVariableType]


def _parts(content: object) -> list[dict[str, Any]]:
    if not isinstance(content, list):
        return []
    return [part for part in content if isinstance(part, dict)]  # pyright: ignore[reportUnknownVariableType]


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    return "\n".join(str(p.get("text", "")) for p in _parts(content) if p.get("type") == "text")
