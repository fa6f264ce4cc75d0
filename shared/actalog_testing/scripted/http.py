"""Just enough HTTP/1.1: requests with a length, keep-alive, chunked responses that may break.

An asyncio protocol without streams or tasks for the common case: a response without pauses is
one write, which is what lets a server on part of a core answer thousands of requests a second.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from http import HTTPStatus
from typing import TypeAlias, cast

MAX_HEAD = 65_536
MAX_BODY = 256 * 1_048_576


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is sent for so long."""

    seconds: float


class Ending(Enum):
    CUT = "the connection is closed in the middle"


Step: TypeAlias = bytes | Pause | Ending


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Steps before the head are pauses only; `chunked` when the body is a stream."""

    status: int
    content_type: str
    body: Sequence[Step]
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    before: Sequence[Pause] = ()
    chunked: bool = False

    def steps(self) -> Sequence[Step]:
        """What is written and waited for, framed."""
        length = sum(len(step) for step in self.body if isinstance(step, bytes))
        framing = "transfer-encoding: chunked" if self.chunked else f"content-length: {length}"
        extra = "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        head = (
            f"HTTP/1.1 {self.status} {_phrase(self.status)}\r\n"
            f"content-type: {self.content_type}\r\n{extra}{framing}\r\n\r\n"
        )
        if not self.chunked:
            return [*self.before, head.encode(), *self.body]
        framed = [_chunk(step) if isinstance(step, bytes) else step for step in self.body]
        return [*self.before, head.encode(), *framed, b"0\r\n\r\n"]


class Connection(asyncio.Protocol):
    """One client. Requests are answered one after the other."""

    def __init__(
        self, answer: Callable[[HttpRequest], HttpResponse], alive: set["Connection"]
    ) -> None:
        self._answer, self._alive = answer, alive
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._sending: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        self._alive.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._alive.discard(self)
        self._transport = None
        if self._sending is not None:
            self._sending.cancel()

    def close(self) -> None:
        """Close at once, whatever is being sent."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._serve()

    def _serve(self) -> None:
        while self._sending is None and self._transport is not None:
            try:
                request = self._take()
            except ValueError as error:
                self._transport.write(_refusal(str(error)))
                self._transport.close()
                return
            if request is None:
                return
            self._send(self._answer(request).steps())

    def _take(self) -> HttpRequest | None:
        """The next whole request of the buffer; None while it is not there yet."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self._buffer) > MAX_HEAD:
                raise ValueError("the head is too long")
            return None
        line, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        pairs = (one.partition(":") for one in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        length = _length(headers)
        if len(self._buffer) < end + 4 + length:
            if "expect" in headers and len(self._buffer) == end + 4 and self._transport:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            return None
        body = bytes(self._buffer[end + 4 : end + 4 + length])
        del self._buffer[: end + 4 + length]
        method, _, rest = line.partition(" ")
        return HttpRequest(method, rest.partition(" ")[0], headers, body)

    def _send(self, steps: Sequence[Step]) -> None:
        transport = self._transport
        assert transport is not None
        if all(isinstance(step, bytes) for step in steps):
            transport.write(b"".join(step for step in steps if isinstance(step, bytes)))
            return
        self._sending = asyncio.ensure_future(self._send_slowly(transport, steps))

    async def _send_slowly(self, transport: asyncio.Transport, steps: Sequence[Step]) -> None:
        for step in steps:
            match step:
                case bytes():
                    transport.write(step)
                case Pause(seconds=seconds):
                    await asyncio.sleep(seconds)
                case Ending.CUT:
                    transport.close()  # what was written is sent, an ending is not
                    return
        self._sending = None
        self._serve()


def _length(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise ValueError("requests need a content-length")
    told = headers.get("content-length", "0")
    if not told.isascii() or not told.isdigit() or int(told) > MAX_BODY:
        raise ValueError(f"content-length {told[:20]!r} is not taken")
    return int(told)


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(piece), piece) if piece else b""


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"  # 529 is Anthropic's own


def _refusal(message: str) -> bytes:
    told = message.encode()
    return b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (
        len(told),
        told,
    )
