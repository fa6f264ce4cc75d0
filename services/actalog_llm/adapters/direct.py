"""Requests whose head is known, over aiohttp without what an SDK's client has around it: that is a
third of what sending a request and reading the head of its answer costs."""

import ssl
from collections.abc import AsyncIterator
from functools import lru_cache
from urllib.request import getproxies, proxy_bypass

import aiohttp
import httpx2
from aiohttp import ClientResponse, ClientSession, ClientTimeout, TCPConnector
from multidict import CIMultiDict
from yarl import URL

from actalog_core.values import frozen

KEEP_S = 5.0  # an idle connection; as the SDKs' own pools do


@frozen
class Head:
    """Of a request: its address and headers, without what only one of them has."""

    request: httpx2.Request
    url: URL
    headers: CIMultiDict[str]


def head_of(sent: httpx2.Request) -> Head:
    """What another request to the same place will have as well."""
    headers = sent.headers.copy()
    for name in ("Cookie", "Content-Length"):
        headers.pop(name, None)
    request = httpx2.Request(sent.method, sent.url, headers=headers)
    return Head(request, URL(str(sent.url), encoded=True), CIMultiDict(headers.items()))


class Direct:
    """A pool of connections. Cookies go with its requests, redirects are the caller's."""

    def __init__(self, most_connections: int) -> None:
        self._most = most_connections
        self._session: ClientSession | None = None

    async def post(self, head: Head, content: bytes, *, connect_s: float) -> httpx2.Response:
        """The response's head; its body is to be read.

        Raises:
            httpx2.ConnectTimeout, httpx2.ConnectError, httpx2.ReadError: no answer.
        """
        if self._session is None:
            self._session = _session(self._most)
        try:
            answered = await self._session.post(
                head.url, data=content, headers=head.headers, allow_redirects=False,
                timeout=_within(connect_s), auto_decompress=False,
            )  # fmt: skip
        except aiohttp.ConnectionTimeoutError as error:
            raise httpx2.ConnectTimeout(str(error)) from error
        except aiohttp.ClientConnectorError as error:
            raise httpx2.ConnectError(str(error)) from error
        except (aiohttp.ClientError, OSError) as error:
            raise httpx2.ReadError(str(error) or type(error).__name__) from error
        return httpx2.Response(
            answered.status, headers=answered.raw_headers, stream=Body(answered),
            request=head.request, extensions={"reason_phrase": (answered.reason or "").encode()},
        )  # fmt: skip

    async def close(self) -> None:
        """Close the pool."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def proxied(url: httpx2.URL) -> bool:
    """Whether the environment names a proxy for it: that is the SDKs' business."""
    return bool(getproxies().keys() & {url.scheme, "all"}) and not proxy_bypass(url.host)


class Body(httpx2.AsyncByteStream):
    """What comes of an answer, as it comes."""

    def __init__(self, answered: ClientResponse) -> None:
        self._answered = answered

    @property
    def whole(self) -> bool:
        """All of it has come; what was not read yet is of no use to the connection."""
        return self._answered.content.is_eof()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content = self._answered.content
        try:
            while piece := await content.readany():
                yield piece
        except (aiohttp.ClientError, OSError) as error:
            raise httpx2.ReadError(str(error) or type(error).__name__) from error

    async def aclose(self) -> None:
        self._answered.release()
        await self._answered.wait_for_close()


def _session(most: int) -> ClientSession:
    certificates: ssl.SSLContext = httpx2.create_ssl_context()
    pool = TCPConnector(limit=most, keepalive_timeout=KEEP_S, ssl=certificates)
    return ClientSession(connector=pool)


@lru_cache(64)
def _within(connect_s: float) -> ClientTimeout:
    return ClientTimeout(sock_connect=connect_s)
