"""Anthropic's messages."""

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
from anthropic import APIStatusError

from actalog_llm.accumulate_anthropic import AnthropicAccumulator
from actalog_llm.adapters.clients import Clients
from actalog_llm.adapters.events import COMMENT, content_type, events, parsed
from actalog_llm.adapters.posting import Posting
from actalog_llm.ports import Opened
from actalog_llm.providers import Endpoint
from actalog_llm.whole import ALIVE, as_json

MOST_SAID = 8_000  # bytes of an error in a stream, where it has no words of its own


class AnthropicMessages:
    """See `Adapter`. Events come as plain JSON."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients
        self.posting = Posting(clients, anthropic)

    def accumulator(self) -> AnthropicAccumulator:
        return AnthropicAccumulator()

    async def open(self, endpoint: Endpoint, body: dict[str, Any], *, connect_s: float) -> Opened:
        """See `Adapter.open`."""
        response = await self.posting.post(
            endpoint, self.clients.anthropic(endpoint), "/v1/messages", as_json(body).encode(),
            connect_s=connect_s,
        )  # fmt: skip
        await content_type(response)
        return Opened(_events(response), response.aclose, response.headers.get("request-id"))


async def _events(response: httpx2.Response) -> AsyncIterator[object]:
    async for name, data in events(response):
        if name == "error":
            said = data[:MOST_SAID].decode("utf-8", "replace")
            raise APIStatusError(said, response=response, body=_told(data))
        if name in ("ping", COMMENT[0]):
            yield ALIVE
        elif name and data:
            yield parsed(data)


def _told(data: bytes) -> object:
    try:
        return parsed(data)
    except ValueError:
        return data.decode("utf-8", "replace")
