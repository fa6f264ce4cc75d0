"""uvicorn as a part of the service: starts when it listens, stops although streams are open."""

import asyncio
import contextlib
import socket
from collections.abc import Callable, Generator

import uvicorn
from starlette.types import ASGIApp

from actalog_core.listening import refused
from actalog_gateway.streaming import HttpProtocol, OpenStream

GRACE_S = 1  # streams were told to end before; the rest is requests in flight
TICK_S = 1.0  # uvicorn's own ten wakes a second are an idle platform's cost
CLIENT_GONE_MS = 30_000


class _Server(uvicorn.Server):
    """Signals are the service's; the loop sleeps until it is told to stop."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def main_loop(self) -> None:
        while not await self.on_tick(0):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self.stopping.wait()
            now = asyncio.get_running_loop().time()
            for one in list(self.server_state.connections):
                if isinstance(one, OpenStream | HttpProtocol):
                    one.tick(now)

    def streams(self) -> list[OpenStream]:
        """The clients that follow a stream now."""
        return [one for one in self.server_state.connections if isinstance(one, OpenStream)]


class HttpServer:
    """A part. `closing` is called before it stops: whoever streams ends."""

    def __init__(self, app: ASGIApp, *, host: str, port: int, closing: Callable[[], None]) -> None:
        self.app, self.host, self.port, self.closing = app, host, port, closing
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Returns when it listens. Port 0 takes a free one; `port` then has it.

        Raises:
            SettingMissing: the address is taken, or none of this machine's.
        """
        listening = _listen(self.host, self.port)
        self.port = listening.getsockname()[1]
        config = uvicorn.Config(
            self.app, http=HttpProtocol, ws="none", lifespan="off", access_log=False,
            log_config=None, server_header=False, timeout_keep_alive=65,
            timeout_graceful_shutdown=GRACE_S,
        )  # fmt: skip
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started:
            if self._task.done():
                self._task.result()
            await asyncio.sleep(0.005)

    async def stop(self) -> None:
        """End streams, finish requests within the grace, then close."""
        self.closing()
        server, task = self._server, self._task
        self._server = self._task = None
        if server is None or task is None:
            return
        server.should_exit = True
        server.stopping.set()
        _, late = await asyncio.wait([task], timeout=GRACE_S + 1.0)
        await asyncio.gather(*(stream.abort() for stream in server.streams()))
        for one in late:
            one.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await one

    def ready(self) -> str | None:
        return None if self._server and self._server.started else "http: not listening"


def _listen(host: str, port: int) -> socket.socket:
    """A connection whose client takes nothing any more is closed by the kernel: a closed
    transport would wait for ever for the last bytes to leave."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, CLIENT_GONE_MS)
        listening.bind((host, port))
        listening.listen(2_048)
        listening.setblocking(False)
    except OSError as error:
        listening.close()
        raise refused(error, host, port, wanted="ACTALOG_PORT") from error
    return listening
