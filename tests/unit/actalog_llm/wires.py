"""Streams as bytes, through the real SDKs, cut wherever a test wants."""

import json
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import httpx2

from actalog_contracts.definitions import ModelChoice
from actalog_llm.adapters.clients import Clients
from actalog_llm.adapters.loading import Adapters
from actalog_llm.ask import Answered, ask
from actalog_llm.providers import Dialect, Endpoint

KEY = "sk-very-secret"
CHOICE = ModelChoice(provider="p", id="m")
Handler = Callable[[httpx2.Request], httpx2.Response]


class Pieces(httpx2.AsyncByteStream):
    """A body that comes in these pieces, and may break off."""

    def __init__(self, pieces: Sequence[bytes | Exception]) -> None:
        self.pieces, self.closed = pieces, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    async def aclose(self) -> None:
        self.closed = True


def sse(*events: object, done: bool = True) -> bytes:
    """OpenAI's form: objects as data lines, then [DONE]; texts are taken as they are."""
    lines = [one if isinstance(one, str) else f"data: {json.dumps(one)}\n\n" for one in events]
    return ("".join(lines) + ("data: [DONE]\n\n" if done else "")).encode()


def named(*events: dict[str, Any]) -> bytes:
    """Anthropic's form: each event under its type."""
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}\n\n" for e in events).encode()


def response(pieces: Sequence[bytes | Exception], **headers: str) -> httpx2.Response:
    kind = {"content-type": "text/event-stream", **headers}
    return httpx2.Response(200, headers=kind, stream=Pieces(pieces))


async def through(
    dialect: Dialect, pieces: Sequence[bytes | Exception] | Handler, choice: ModelChoice = CHOICE
) -> tuple[Answered, list[tuple[str, str]]]:
    """What the adapter makes of a response, and what people would see of it."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        return pieces(request) if callable(pieces) else response(pieces)

    clients = Clients(httpx2.MockTransport(handle))
    adapter = await Adapters(clients).of(dialect)
    shown: list[tuple[str, str]] = []
    where = Endpoint(dialect, "http://model.test/v1", KEY)
    try:
        answered = await ask(
            adapter, where, {"model": "m", "stream": True}, choice,
            lambda kind, text: shown.append((kind, text)),
        )  # fmt: skip
    finally:
        await clients.close()
    return answered, shown


def halves(body: bytes) -> list[list[bytes]]:
    """The body cut in two at every byte."""
    return [[body[:at], body[at:]] for at in range(1, len(body))]


def bytewise(body: bytes) -> list[bytes]:
    return [body[at : at + 1] for at in range(len(body))]


def chunk(delta: Any = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of a chat completion."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "model": "m-1",
        "choices": choices,
        **more,
    }
