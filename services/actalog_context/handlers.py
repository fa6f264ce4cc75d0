"""One method per message."""

from dataclasses import dataclass, field

from pydantic import ValidationError

from actalog_bus.envelope import Postman
from actalog_bus.ports import Delivery
from actalog_context import core
from actalog_contracts.calls import GatherContext, answer
from actalog_contracts.definitions import AgentDefinition
from actalog_core import crashpoints
from actalog_core.misfits import misfit
from actalog_log.definitions import PinnedDefinitions
from actalog_log.memories import MemoryStore
from actalog_log.ports import RunLog


@dataclass
class ContextHandlers:
    """Cheap answers: asked again, they answer again (protocol 6.1)."""

    log: RunLog
    memories: MemoryStore
    postman: Postman
    definitions: PinnedDefinitions = field(init=False)

    def __post_init__(self) -> None:
        self.definitions = PinnedDefinitions(self.log)

    async def gather(self, delivery: Delivery) -> None:
        """Answer with what the definition asks for."""
        try:
            command = GatherContext.model_validate_json(delivery.record.value or b"")
        except ValidationError as error:
            raise misfit("context.gather", error) from None
        if crashpoints.armed:
            crashpoints.reach("log.reading")
        definition = await self.definitions.pinned(command.definition)
        found = await self._find(command, definition)
        outcome = core.built(command.call_id, definition, found)
        await self.postman.reply(answer(command, outcome), causation=delivery.record)

    async def _find(self, command: GatherContext, definition: AgentDefinition) -> core.Found:
        tenant_id, session_id, user_id = command.tenant_id, command.session_id, command.user_id
        history = memories = summary = operations = None
        if definition.history_runs:
            history = await self.log.completed_runs(
                tenant_id, session_id, before_turn=command.turn, limit=definition.history_runs
            )
        if definition.memories or definition.summary:
            await self.memories.catch_up()  # what was remembered just now counts
        if definition.memories and user_id:
            memories = await self.memories.memories(tenant_id, user_id)
        if definition.summary:
            summary = await self.memories.summary(tenant_id, session_id) or None
        if definition.show_state:
            operations = await self.log.session_ops(tenant_id, session_id)
        return core.Found(history, memories, summary, operations)
