"""Definitions: pinned ones never change; the current one of a name is asked for every second."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from actalog_contracts.definitions import AgentDefinition
from actalog_core.errors import Permanent
from actalog_log.ports import RunLog

FRESH_S = 1.0  # a new deploy is noticed within it
MOST = 1_000


class UnknownDefinition(Permanent):
    """The run's definition is not registered."""


@dataclass(slots=True)
class _Current:
    until: float = 0.0
    found: tuple[str, AgentDefinition] | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Definitions:
    """Reads each definition once."""

    def __init__(self, log: RunLog, *, monotonic: Callable[[], float]) -> None:
        self.log, self.monotonic = log, monotonic
        self._pinned: dict[str, AgentDefinition] = {}
        self._current: dict[tuple[str, str], _Current] = {}

    async def pinned(self, digest: str) -> AgentDefinition:
        """The definition that a run started with.

        Raises:
            UnknownDefinition: nobody registered it.
        """
        if (known := self._pinned.get(digest)) is not None:
            return known
        stored = await self.log.get_definition(digest)
        if stored is None:
            raise UnknownDefinition(digest)
        return self._keep(digest, stored)

    async def current(self, kind: str, id: str) -> tuple[str, AgentDefinition] | None:
        """(digest, definition) that a new run starts with; None: nothing has this name."""
        entry = self._current.setdefault((kind, id), _Current())
        if self.monotonic() < entry.until:
            return entry.found
        async with entry.asking:  # many runs at once ask once
            if self.monotonic() >= entry.until:
                now = self.monotonic()
                stored = await self.log.current_definition(kind, id)
                entry.found = stored and (stored[0], self._keep(*stored))
                entry.until = now + FRESH_S
        if entry.found is None:  # a name that is unknown costs no memory
            self._current.pop((kind, id), None)
        return entry.found

    def _keep(self, digest: str, stored: bytes) -> AgentDefinition:
        if digest not in self._pinned:
            if len(self._pinned) >= MOST:
                self._pinned.clear()
            self._pinned[digest] = AgentDefinition.model_validate_json(stored)
        return self._pinned[digest]
