"""OpenAI's chat completions: chunks of a stream, a whole completion, errors."""

from typing import Any

from actalog_testing.scripted.request import Request
from actalog_testing.scripted.script import Reply, Tokens
from actalog_testing.scripted.wire import Pieces, arguments_text, call_id, dumps, split, tokens

DONE = b"data: [DONE]\n\n"


def stream(reply: Reply, request: Request) -> Pieces:
    """The chunks: role, reasoning, text, tool calls; then finish, usage and [DONE]."""
    head = b'data: {"id":"chatcmpl-%s","object":"chat.completion.chunk","created":0,"model":%s,' % (
        request.tag.encode(),
        dumps(reply.model or request.model),
    )
    start, end = head + b'"choices":[{"index":0,"delta":', b',"finish_reason":null}]}\n\n'
    deltas: list[Any] = [{"role": "assistant", "content": ""}]
    deltas += [{"reasoning_content": piece} for piece in split(reply.reasoning, reply.chunks)]
    deltas += [{"content": piece} for piece in split(reply.text, reply.chunks)]
    for at, call in enumerate(reply.tool_calls):
        first = _call(call_id(call, request, at), call.name, "")
        deltas.append({"tool_calls": [{"index": at, **first}]})
        deltas += [
            {"tool_calls": [{"index": at, "function": {"arguments": piece}}]}
            for piece in split(arguments_text(call), 2)
        ]
    finish = start + b'{},"finish_reason":%s}]}\n\n' % dumps(_finish(reply))
    ending = [finish]
    told = tokens(reply, request)
    if told is not None and request.wants_usage:
        ending.append(head + b'"choices":[],"usage":%s}\n\n' % dumps(_usage(told)))
    return Pieces([start + dumps(delta) + end for delta in deltas], [*ending, DONE])


def whole(reply: Reply, request: Request) -> bytes:
    """One completion."""
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.tool_calls:
        message["tool_calls"] = [
            _call(call_id(call, request, at), call.name, arguments_text(call))
            for at, call in enumerate(reply.tool_calls)
        ]
    told = tokens(reply, request)
    usage = {} if told is None else {"usage": _usage(told)}
    return dumps(
        {
            "id": f"chatcmpl-{request.tag}",
            "object": "chat.completion",
            "created": 0,
            "model": reply.model or request.model,
            "choices": [{"index": 0, "message": message, "finish_reason": _finish(reply)}],
            **usage,
        }
    )


def error(status: int, message: str) -> bytes:
    """The body of a refusal, also what comes in band."""
    kinds = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}
    told = {"message": message, "type": kinds.get(status, "server_error"), "code": None}
    return dumps({"error": told})


def in_band(message: str) -> bytes:
    """An error in the middle of a stream."""
    return b"data: " + error(500, message) + b"\n\n"


def _call(id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _finish(reply: Reply) -> str:
    return reply.finish or ("tool_calls" if reply.tool_calls else "stop")


def _usage(told: Tokens) -> dict[str, Any]:
    return {
        "prompt_tokens": told.input,
        "completion_tokens": told.output,
        "total_tokens": told.input + told.output,
        "prompt_tokens_details": {"cached_tokens": told.cached},
        "completion_tokens_details": {"reasoning_tokens": told.reasoning},
    }
