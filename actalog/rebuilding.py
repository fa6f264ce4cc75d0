"""Any run at any seq, from the log alone (design 9)."""

from collections.abc import Sequence
from dataclasses import dataclass

from actalog_conductor.agent_states import Identity
from actalog_conductor.kinds import KINDS, Kind, State
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import RunEvent
from actalog_core.errors import Permanent
from actalog_core.events import decode
from actalog_log.ports import FoundRun, RunLog, StoredEvent


class DefinitionGone(Permanent):
    """The definition that the run pinned is not in the log:"""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A run as the log has it: `events` are `stored`, decoded."""

    found: FoundRun
    definition: AgentDefinition
    stored: Sequence[StoredEvent]
    events: Sequence[RunEvent]

    @property
    def kind(self) -> Kind:
        """The decider of this kind of run."""
        return KINDS[self.found.row.kind]

    def initial(self) -> State:
        """The state before the first event."""
        row = self.found.row
        identity = Identity(
            tenant_id=row.tenant_id, run_no=row.run_no, run_id=row.run_id,
            session_id=row.session_id, turn=row.turn, user_id=row.user_id,
        )  # fmt: skip
        return self.kind.initial(identity, self.definition)

    def state(self, at: int | None = None) -> State:
        """The state after event `at`; None: after the last."""
        state = self.initial()
        for event in self.events[:at]:
            state = self.kind.evolve(state, event)
        return state


async def recorded(log: RunLog, found: FoundRun) -> Recorded:
    """Read a run; its chain is verified on the way.

    Raises:
        ChainBroken: the log was changed.
        DefinitionGone: what it pinned is not there.
    """
    stored = await log.read(found.row.run_no)
    body = await log.get_definition(found.row.definition)
    if body is None:
        raise DefinitionGone(found.row.definition)
    definition = AgentDefinition.model_validate_json(body)
    return Recorded(found, definition, stored, [decode(one.type, one.payload) for one in stored])
