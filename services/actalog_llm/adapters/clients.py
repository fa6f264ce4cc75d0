"""The SDKs' clients, one for each endpoint, over pools of connections."""

import asyncio
from typing import TYPE_CHECKING

from actalog_llm.providers import Endpoint

if TYPE_CHECKING:
    import anthropic
    import httpx2
    import openai

    from actalog_llm.adapters.direct import Direct

MOST_CONNECTIONS = 1_000
IDLE_CONNECTIONS = 256


class Clients:
    """Made when they are first needed, and kept. `transport` replaces the network in tests."""

    def __init__(self, transport: "httpx2.AsyncBaseTransport | None" = None) -> None:
        self.transport = transport
        self._http: httpx2.AsyncClient | None = None
        self._direct: Direct | None = None
        self._openai: dict[Endpoint, openai.AsyncOpenAI] = {}
        self._anthropic: dict[Endpoint, anthropic.AsyncAnthropic] = {}

    def http(self) -> "httpx2.AsyncClient":
        """The pool. It has no timeouts of its own: each request brings its."""
        if self._http is None:
            import httpx2
            from openai import DefaultAioHttpClient

            from actalog_llm.adapters.answers import admit

            # Over aiohttp a streamed call costs half of what it costs over httpx2's own transport,
            # which looks at every connection of the pool for each request.
            self._http = DefaultAioHttpClient(
                transport=self.transport,
                timeout=None,
                follow_redirects=True,
                event_hooks={"response": [admit]},
                limits=httpx2.Limits(
                    max_connections=MOST_CONNECTIONS, max_keepalive_connections=IDLE_CONNECTIONS
                ),
            )
        return self._http

    @property
    def networked(self) -> bool:
        """Whether requests leave over the network."""
        return self.transport is None

    def direct(self) -> "Direct":
        """The pool of requests whose head is known."""
        if self._direct is None:
            from actalog_llm.adapters.direct import Direct

            self._direct = Direct(MOST_CONNECTIONS)
        return self._direct

    def openai(self, endpoint: Endpoint) -> "openai.AsyncOpenAI":
        known = self._openai.get(endpoint)
        if known is None:
            import httpx2
            import openai

            url = httpx2.URL(endpoint.base_url)  # Azure's has a query: ?api-version=...
            known = self._openai[endpoint] = openai.AsyncOpenAI(
                api_key=endpoint.api_key, base_url=url.copy_with(query=None), max_retries=0,
                http_client=self.http(), default_headers=dict(endpoint.headers),
                default_query=dict(url.params),
            )  # fmt: skip
            # The SDK takes these from the environment, and would tell them to every provider.
            known.organization = known.project = None
        return known

    def anthropic(self, endpoint: Endpoint) -> "anthropic.AsyncAnthropic":
        known = self._anthropic.get(endpoint)
        if known is None:
            import anthropic

            known = self._anthropic[endpoint] = anthropic.AsyncAnthropic(
                api_key=endpoint.api_key, base_url=endpoint.base_url, max_retries=0,
                http_client=self.http(), default_headers=dict(endpoint.headers),
            )  # fmt: skip
        return known

    async def close(self) -> None:
        """Close the pools."""
        http, self._http = self._http, None
        direct, self._direct = self._direct, None
        self._openai.clear()
        self._anthropic.clear()
        if http is not None:
            await asyncio.shield(http.aclose())
        if direct is not None:
            await asyncio.shield(direct.close())
