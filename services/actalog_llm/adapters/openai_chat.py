"""OpenAI's chat completions, also as compatible servers speak them."""

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

import httpx2
import openai
from openai import APIError

from actalog_llm.accumulate_openai import OpenAIAccumulator
from actalog_llm.adapters.clients import Clients
from actalog_llm.adapters.direct import Body
from actalog_llm.adapters.events import (
    COMMENT,
    Event,
    content_type,
    document,
    events,
    parsed,
    peeked,
)
from actalog_llm.adapters.posting import Posting
from actalog_llm.failures import within
from actalog_llm.ports import Opened
from actalog_llm.providers import Endpoint
from actalog_llm.whole import ALIVE, Broken, as_json, mapping, text_of

DONE = b"[DONE]"
REST_S = 0.1  # the body's end comes right after; a connection that is read to it is used again


class OpenAIChat:
    """See `Adapter`. Chunks come as plain JSON: the SDK's models would refuse what servers send
    (null choices, calls without index) or lose it (reasoning)."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.posting = Posting(clients, openai)

    def accumulator(self) -> OpenAIAccumulator:
        return OpenAIAccumulator()

    async def open(self, endpoint: Endpoint, body: dict[str, Any], *, connect_s: float) -> Opened:
        """See `Adapter.open`."""
        response = await self.posting.post(
            endpoint, self.clients.openai(endpoint), "/chat/completions", as_json(body).encode(),
            connect_s=connect_s,
        )  # fmt: skip
        whole = await content_type(response) == "application/json"
        chunks = _document(response) if whole else _chunks(response)
        return Opened(chunks, response.aclose, response.headers.get("x-request-id"))


async def _chunks(
    response: httpx2.Response, body: AsyncIterable[bytes] | None = None
) -> AsyncIterator[object]:
    coming = events(response, body)
    async for name, data in coming:
        if name == COMMENT[0] or not data.strip():
            yield ALIVE
            continue
        if data.startswith(DONE):
            await _rest(response, coming)
            return
        chunk = parsed(data)
        if told := mapping(chunk).get("error") or (chunk if name == "error" else None):
            raise _error(response, told)
        yield chunk


async def _document(response: httpx2.Response) -> AsyncIterator[object]:
    """Of a server that does not stream: its answer in one piece, or an error under a good status,
    as LM Studio tells of a wrong path. Some give a stream that name, too."""
    first, body = await peeked(response)
    if first not in (b"{", b"[", b""):
        async for chunk in _chunks(response, body):
            yield chunk
        return
    chunk = await document(body)
    if told := mapping(chunk).get("error"):
        error = _error(response, told)
        raise error if within(error) else Broken("invalid_request", error.message)
    yield chunk


def _error(response: httpx2.Response, told: object) -> APIError:
    said = text_of(mapping(told).get("message")) or text_of(told)
    said = said or "the server broke off with an error"
    return APIError(said, request=response.request, body=told)


async def _rest(response: httpx2.Response, coming: AsyncIterator[Event]) -> None:
    if isinstance(response.stream, Body) and response.stream.whole:
        return
    with contextlib.suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(REST_S):
            async for _ in coming:
                pass
