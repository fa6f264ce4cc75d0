"""HTTP/1.1 as far as a client of the gateway needs it: one request, one response, also a stream.

Small on purpose: the front door brings no HTTP library with it.
"""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from actalog_core.errors import Transient

CONNECT_S = 10.0
LINE_LIMIT = 2**21  # an event of the log in one line of SSE: messages are at most 1 MiB


class NoGateway(Transient):
    """The gateway cannot be reached."""


@dataclass
class Response:
    """Its body is read once."""

    status: int
    headers: Mapping[str, str]
    reader: asyncio.StreamReader

    async def lines(self) -> AsyncIterator[bytes]:
        """The body, line by line, as it comes."""
        buffer = b""
        async for piece in self._pieces():
            *whole, buffer = (buffer + piece).split(b"\n")
            for line in whole:
                yield line.rstrip(b"\r")
        if buffer:
            yield buffer

    async def body(self) -> bytes:
        return b"".join([piece async for piece in self._pieces()])

    async def _pieces(self) -> AsyncIterator[bytes]:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int((await self.reader.readline()).split(b";")[0] or b"0", 16):
                yield await self.reader.readexactly(size)
                await self.reader.readline()
        elif (length := self.headers.get("content-length")) is not None:
            yield await self.reader.readexactly(int(length))
        else:
            while piece := await self.reader.read(65_536):
                yield piece


@asynccontextmanager
async def request(
    base: str,
    method: str,
    path: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> AsyncGenerator[Response]:
    """One request on a connection of its own.

    Raises:
        NoGateway: nobody answers, or the connection is lost.
    """
    url = urlsplit(base)
    secure = url.scheme == "https"
    port = url.port or (443 if secure else 80)
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(
                url.hostname, port, ssl=ssl.create_default_context() if secure else None,
                limit=LINE_LIMIT,
            )  # fmt: skip
    except (OSError, TimeoutError) as error:
        raise NoGateway(f"{base}: {error or 'no answer in time'}") from error
    try:
        told = {"Host": url.netloc, "Connection": "close", "Content-Length": str(len(body))}
        head = [f"{method} {url.path.rstrip('/')}{path} HTTP/1.1"]
        head += [f"{name}: {value}" for name, value in {**told, **(headers or {})}.items()]
        writer.write("\r\n".join((*head, "", "")).encode() + body)
        await writer.drain()
        yield await _response(reader, base)
    except (ConnectionError, asyncio.IncompleteReadError) as error:
        raise NoGateway(f"{base}: the connection was lost") from error
    finally:
        writer.close()


async def _response(reader: asyncio.StreamReader, base: str) -> Response:
    status = (await reader.readline()).split()
    if len(status) < 2 or not status[1].isdigit():
        raise NoGateway(f"{base}: no HTTP answer")
    headers: dict[str, str] = {}
    while line := (await reader.readline()).strip():
        name, _, value = line.decode("latin-1").partition(":")
        headers[name.strip().lower()] = value.strip()
    return Response(int(status[1]), headers, reader)
