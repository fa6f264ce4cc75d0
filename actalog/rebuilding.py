"""Any run at any seq, from the log alone (design 9)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from actalog_conductor import agent_run
from actalog_conductor.hearing import UnknownDefinition, identity
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import RunEvent
from actalog_core.events import decode
from actalog_log.ports import FoundRun, RunLog, StoredEvent


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run as the log has it: `events` are `stored`, decoded."""

    found: FoundRun
    definition: AgentDefinition
    stored: Sequence[StoredEvent]
    events: Sequence[RunEvent]

    def initial(self) -> Any:
        """The state before the first event."""
        return self.decider.initial(identity(self.found.row), self.definition)

    @property
    def decider(self) -> Any:
        """The module that decides this kind of run."""
        return agent_run

    def state(self, at: int | None = None) -> Any:
        """The state after event `at`; None: after the last."""
        state = self.initial()
        for event in self.events[:at]:
            state = self.decider.evolve(state, event)
        return state


async def recorded(log: RunLog, found: FoundRun) -> Recorded:
    """Read a run; its chain is verified on the way.

    Raises:
        UnknownDefinition: the definition it pinned is gone.
    """
    stored = await log.read(found.row.run_no)
    body = await log.get_definition(found.row.definition)
    if body is None:
        raise UnknownDefinition(found.row.definition)
    definition = AgentDefinition.model_validate_json(body)
    events = [decode(one.type, one.payload) for one in stored]
    return Recorded(found, definition, stored, events)
