"""Messages to the body of a chat completion. Pure."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import orjson

from actalog_llm.media import openai_parts
from actalog_llm.prompt.messages import Assistant, Messages, Said, ToolOutcome, User
from actalog_llm.providers import Provider

USAGE = {"include_usage": True}
OURS = ("messages", "tools", "stream", "stream_options", "n")
SHORT_ID = re.compile(r"[a-zA-Z0-9]{9}")
NO_THOUGHT = " "  # of a message whose thoughts are not known; nothing at all is refused


def params(model: str, given: dict[str, Any], known: Provider) -> dict[str, Any]:
    """What is sent beside the messages. What the author gave counts, as far as it is not ours; an
    author may say with `stream_options=None` that a server does not take them."""
    told = {"model": model, **{k: v for k, v in given.items() if k not in OURS}, "stream": True}
    if known.asked_usage and given.get("stream_options", USAGE) is not None:
        told["stream_options"] = USAGE
    return told


def body(messages: Messages, params: dict[str, Any], known: Provider) -> dict[str, Any]:
    """The request. Where a server takes no schema for the answer, the system text has it all the
    same."""
    told: dict[str, Any] = {**params, "messages": _messages(messages, known)}
    if messages.tools:
        told["tools"] = [{"type": "function", "function": tool} for tool in messages.tools]
    if known.json_schema and messages.schema and "response_format" not in params:
        named = {"name": "answer", "schema": orjson.loads(messages.schema)}
        told["response_format"] = {"type": "json_schema", "json_schema": named}
    return {name: value for name, value in told.items() if value is not None}


def _messages(messages: Messages, known: Provider) -> list[dict[str, Any]]:
    told = [{"role": "system", "content": messages.system}] if messages.system else []
    return [*told, *_said(messages.said, known)]


def _said(said: Sequence[Said], known: Provider) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    for one in said:
        match one:
            case User(media=()):
                told.append({"role": "user", "content": one.text})
            case User():
                text = [{"type": "text", "text": one.text}] if one.text else []
                told.append({"role": "user", "content": [*openai_parts(one.media), *text]})
            case Assistant():
                told.append(_assistant(one, known))
            case ToolOutcome(id=call_id, text=text):
                named = _call_id(call_id, known)
                told.append({"role": "tool", "tool_call_id": named, "content": text})
    return told


def _assistant(one: Assistant, known: Provider) -> dict[str, Any]:
    extra: dict[str, Any] = orjson.loads(one.extra)
    back: dict[str, Any] = extra.get("openai", {})
    message: dict[str, Any] = {"role": "assistant", "content": one.text or None}
    if back.get("reasoning_details"):
        message["reasoning_details"] = back["reasoning_details"]
    if thought := _thought(back, known):
        message["reasoning_content"] = thought
    signed: list[Any] = back.get("calls", [])
    calls: list[dict[str, Any]] = []
    for at, call in enumerate(one.calls):
        function = {"name": call.name, "arguments": call.arguments}
        named = _call_id(call.id, known)
        asked: dict[str, Any] = {"id": named, "type": "function", "function": function}
        if at < len(signed) and signed[at]:
            asked["extra_content"] = signed[at]
        calls.append(asked)
    if calls:
        message["tool_calls"] = calls
    return message


def _thought(back: dict[str, Any], known: Provider) -> str:
    match known.thoughts:
        case "dropped":
            return ""
        case "echoed":
            return back.get("reasoning_content", "")
        case "needed":
            return back.get("reasoning_content") or NO_THOUGHT


def _call_id(call_id: str, known: Provider) -> str:
    """The same for the same id, so that a call and its outcome fit together."""
    if not known.short_ids or SHORT_ID.fullmatch(call_id):
        return call_id
    return hashlib.sha256(call_id.encode()).hexdigest()[:9]
