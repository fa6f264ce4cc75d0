"""The life of a service: start, be ready, stop."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import structlog

log = structlog.get_logger()


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
                await in_order(part.stop())
            raise

    async def stop(self) -> None:
        """Stop all parts, the last one first; one that fails does not keep the others."""
        for part in reversed(self.parts):
            await in_order(part.stop())

    async def missing(self) -> list[str]:
        """What keeps the service from being ready; empty when it is."""
        told = [part.ready() for part in self.parts]
        told += [await check() for check in self.checks]
        return [what for what in told if what]


async def in_order(stopping: Awaitable[None]) -> None:
    """Stop one; what goes wrong is said, and keeps no other from being stopped."""
    try:
        await stopping
    except Exception as error:  # noqa: BLE001
        log.warning("did not stop in order", error=repr(error))
