"""One method per message."""

from dataclasses import dataclass

from pydantic import ValidationError

from actalog_bus.envelope import Postman
from actalog_bus.ports import Delivery
from actalog_contracts.calls import Remember, answer
from actalog_contracts.runs import HistoryRun
from actalog_core.errors import Undecodable
from actalog_log.memories import MemoryStore
from actalog_log.ports import RunLog
from actalog_memory import core


class AboutMissing(Undecodable):
    """The run that shall be remembered is not in the log."""


@dataclass
class MemoryHandlers:
    """Cheap answers: asked again, they answer again (protocol 6.1)."""

    log: RunLog
    memories: MemoryStore
    postman: Postman

    async def remember(self, delivery: Delivery) -> None:
        """Answer the next step of remembering a run."""
        try:
            command = Remember.model_validate_json(delivery.record.value or b"")
        except ValidationError as error:
            raise Undecodable(f"remember: {error.error_count()} fields do not fit") from error
        found = await self.log.find_run_no(command.about_run_no)
        if found is None:
            raise AboutMissing(f"run_no {command.about_run_no}")
        about = HistoryRun(
            run_no=command.about_run_no, run_id=found.row.run_id, seq=command.about_seq
        )
        if command.continuation is None or command.reply is None:
            outcome = await self._first(command, about)
        else:
            outcome = core.then(command, about, command.continuation, command.reply)
        await self.postman.reply(answer(command, outcome), causation=delivery.record)

    async def _first(self, command: Remember, about: HistoryRun) -> core.ModelNeeded:
        # What the log has told by now, so that two runs in a row do not note the same twice.
        await self.memories.catch_up()
        if command.step == "memories":
            notes = await self.memories.memories(command.tenant_id, command.user_id or "")
            return core.first(command, about, notes=notes, summary=None)
        summary = await self.memories.summary(command.tenant_id, command.session_id)
        return core.first(command, about, notes=(), summary=summary)
