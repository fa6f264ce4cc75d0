"""The life of a service: start, be ready, drain on SIGTERM, stop."""

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol


class Part(Protocol):
    """Something that is started and stopped with a service: a bus, a supervisor, a server."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def ready(self) -> str | None:
        """None when ready; else what is missing."""
        ...


@dataclass
class Service:
    """A named list of parts, started in order and stopped in reverse."""

    name: str
    parts: Sequence[Part]
    checks: Sequence[Callable[[], Awaitable[str | None]]] = field(
        default_factory=list[Callable[[], Awaitable[str | None]]]
    )

    async def start(self) -> None:
        """Start all parts; if one fails, stop those that had started."""
        started: list[Part] = []
        try:
            for part in self.parts:
                await part.start()
                started.append(part)
        except BaseException:
            for part in reversed(started):
                with contextlib.suppress(Exception):
                    await part.stop()
            raise

    async def stop(self) -> None:
        """Stop all parts, the last one first; one that fails does not keep the others."""
        for part in reversed(self.parts):
            with contextlib.suppress(Exception):
                await part.stop()

    async def missing(self) -> list[str]:
        """What keeps the service from being ready; empty when it is."""
        told = [part.ready() for part in self.parts]
        told += [await check() for check in self.checks]
        return [what for what in told if what]


async def run_until_signal(service: Service) -> None:
    """Run a service until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, stop.set)
    await service.start()
    try:
        await stop.wait()
    finally:
        await service.stop()
