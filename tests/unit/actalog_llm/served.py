"""A server on a port of its own that says what a test wants, however wrong it is."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import httpx2

Handle = Callable[[httpx2.Request], httpx2.Response | None]  # None: the connection is closed


def empty(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, content=b"")


class Served:
    """Keeps what it was sent. `answers` are given one after the other, then empty ones."""

    def __init__(self, *answers: Handle) -> None:
        self.seen: list[httpx2.Request] = []
        self.answers = list(answers)
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://localhost:{self.port}"

    async def hear(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _request(reader):
                self.seen.append(request)
                answer = (self.answers.pop(0) if self.answers else empty)(request)
                if answer is None:
                    break
                await _write(writer, answer)
        except (RuntimeError, OSError):  # a body that breaks off, and whoever is gone
            return
        finally:
            writer.close()


async def _request(reader: asyncio.StreamReader) -> httpx2.Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, target, _ = first.split(" ")
    headers = [(name, value.strip()) for name, _, value in (one.partition(":") for one in lines)]
    size = next(int(value) for name, value in headers if name.lower() == "content-length")
    host = next(value for name, value in headers if name.lower() == "host")
    url = target if "://" in target else f"http://{host}{target}"
    return httpx2.Request(method, url, headers=headers, content=await reader.readexactly(size))


async def _write(writer: asyncio.StreamWriter, answer: httpx2.Response) -> None:
    bodiless = answer.status_code == 304
    framing = [] if bodiless else [(b"Transfer-Encoding", b"chunked")]
    kept = [one for one in answer.headers.raw if one[0].lower() != b"content-length"]
    lines = b"".join(b"%s: %s\r\n" % one for one in (*kept, *framing))
    writer.write(b"HTTP/1.1 %d Said\r\n%s\r\n" % (answer.status_code, lines))
    if bodiless:
        return
    assert isinstance(answer.stream, httpx2.AsyncByteStream)
    async for piece in answer.stream:
        if piece:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await writer.drain()
    writer.write(b"0\r\n\r\n")
    await writer.drain()


@asynccontextmanager
async def listening(server: Served) -> AsyncGenerator[asyncio.Server]:
    """While it listens; closed, its port is free."""
    listener = await asyncio.start_server(server.hear, "127.0.0.1", server.port)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        listener.close()


@contextlib.contextmanager
def deaf(port: int):
    """Somebody listens there and takes no connection: its queue is full."""
    with contextlib.ExitStack() as open_ones:
        listener = open_ones.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(0)
        for _ in range(4):
            waiting = open_ones.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(("127.0.0.1", port))
        yield
