"""Connections that became streams. A client of a stream waits for hours and says nothing: uvicorn
hands its connection over, and what answered the request is freed (10 times less memory)."""

import asyncio
from collections.abc import AsyncGenerator, MutableSet
from contextlib import aclosing
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from actalog_core import metrics
from actalog_core.errors import Transient

HAND_OVER = "actalog.stream"  # the ASGI extension: takes the frames that follow the headers
HEARTBEAT_S = 10.0  # proxies close what is silent for 15 to 30 s
SEND_TIMEOUT_S = 20.0  # a client that takes nothing for so long is gone
HEAD_MOST = 65_536  # bytes in a row that are no body: a request's line and headers, or trailers
HEAD_S = 30.0  # from its first byte, or the connection, to the end of its headers
ENDING_S = 1.0  # what makes frames has no more than this to end
HEARTBEAT = b": heartbeat\n"  # no frame: it may come before the first one is whole
HEAD_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)

log = structlog.get_logger()


class CutOff(Transient):
    """What follows is not told here."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's, with the extension, and with an end to what comes before and behind a request's
    body: its parser takes headers of any length, each piece slower than the one before."""

    answering: RequestResponseCycle | None = None  # `cycle` may be of a request that waits behind
    went_on = False  # in what came just now a head, a piece of a body, or a request was complete
    head_bytes = 0  # since that was so
    since: float | None = None  # when its first byte came, or the connection
    within_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.since = asyncio.get_running_loop().time()

    def data_received(self, data: bytes) -> None:
        self.went_on = False
        super().data_received(data)
        self.head_bytes = 0 if self.went_on else self.head_bytes + len(data)
        if self.head_bytes > HEAD_MOST and not self.transport.is_closing():
            self.transport.write(HEAD_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        self.within_head, self.since, self.went_on = False, None, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.went_on = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self.within_head = self.went_on = True
        super().on_message_complete()

    def tick(self, now: float) -> None:
        """About once a second: whoever says half a request is not waited for without end."""
        if self.within_head and self.since is not None and now - self.since > HEAD_S:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self.answering = cycle
        super()._start_asgi_task(cycle, _unframed(cycle, app) if _is_old(cycle) else app)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.since = self.since or asyncio.get_running_loop().time()
        self.scope["extensions"] = {HAND_OVER: self.hand_over}  # pyright: ignore[reportGeneralTypeIssues]

    def hand_over(self, frames: AsyncGenerator[bytes, None]) -> None:
        """The headers of a chunked answer were sent; its body is `frames`. For uvicorn the request
        is over: nothing refers to it any more, so that it is freed without a collection."""
        chunked = True
        if self.answering is not None:
            chunked = not _is_old(self.answering)
            self.answering.disconnected = True  # it would close what was not answered to the end
        self.pipeline.clear()
        if not self.transport.is_closing():
            self.flow.resume_reading()
            stream = OpenStream(self.transport, self.connections, frames, chunked=chunked)
            if self.flow.write_paused:
                stream.pause_writing()
            self.transport.set_protocol(stream)
        self.connections.discard(self)
        self.parser = self.scope = self.headers = self.cycle = self.answering = None  # type: ignore[assignment]


def _is_old(cycle: RequestResponseCycle) -> bool:
    return cycle.scope["http_version"] == "1.0"


def _unframed(cycle: RequestResponseCycle, app: Any) -> Any:
    """HTTP/1.0, which some proxies speak, knows no chunks: what has no length ends with its
    connection."""

    async def answered(scope: Any, receive: Any, send: Any) -> None:
        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message["headers"]}
                if b"content-length" not in names:
                    cycle.chunked_encoding = False
            await send(message)

        await app(scope, receive, sent)

    return answered


class OpenStream(asyncio.Protocol):
    """One client: writes frames as chunks, no faster than they are taken."""

    __slots__ = ("_at", "_chunked", "_connections", "_room", "_task", "_transport")

    def __init__(
        self, transport: asyncio.Transport, connections: MutableSet[Any],
        frames: AsyncGenerator[bytes, None], *, chunked: bool = True,
    ) -> None:  # fmt: skip
        self._transport, self._connections, self._chunked = transport, connections, chunked
        self._room: asyncio.Future[None] | None = None  # while the client takes nothing
        self._at = 0.0  # of the last frame, or since when the client takes nothing
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._write_all(frames))
        connections.add(self)

    async def _write_all(self, frames: AsyncGenerator[bytes, None]) -> None:
        try:
            async with aclosing(frames):
                async for frame in frames:
                    self._write(frame)
                    del frame  # the next may be hours away
                    if self._room is not None:
                        await self._room
        except Transient as error:
            log.debug("a stream was cut off", reason=type(error).__name__)
            self._transport.close()  # it must not look whole: its last chunk is missing
        except Exception as error:
            log.error("a stream failed", exc_info=error)
            self._transport.abort()
        else:
            if self._chunked:
                self._transport.write(b"0\r\n\r\n")
            self._transport.close()

    def _write(self, frame: bytes) -> None:
        self._at = asyncio.get_running_loop().time()
        self._transport.write(b"%x\r\n%b\r\n" % (len(frame), frame) if self._chunked else frame)

    def tick(self, now: float) -> None:
        """About once a second: a heartbeat where nothing happens, an end where nothing is taken."""
        if self._room is not None:
            if now - self._at > SEND_TIMEOUT_S:
                metrics.SSE_DROPPED.inc()
                self._transport.abort()
        elif now - self._at >= HEARTBEAT_S and not self._transport.is_closing():
            self._write(HEARTBEAT)

    def pause_writing(self) -> None:
        loop = asyncio.get_running_loop()
        self._at, self._room = loop.time(), loop.create_future()

    def resume_writing(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._task.cancel()

    def shutdown(self) -> None:
        """uvicorn stops: whoever makes the frames was told before and ends them."""

    async def abort(self) -> None:
        """The grace is over. Back when whoever made the frames has ended."""
        self._transport.abort()
        await asyncio.wait([self._task], timeout=ENDING_S)
