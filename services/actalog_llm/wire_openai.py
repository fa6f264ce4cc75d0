"""Messages to the body of a chat completion. Pure."""

from collections.abc import Sequence
from typing import Any

import orjson

from actalog_llm.prompt.messages import Assistant, Messages, Said, ToolOutcome, User

CONSTANT = {"stream": True, "stream_options": {"include_usage": True}}
OURS = ("messages", "tools", "stream", "stream_options", "n")


def params(model: str, given: dict[str, Any]) -> dict[str, Any]:
    """What is sent beside the messages. What the author gave counts, as far as it is not ours."""
    return {"model": model, **{k: v for k, v in given.items() if k not in OURS}, **CONSTANT}


def body(messages: Messages, params: dict[str, Any], *, json_schema: bool) -> dict[str, Any]:
    """The request. `json_schema`: the server takes a schema for the answer (all are told it in
    the system text)."""
    told: dict[str, Any] = {**params, "messages": _messages(messages)}
    if messages.tools:
        told["tools"] = [{"type": "function", "function": tool} for tool in messages.tools]
    if json_schema and messages.schema and "response_format" not in params:
        named = {"name": "answer", "schema": orjson.loads(messages.schema)}
        told["response_format"] = {"type": "json_schema", "json_schema": named}
    return {name: value for name, value in told.items() if value is not None}


def _messages(messages: Messages) -> list[dict[str, Any]]:
    told = [{"role": "system", "content": messages.system}] if messages.system else []
    return [*told, *_said(messages.said)]


def _said(said: Sequence[Said]) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []
    for one in said:
        match one:
            case User(text=text):
                told.append({"role": "user", "content": text})
            case Assistant():
                told.append(_assistant(one))
            case ToolOutcome(id=call_id, text=text):
                told.append({"role": "tool", "tool_call_id": call_id, "content": text})
    return told


def _assistant(one: Assistant) -> dict[str, Any]:
    extra: dict[str, Any] = orjson.loads(one.extra)
    back: dict[str, Any] = extra.get("openai", {})
    message: dict[str, Any] = {"role": "assistant", "content": one.text or None}
    if back.get("reasoning_details"):
        message["reasoning_details"] = back["reasoning_details"]
    signed: list[Any] = back.get("calls", [])
    calls: list[dict[str, Any]] = []
    for at, call in enumerate(one.calls):
        function = {"name": call.name, "arguments": call.arguments}
        asked: dict[str, Any] = {"id": call.id, "type": "function", "function": function}
        if at < len(signed) and signed[at]:
            asked["extra_content"] = signed[at]
        calls.append(asked)
    if calls:
        message["tool_calls"] = calls
    return message
