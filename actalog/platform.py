"""All services in one event loop, over whatever bus and log they are given."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self

from actalog.extras import checkable
from actalog.names import NAMES, Name
from actalog.registry import register
from actalog.services import Ground, build
from actalog_bus.envelope import gateway_is_at
from actalog_contracts.definitions import Definition
from actalog_core.service import Part, Service, in_order
from actalog_core.settings import Settings


class Author(Protocol):
    """What is asked of an author's App."""

    def definitions(self) -> Sequence[Definition]: ...

    def callables(self) -> Mapping[str, Callable[..., Any]]: ...


class ScriptedPart:
    """A server whose `start` tells its address, as a part."""

    def __init__(self, server: Any) -> None:
        self._server = server

    async def start(self) -> None:
        """Listen."""
        await self._server.start()

    async def stop(self) -> None:
        """Close."""
        await self._server.stop()

    def ready(self) -> str | None:
        """None when it listens."""
        return self._server.ready()


class Platform:
    """Services that meet on one bus. The bus is started last and stopped first: nothing is heard
    before everybody is there, and what is being heard ends before they go."""

    def __init__(
        self,
        on: Ground,
        *,
        definitions: Sequence[Definition] = (),
        names: Sequence[Name] = NAMES,
        beside: Sequence[Part] = (),
    ) -> None:
        self.on, self.definitions = on, definitions
        if "guardrails" in names:
            checkable(definitions)
        self.services = [build(name, on) for name in names]
        if beside:  # what services need before they start, a model server for example
            self.services.insert(0, Service("beside", beside))
        self._started: list[Service] = []

    @classmethod
    def in_memory(cls, app: Author, *, settings: Settings | None = None) -> Self:
        """The same services over doubles: nothing is kept, and nothing is served over HTTP.
        Without a model key the scripted model server answers."""
        from actalog.scripted_models import scripted_unless_named
        from actalog_bus.memory import MemoryBus
        from actalog_core.logging import plainly
        from actalog_log.memories import MemoryMemories
        from actalog_log.memory import MemoryLog

        plainly()
        log = MemoryLog()
        told, server = scripted_unless_named(settings or Settings.from_env())
        ground = Ground(
            bus=MemoryBus(), log=log, calls=log.calls, memories=MemoryMemories(log), settings=told,
            callables=app.callables(),
        )  # fmt: skip
        names: list[Name] = [name for name in NAMES if name != "gateway"]
        beside = [ScriptedPart(server)] if server else []
        return cls(ground, definitions=app.definitions(), names=names, beside=beside)

    async def start(self) -> None:
        """Register the definitions, start the services, then hear."""
        gateway_is_at(self.on.settings.gateway)
        await register(self.on.log, self.definitions)
        try:
            for service in self.services:
                await service.start()
                self._started.append(service)
            await self.on.bus.start()
        except BaseException:
            await self._stop_services()
            raise

    async def stop(self, grace_s: float = 10.0) -> None:
        """Hear nothing new, finish what is being heard, stop the services."""
        await in_order(self.on.bus.stop(grace_s))
        await self._stop_services()

    async def _stop_services(self) -> None:
        started, self._started = self._started, []
        for service in reversed(started):
            await service.stop()

    def ready(self) -> str | None:
        """None when the bus hears."""
        return self.on.bus.ready()

    async def missing(self) -> list[str]:
        """What keeps the platform from being ready."""
        bus = self.on.bus.ready()
        told = [bus] if bus else []
        for service in self.services:
            told += [f"{service.name}: {what}" for what in await service.missing()]
        return told
