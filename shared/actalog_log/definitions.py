"""Definitions by their digest: what a run has pinned never changes, so a service reads it once."""

from actalog_contracts.definitions import AgentDefinition
from actalog_core.errors import Permanent
from actalog_log.ports import RunLog

MOST = 1_000


class UnknownDefinition(Permanent):
    """The run's definition is not registered."""


class PinnedDefinitions:
    """Warmth: what is not in it is read anew."""

    def __init__(self, log: RunLog) -> None:
        self.log = log
        self._known: dict[str, AgentDefinition] = {}

    async def pinned(self, digest: str) -> AgentDefinition:
        """The definition that a run started with.

        Raises:
            UnknownDefinition: nobody registered it.
        """
        if (known := self._known.get(digest)) is not None:
            return known
        stored = await self.log.get_definition(digest)
        if stored is None:
            raise UnknownDefinition(digest)
        return self.keep(digest, stored)

    def keep(self, digest: str, stored: bytes) -> AgentDefinition:
        """What was read in another way: it is of this digest."""
        if digest not in self._known:
            if len(self._known) >= MOST:
                self._known.clear()
            self._known[digest] = AgentDefinition.model_validate_json(stored)
        return self._known[digest]
