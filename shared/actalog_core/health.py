"""A tiny HTTP server for those who watch a service: /health/live, /health/ready, /metrics."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

import orjson

from actalog_core import metrics
from actalog_core.listening import refused

Missing = Callable[[], Awaitable[Sequence[str]]]

READ_LIMIT = 8_192
CLIENT_TIMEOUT_S = 5.0


class HealthServer:
    """A part of a service. `missing` tells what keeps it from being ready; live means that the
    event loop turns, which answering shows."""

    def __init__(self, service: str, *, missing: Missing, host: str, port: int) -> None:
        self.service, self.host, self.port = service, host, port
        self._missing = missing
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Port 0 takes a free one; `port` then has it.

        Raises:
            SettingMissing: the address is taken, or none of this machine's.
        """
        try:
            self._server = await asyncio.start_server(
                self._serve, self.host, self.port, limit=READ_LIMIT
            )
        except OSError as error:
            raise refused(error, self.host, self.port, wanted="ACTALOG_HEALTH_PORT") from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more."""
        server, self._server = self._server, None
        if server is not None:
            server.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await server.wait_closed()

    def ready(self) -> str | None:
        """It is there as soon as it listens."""
        return None if self._server else "health: not listening"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(CLIENT_TIMEOUT_S):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(request))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, request: bytes) -> bytes:
        line = request.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        if len(line) != 3:
            return _response(HTTPStatus.BAD_REQUEST, {"status": "bad request"})
        method, target, _ = line
        if method not in ("GET", "HEAD"):
            return _response(HTTPStatus.METHOD_NOT_ALLOWED, {"status": "only GET is known"})
        said = await self._told(target.partition("?")[0])
        return said.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if method == "HEAD" else said

    async def _told(self, path: str) -> bytes:
        match path:
            case "/health/live":
                return _response(HTTPStatus.OK, {"status": "live", "service": self.service})
            case "/health" | "/health/ready":
                return await self._ready()
            case "/metrics":
                await self._ready()
                return _framed(HTTPStatus.OK, metrics.CONTENT_TYPE, metrics.exposition())
            case _:
                return _response(HTTPStatus.NOT_FOUND, {"status": "not found"})

    async def _ready(self) -> bytes:
        missing = list(await self._missing())
        metrics.READY.labels(self.service).set(not missing)
        status = HTTPStatus.SERVICE_UNAVAILABLE if missing else HTTPStatus.OK
        told = "not ready" if missing else "ready"
        return _response(status, {"status": told, "service": self.service, "missing": missing})


def _response(status: HTTPStatus, content: dict[str, object]) -> bytes:
    return _framed(status, "application/json", orjson.dumps(content))


def _framed(status: HTTPStatus, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {content_type}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
