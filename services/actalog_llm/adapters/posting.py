"""Requests to an endpoint: its SDK makes and sends the first, and the next ones have its head.

For each request an SDK makes address and headers anew, out of options that do not change, and its
client looks for redirects, cookies and whom to ask. That costs more than to send the request and to
read its answer. What a failure is called stays the SDK's to say.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import httpx2

from actalog_llm.adapters.answers import admit
from actalog_llm.adapters.clients import Clients
from actalog_llm.adapters.direct import Head, head_of, proxied
from actalog_llm.providers import Endpoint

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic
    from openai import AsyncOpenAI

    Sdk = AsyncOpenAI | AsyncAnthropic

MOST_KNOWN = 1_000  # endpoints


class Errors(Protocol):
    """What both SDKs call their failures."""

    @property
    def APITimeoutError(self) -> Callable[..., Exception]: ...
    @property
    def APIConnectionError(self) -> Callable[..., Exception]: ...


class Posting:
    """Sends bodies to endpoints, over the pools of `clients`."""

    def __init__(self, clients: Clients, errors: Errors) -> None:
        self._clients, self._errors = clients, errors
        self._heads: dict[Endpoint, Head] = {}

    async def post(
        self, endpoint: Endpoint, sdk: "Sdk", path: str, content: bytes, *, connect_s: float
    ) -> httpx2.Response:
        """The response's head; its body is to be read.

        Raises:
            What the SDK raises.
        """
        head = self._heads.get(endpoint)
        if head is not None:
            response = await self._directly(head, content, sdk, connect_s)
            if response is not None:
                return response
            self._heads.pop(endpoint, None)
        timeout = httpx2.Timeout(None, connect=connect_s)
        response = await sdk.post(
            path, cast_to=httpx2.Response, content=content, options={"timeout": timeout},
            stream=True,
        )  # fmt: skip
        self._learn(endpoint, response)
        return response

    def _learn(self, endpoint: Endpoint, response: httpx2.Response) -> None:
        """Of what was answered where it was asked."""
        sent = response.request
        if response.history or not self._clients.networked or proxied(sent.url):
            return
        if len(self._heads) >= MOST_KNOWN:
            self._heads.clear()
        self._heads[endpoint] = head_of(sent)

    async def _directly(
        self, head: Head, content: bytes, sdk: "Sdk", connect_s: float
    ) -> httpx2.Response | None:
        """The response, or None where it leads elsewhere now: its SDK follows."""
        try:
            response = await self._clients.direct().post(head, content, connect_s=connect_s)
        except httpx2.TimeoutException as error:
            raise self._errors.APITimeoutError(request=head.request) from error
        except httpx2.RequestError as error:
            raise self._errors.APIConnectionError(request=head.request) from error
        if response.is_success:
            return response
        await admit(response)
        if response.has_redirect_location:
            await response.aclose()
            return None
        await response.aread()
        raise sdk._make_status_error_from_response(response)  # pyright: ignore[reportPrivateUsage]
