"""Anthropic's messages: events of a stream, a whole message, errors."""

from typing import Any

import orjson

from actalog_testing.scripted.request import Request
from actalog_testing.scripted.script import Reply, Tokens
from actalog_testing.scripted.wire import Pieces, arguments_text, call_id, dumps, split, tokens

NOTHING = Tokens(0, 0)
SIGNATURE = "c2NyaXB0ZWQ="  # thinking has to come back with its signature


def stream(reply: Reply, request: Request) -> Pieces:
    """message_start, the blocks; then message_delta and message_stop."""
    told = tokens(reply, request)
    usage = _usage(told or NOTHING) | {"output_tokens": 1}
    start: dict[str, Any] = {**_message(reply, request), "content": [], "stop_reason": None}
    start["usage"] = usage
    pieces = [_event("message_start", message=start)]
    for index, (block, deltas) in enumerate(_blocks(reply, request)):
        pieces.append(_event("content_block_start", index=index, content_block=block))
        pieces += [_event("content_block_delta", index=index, delta=delta) for delta in deltas]
        pieces.append(_event("content_block_stop", index=index))
    end = {"stop_reason": _stop(reply), "stop_sequence": None}
    spent = {"output_tokens": (told or NOTHING).output}
    ending = [_event("message_delta", delta=end, usage=spent), _event("message_stop")]
    return Pieces(pieces, ending)


def whole(reply: Reply, request: Request) -> bytes:
    """One message."""
    content: list[dict[str, Any]] = []
    if reply.reasoning:
        thought = {"type": "thinking", "thinking": reply.reasoning, "signature": SIGNATURE}
        content.append(thought)
    if reply.text:
        content.append({"type": "text", "text": reply.text})
    for at, call in enumerate(reply.tool_calls):
        used = {"type": "tool_use", "id": call_id(call, request, at), "name": call.name}
        content.append({**used, "input": _parsed(arguments_text(call))})
    told = tokens(reply, request) or NOTHING
    message = _message(reply, request) | {"content": content, "stop_reason": _stop(reply)}
    return dumps(message | {"usage": _usage(told)})


def error(status: int, message: str) -> bytes:
    """The body of a refusal."""
    kinds = {
        400: "invalid_request_error",
        401: "authentication_error",
        429: "rate_limit_error",
        529: "overloaded_error",
    }
    told = {"type": kinds.get(status, "api_error"), "message": message}
    return dumps({"type": "error", "error": told})


def in_band(message: str) -> bytes:
    """An error in the middle of a stream."""
    return _event("error", error={"type": "overloaded_error", "message": message})


def _blocks(reply: Reply, request: Request) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    blocks: list[tuple[dict[str, Any], list[dict[str, Any]]]] = []
    if reply.reasoning:
        pieces = split(reply.reasoning, reply.chunks)
        thought = [{"type": "thinking_delta", "thinking": piece} for piece in pieces]
        signed = {"type": "signature_delta", "signature": SIGNATURE}
        blocks.append(({"type": "thinking", "thinking": "", "signature": ""}, [*thought, signed]))
    if reply.text:
        pieces = split(reply.text, reply.chunks)
        written = [{"type": "text_delta", "text": piece} for piece in pieces]
        blocks.append(({"type": "text", "text": ""}, written))
    for at, call in enumerate(reply.tool_calls):
        used = {"type": "tool_use", "id": call_id(call, request, at), "name": call.name}
        pieces = split(arguments_text(call), 2)
        parts = [{"type": "input_json_delta", "partial_json": piece} for piece in pieces]
        blocks.append(({**used, "input": {}}, parts))
    return blocks


def _event(kind: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (kind.encode(), dumps({"type": kind, **fields}))


def _message(reply: Reply, request: Request) -> dict[str, Any]:
    return {
        "id": f"msg_{request.tag}",
        "type": "message",
        "role": "assistant",
        "model": reply.model or request.model,
        "stop_sequence": None,
    }


def _stop(reply: Reply) -> str:
    return reply.finish or ("tool_use" if reply.tool_calls else "end_turn")


def _usage(told: Tokens) -> dict[str, int]:
    return {
        "input_tokens": told.input - told.cached,
        "output_tokens": told.output,
        "cache_read_input_tokens": told.cached,
        "cache_creation_input_tokens": 0,
    }


def _parsed(arguments: str) -> object:
    try:
        return orjson.loads(arguments)
    except orjson.JSONDecodeError:
        return arguments  # malformed on purpose: sent as it is
