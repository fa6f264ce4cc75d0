"""One method per message."""

from dataclasses import dataclass

from pydantic import ValidationError

from actalog_bus.envelope import Postman
from actalog_bus.ports import Delivery
from actalog_contracts.calls import Remember, answer
from actalog_contracts.runs import HistoryRun, InputChecked, RunAccepted
from actalog_core import crashpoints
from actalog_core.errors import Undecodable
from actalog_core.events import decode
from actalog_core.misfits import misfit
from actalog_log.memories import MemoryStore
from actalog_log.ports import RunLog, RunRow
from actalog_memory import core

OPENING = 4  # events within which a run's input stands, checked or not
MOST_RUNS = 5  # that one summary catches up with


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
            raise misfit("remember", error) from None
        if command.continuation is None:
            outcome = core.first(command, await self._known(command))
        else:
            outcome = core.then(command, command.continuation, command.reply or "")
        await self.postman.reply(answer(command, outcome), causation=delivery.record)

    async def _known(self, command: Remember) -> core.Known:
        if crashpoints.armed:
            crashpoints.reach("log.reading")
        found = await self.log.find_run_no(command.about_run_no)
        if found is None:
            raise AboutMissing(f"run_no {command.about_run_no}")
        about = HistoryRun(
            run_no=command.about_run_no, run_id=found.row.run_id, seq=command.about_seq
        )
        spoken = await self._spoken(about)
        # What the log has told by now, so that two runs in a row do not note the same twice.
        await self.memories.catch_up()
        if command.step == "memories":
            notes = await self.memories.memories(command.tenant_id, command.user_id or "")
            return core.Known((about,), spoken, notes=notes)
        summary = await self.memories.summarised(command.tenant_id, command.session_id)
        refs = await self._unread(found.row, about, summary.turn if summary else 0)
        return core.Known(refs, spoken, summary=summary.text if summary else None)

    async def _spoken(self, about: HistoryRun) -> bool:
        for event in await self.log.read(about.run_no, upto=min(about.seq, OPENING)):
            match decode(event.type, event.payload):
                case RunAccepted(input=text) | InputChecked(text=text) if text and text.strip():
                    return True
                case _:
                    pass
        return False

    async def _unread(self, row: RunRow, about: HistoryRun, covered: int) -> tuple[HistoryRun, ...]:
        """The completed runs that the summary does not cover yet, up to this one; none when a
        later run's has covered it."""
        if row.turn is None:
            return (about,)
        if row.turn <= covered:
            return ()
        found = await self.log.completed_runs(
            row.tenant_id, row.session_id, before_turn=row.turn,
            limit=min(row.turn - covered, MOST_RUNS) - 1,
        )  # fmt: skip
        earlier = [HistoryRun(run_no=no, run_id=id, seq=seq) for no, id, seq in reversed(found)]
        return (*earlier, about)
