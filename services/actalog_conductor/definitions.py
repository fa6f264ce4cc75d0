"""Definitions: pinned ones never change; the current one of a name is asked for every second."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from actalog_contracts.definitions import AgentDefinition
from actalog_log.definitions import PinnedDefinitions
from actalog_log.ports import RunLog

FRESH_S = 1.0  # a new deploy is noticed within it


@dataclass(slots=True)
class _Current:
    until: float = 0.0
    found: tuple[str, AgentDefinition] | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class Definitions(PinnedDefinitions):
    """Those that new runs start with, too."""

    def __init__(self, log: RunLog, *, monotonic: Callable[[], float]) -> None:
        super().__init__(log)
        self.monotonic = monotonic
        self._current: dict[tuple[str, str], _Current] = {}

    async def current(self, kind: str, id: str) -> tuple[str, AgentDefinition] | None:
        """(digest, definition) that a new run starts with; None: nothing has this name."""
        entry = self._current.setdefault((kind, id), _Current())
        if self.monotonic() < entry.until:
            return entry.found
        async with entry.asking:  # many runs at once ask once
            if self.monotonic() >= entry.until:
                now = self.monotonic()
                stored = await self.log.current_definition(kind, id)
                entry.found = stored and (stored[0], self.keep(*stored))
                entry.until = now + FRESH_S
        if entry.found is None:  # a name that is unknown costs no memory
            self._current.pop((kind, id), None)
        return entry.found
