"""OpenAI's chat completions, also as compatible servers speak them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx2
from openai import APIError, RequestOptions

from actalog_llm.accumulate_openai import OpenAIAccumulator
from actalog_llm.adapters.clients import Clients
from actalog_llm.adapters.events import Event, events, parsed
from actalog_llm.ports import Opened
from actalog_llm.providers import Endpoint
from actalog_llm.whole import as_json, mapping, text_of

DONE = b"[DONE]"
# As the client has them, but told: the SDK copies what it is not told, and makes a key for each
# request that nobody sends.
OPTIONS: RequestOptions = {
    "headers": {}, "max_retries": 0, "security": {"bearer_auth": True}, "idempotency_key": "",
}  # fmt: skip
REST_S = 0.1  # the body's end comes right after; a connection that is read to it is used again


class OpenAIChat:
    """See `Adapter`. Chunks come as plain JSON: the SDK's models would refuse what servers send
    (null choices, calls without index) or lose it (reasoning)."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients

    def accumulator(self) -> OpenAIAccumulator:
        return OpenAIAccumulator()

    async def open(self, endpoint: Endpoint, body: dict[str, Any], *, connect_s: float) -> Opened:
        """See `Adapter.open`."""
        client = self.clients.openai(endpoint)
        response = await client.post(
            f"{str(client.base_url).rstrip('/')}/chat/completions",  # else it is merged each time
            cast_to=httpx2.Response,
            content=as_json(body).encode(),
            options={**OPTIONS, "timeout": httpx2.Timeout(None, connect=connect_s)},
            stream=True,
        )
        chunks = _chunks(response)
        return Opened(chunks, response.aclose, response.headers.get("x-request-id"))


async def _chunks(response: httpx2.Response) -> AsyncIterator[object]:
    coming = events(response)
    async for _, data in coming:
        if data.startswith(DONE):
            await _rest(coming)
            return
        chunk = parsed(data)
        if told := mapping(chunk).get("error"):
            said = text_of(mapping(told).get("message")) or "the server broke off with an error"
            raise APIError(said, request=response.request, body=told)
        yield chunk


async def _rest(coming: AsyncIterator[Event]) -> None:
    with contextlib.suppress(TimeoutError, httpx2.HTTPError):
        async with asyncio.timeout(REST_S):
            async for _ in coming:
                pass
