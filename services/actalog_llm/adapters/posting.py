"""Requests to an endpoint: its SDK makes and sends the first, and the next ones have its head.

For each request an SDK makes address and headers anew, out of options that do not change. That
costs more than to send the request and to read its answer. What a failure is called stays the
SDK's to say.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import httpx2

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
    """Sends bodies to endpoints. `http` is the pool of connections that the SDK sends over, too."""

    def __init__(self, http: Callable[[], httpx2.AsyncClient], errors: Errors) -> None:
        self._http, self._errors = http, errors
        self._heads: dict[Endpoint, tuple[httpx2.URL, httpx2.Headers]] = {}

    async def post(
        self, endpoint: Endpoint, sdk: "Sdk", path: str, content: bytes, *, connect_s: float
    ) -> httpx2.Response:
        """The response's head; its body is to be read.

        Raises:
            What the SDK raises.
        """
        head = self._heads.get(endpoint)
        if head is not None:
            return await self._send(self._again(head, content, connect_s), sdk)
        timeout = httpx2.Timeout(None, connect=connect_s)
        response = await sdk.post(
            path, cast_to=httpx2.Response, content=content, options={"timeout": timeout},
            stream=True,
        )  # fmt: skip
        self._learn(endpoint, response)
        return response

    def _learn(self, endpoint: Endpoint, response: httpx2.Response) -> None:
        """Of the request as it was sent, before it was sent elsewhere."""
        sent = (response.history or [response])[0].request
        if len(self._heads) >= MOST_KNOWN:
            self._heads.clear()
        head = sent.headers.copy()
        head.pop("Cookie", None)  # of that moment; each request has its own
        self._heads[endpoint] = sent.url, head

    def _again(
        self, head: tuple[httpx2.URL, httpx2.Headers], content: bytes, connect_s: float
    ) -> httpx2.Request:
        url, headers = head[0], head[1].copy()
        headers["Content-Length"] = str(len(content))
        timeout = {"connect": connect_s, "read": None, "write": None, "pool": None}
        request = httpx2.Request(
            "POST", url, headers=headers, stream=httpx2.ByteStream(content),
            cookies=self._http().cookies, extensions={"timeout": timeout},
        )  # fmt: skip
        request.read()
        return request

    async def _send(self, request: httpx2.Request, sdk: "Sdk") -> httpx2.Response:
        try:
            response = await self._http().send(request, stream=True)
        except httpx2.TimeoutException as error:
            raise self._errors.APITimeoutError(request=request) from error
        except httpx2.RequestError as error:
            raise self._errors.APIConnectionError(request=request) from error
        if not response.is_success:
            await response.aread()
            raise sdk._make_status_error_from_response(response)  # pyright: ignore[reportPrivateUsage]
        return response
