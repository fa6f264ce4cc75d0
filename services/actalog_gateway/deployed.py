"""What is deployed, as it was within the last second: no request waits for the same answer."""

import time
from collections.abc import Sequence

from actalog_contracts.definitions import AgentDefinition
from actalog_core.clock import Monotonic
from actalog_core.misfits import MOST_NAMES, some
from actalog_gateway.problems import Problem
from actalog_log.ports import RunLog

FRESH_S = 1.0


class Deployed:
    """Definitions by name. What is not known is looked up at once: it may be new."""

    def __init__(self, log: RunLog, *, monotonic: Monotonic = time.monotonic) -> None:
        self.log, self.monotonic = log, monotonic
        self._until = 0.0
        self._targets: dict[str, str] = {}
        self._bodies: dict[str, bytes] = {}
        self._agents: dict[str, AgentDefinition] = {}

    async def target(self, name: str) -> str:
        """`agent:<id>` of a target, or of a bare id that only one thing has.

        Raises:
            Problem: there is none; it names those that are deployed.
        """
        await self._know(name)
        if name in self._targets:
            return self._targets[name]
        known = sorted(set(self._targets.values()))
        said = f"there is no {name[:200]!r}; deployed: {some(known)}"
        raise Problem("unknown_target", said, field="target", known=known[:MOST_NAMES])

    async def agent(self, id: str) -> AgentDefinition | None:
        """An agent's definition; None where there is none."""
        name = f"agent:{id}"
        await self._know(name)
        if name not in self._agents and name in self._bodies:
            self._agents[name] = AgentDefinition.model_validate_json(self._bodies[name])
        return self._agents.get(name)

    async def _know(self, name: str) -> None:
        now = self.monotonic()
        if name in self._targets and now < self._until:
            return
        found = await self.log.current_definitions()
        self._until = now + FRESH_S
        self._targets = _targets(found)
        bodies = {f"{kind}:{id}": body for kind, id, _, body in found}
        same = {name for name, body in bodies.items() if self._bodies.get(name) == body}
        self._agents = {name: one for name, one in self._agents.items() if name in same}
        self._bodies = bodies


def _targets(found: Sequence[tuple[str, str, str, bytes]]) -> dict[str, str]:
    ids = [id for _, id, _, _ in found]
    named = {f"{kind}:{id}": f"{kind}:{id}" for kind, id, _, _ in found}
    bare = {id: f"{kind}:{id}" for kind, id, _, _ in found if ids.count(id) == 1}
    return bare | named
