"""Messages to the body of Anthropic's messages API. Pure."""

from typing import Any

import orjson

from actalog_llm.media import anthropic_blocks
from actalog_llm.prompt.messages import Assistant, Messages, ToolOutcome, User
from actalog_llm.whole import exactly

MAX_TOKENS = 8_192  # the API wants a number; what the models since 2024 can all write
OURS = ("messages", "system", "tools", "stream")
NOTHING = "(no text)"  # the API takes no empty text


def params(model: str, given: dict[str, Any]) -> dict[str, Any]:
    """What is sent beside the messages. What the author gave counts, as far as it is not ours."""
    kept = {k: v for k, v in given.items() if k not in OURS}
    return {"model": model, "max_tokens": MAX_TOKENS, **kept, "stream": True}


def body(messages: Messages, params: dict[str, Any]) -> dict[str, Any]:
    """The request. A schema for the answer is told in the system text."""
    told: dict[str, Any] = {**params, "messages": _messages(messages)}
    if messages.system:
        told["system"] = messages.system
    if messages.tools:
        told["tools"] = [
            {"name": t["name"], "description": t["description"], "input_schema": t["parameters"]}
            for t in messages.tools
        ]
    # With a budget for thinking, the API wants the thoughts that a turn began with beside the results
    # of its tools. Where they are not there (a reviewed message, whose thoughts are not kept) it
    # must be off. Who thinks as it sees fit (`adaptive`) may have begun without.
    if _given_type(told.get("thinking")) == "enabled" and _thoughts_missing(messages):
        del told["thinking"]
    return {name: value for name, value in told.items() if value is not None}


def _messages(messages: Messages) -> list[dict[str, Any]]:
    """Sides take turns: what follows on one side is one message."""
    told: list[dict[str, Any]] = []
    for one in messages.said:
        match one:
            case User(text=text, media=media):
                shown = anthropic_blocks(media)
                if text.strip() or not shown:
                    shown.append({"type": "text", "text": text if text.strip() else NOTHING})
                _add(told, "user", shown)
            case Assistant():
                _add(told, "assistant", _blocks(one))
            case ToolOutcome(id=call_id, text=text, failed=failed):
                block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call_id}
                block |= {"content": text} if text else {}
                _add(told, "user", [block | ({"is_error": True} if failed else {})])
    return told


def _add(told: list[dict[str, Any]], role: str, blocks: list[dict[str, Any]]) -> None:
    if told and told[-1]["role"] == role:
        told[-1]["content"] += blocks
    elif blocks:
        told.append({"role": role, "content": blocks})


def _blocks(one: Assistant) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = list(_thoughts(one))
    if one.text.strip():
        blocks.append({"type": "text", "text": one.text})
    for call in one.calls:
        given = exactly(call.arguments)
        blocks.append({"type": "tool_use", "id": call.id, "name": call.name, "input": given})
    return blocks


def _thoughts(one: Assistant) -> list[dict[str, Any]]:
    return [] if one.extra == "{}" else orjson.loads(one.extra).get("anthropic", [])


def _given_type(thinking: object) -> object:
    return thinking.get("type") if isinstance(thinking, dict) else None  # pyright: ignore


def _thoughts_missing(messages: Messages) -> bool:
    """A turn is all that the model said since the user spoke: only its begin must have thoughts,
    for between tools a model may go on without."""
    first: Assistant | None = None
    for one in reversed(messages.said):
        if isinstance(one, User):
            break
        if isinstance(one, Assistant) and one.calls:
            first = one
    return first is not None and not _thoughts(first)
