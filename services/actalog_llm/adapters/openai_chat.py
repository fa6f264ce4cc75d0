"""OpenAI's chat completions, also as compatible servers speak them."""

from typing import Any

import httpx2
from openai import AsyncStream

from actalog_llm.accumulate_openai import OpenAIAccumulator
from actalog_llm.adapters.clients import Clients
from actalog_llm.ports import Opened
from actalog_llm.providers import Endpoint


class OpenAIChat:
    """See `Adapter`. Chunks come as plain JSON: the SDK's models would refuse what servers send
    (null choices, calls without index) or lose it (reasoning)."""

    def __init__(self, clients: Clients) -> None:
        self.clients = clients

    def accumulator(self) -> OpenAIAccumulator:
        return OpenAIAccumulator()

    async def open(self, endpoint: Endpoint, body: dict[str, Any], *, connect_s: float) -> Opened:
        """See `Adapter.open`."""
        stream = await self.clients.openai(endpoint).post(
            "/chat/completions",
            cast_to=object,
            body=body,
            options={"timeout": httpx2.Timeout(None, connect=connect_s)},
            stream=True,
            stream_cls=AsyncStream[object],
        )
        headers = stream.response.headers
        return Opened(aiter(stream), stream.close, headers.get("x-request-id"))
