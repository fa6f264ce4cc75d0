"""What both wires share: how a reply is cut into pieces."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from actalog_testing.scripted.request import Request
from actalog_testing.scripted.script import Reply, Tokens, ToolUse

BYTES_PER_TOKEN = 4  # a rule of thumb; nothing here is billed


@dataclass(frozen=True, slots=True)
class Pieces:
    """The events of a stream: those of the message, and those that end it in order."""

    message: Sequence[bytes]
    ending: Sequence[bytes]


def split(text: str, chunks: int) -> list[str]:
    """The text in at most so many pieces of nearly equal length; [] when it is empty."""
    size = max(1, -(-len(text) // max(1, chunks)))
    return [text[at : at + size] for at in range(0, len(text), size)]


def arguments_text(call: ToolUse) -> str:
    """The arguments as they are sent."""
    if isinstance(call.arguments, str):
        return call.arguments
    return orjson.dumps(dict(call.arguments)).decode()


def call_id(call: ToolUse, request: Request, at: int) -> str:
    """The provider's id of a call: the script's, else a function of the request."""
    prefix = "call" if request.wire == "openai" else "toolu"
    return call.id or f"{prefix}_{request.tag}_{at}"


def tokens(reply: Reply, request: Request) -> Tokens | None:
    """What the reply reports; None for nothing."""
    match reply.usage:
        case Tokens():
            return reply.usage
        case "none":
            return None
        case _:
            sent = len(reply.text) + sum(len(arguments_text(call)) for call in reply.tool_calls)
            return Tokens(len(request.raw) // BYTES_PER_TOKEN + 1, sent // BYTES_PER_TOKEN + 1)


def dumps(value: object) -> bytes:
    """Compact JSON."""
    return orjson.dumps(value)
