"""Anthropic's messages."""

from typing import Any

import httpx2
from anthropic import AsyncStream

from actalog_llm.accumulate_anthropic import AnthropicAccumulator
from actalog_llm.adapters.clients import Clients
from actalog_llm.ports import Opened
from actalog_llm.providers import Endpoint


class AnthropicMessages:
    """See `Adapter`. Events come as plain JSON."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients

    def accumulator(self) -> AnthropicAccumulator:
        return AnthropicAccumulator()

    async def open(self, endpoint: Endpoint, body: dict[str, Any], *, connect_s: float) -> Opened:
        """See `Adapter.open`."""
        stream = await self.clients.anthropic(endpoint).post(
            "/v1/messages",
            cast_to=object,
            body=body,
            options={"timeout": httpx2.Timeout(None, connect=connect_s)},
            stream=True,
            stream_cls=AsyncStream[object],
        )
        return Opened(aiter(stream), stream.close, stream.response.headers.get("request-id"))
