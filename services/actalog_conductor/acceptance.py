"""A task becomes a run, once: acceptance, duplicates, conflicts, tombstones (protocol 2)."""

from dataclasses import dataclass, field

from actalog_bus.ports import Record
from actalog_conductor import kinds
from actalog_conductor.accepting import (
    accepted_event,
    deadline_of,
    initial_ops,
    input_text,
)  # fmt: skip
from actalog_conductor.addresses import Addresses
from actalog_conductor.draft import Beside
from actalog_conductor.heard import Cancel, StartRun, TurnCame
from actalog_conductor.hearing import Hearing
from actalog_conductor.identity import body_digest, run_id_of
from actalog_conductor.kinds import KINDS
from actalog_conductor.live import Live, identity, new
from actalog_conductor.refused import Refused
from actalog_conductor.telling import Leave
from actalog_contracts.border import Decoded
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.tasks import TaskSubmit
from actalog_core.errors import DataRefused, RunExists, SequenceTaken, TurnTaken
from actalog_core.json_schemas import fault
from actalog_core.misfits import some
from actalog_core.values import frozen
from actalog_log.beside_ports import Held
from actalog_log.ports import FoundRun, Opening, RunLog, RunRow

TARGETS = ("agent", "team", "workflow")
FRESH = Opening(turn=0, busy=False, known=False)


@frozen
class Asked:
    """A task with what makes it the same task again."""

    task: TaskSubmit
    tenant_id: str
    run_id: str
    session_id: str
    digest: str
    record: Record
    correlation_id: str | None  # as its envelope has it
    inbox: str | None  # the row that waits for it
    leave: Leave | None  # see `Teller.tell`


@dataclass
class Acceptance:
    """Makes runs of tasks."""

    log: RunLog
    hearing: Hearing
    addresses: Addresses
    _key: bytes = field(default=b"", init=False)

    async def accept(
        self, decoded: Decoded, task: TaskSubmit, record: Record, *, inbox: str | None = None,
        leave: Leave | None = None,
    ) -> Live:  # fmt: skip
        """The task's run: new, or the one it already is. `leave`: see `Teller.tell`.

        Raises:
            Refused: a conflict, an unknown target, another user's session, a wrong deadline.
        """
        asked = await self._asked(decoded, task, record, inbox, leave)
        # A session of its own is new unless the log says otherwise: it refuses a taken turn.
        opening = FRESH if asked.session_id == asked.run_id else None
        while True:
            if opening is None:
                opening = await self.log.opening(asked.tenant_id, asked.session_id, asked.run_id)
            if opening.known and (found := await self._find(asked)):
                return await self._again(found, asked)
            try:
                return await self._begin(asked, opening)
            except RunExists:
                opening = Opening(0, busy=False, known=True)
            except (TurnTaken, SequenceTaken):
                opening = None  # somebody was first: the next turn, or version, is ours

    async def key(self) -> bytes:
        """The installation's key, asked for once."""
        self._key = self._key or await self.log.installation_key()
        return self._key

    async def _asked(
        self, decoded: Decoded, task: TaskSubmit, record: Record, inbox: str | None,
        leave: Leave | None,
    ) -> Asked:  # fmt: skip
        key, tenant_id = await self.key(), task.tenant_id or "default"
        run_id = run_id_of(decoded, record, tenant_id=tenant_id, key=key)
        digest = body_digest(task, key=key)
        session_id = task.session_id or run_id
        return Asked(
            task, tenant_id, run_id, session_id, digest, record, decoded.correlation_id, inbox,
            leave,
        )  # fmt: skip

    async def _find(self, asked: Asked) -> FoundRun | None:
        return await self.log.find_run(asked.tenant_id, asked.run_id)

    async def _again(self, found: FoundRun, asked: Asked) -> Live:
        """The same id again is the same run: what may have got lost is told again."""
        if found.row.body_digest != asked.digest:
            raise Refused(
                "conflict", "a run with this id has another body", field="run_id",
                run_id=found.row.run_id, winner=f"{found.row.run_id}:1",
            )  # fmt: skip
        if asked.inbox:
            await self.log.drop_inbox(asked.tenant_id, asked.inbox)
        live = await self.hearing.runs.rebuild(found)
        # Its first hearer may have died, or lost the answer, between the commit and these looks.
        waits = kinds.standing(live.state) == "waiting"
        live = await self._afterwards(asked, live, free=not waits)
        # Told already? Then whoever sends it again lost the result.
        return await self.hearing.teller.again(live, result=True)

    async def _begin(self, asked: Asked, opening: Opening) -> Live:
        now, task = self.hearing.clock(), asked.task
        target, digest, definition = await self._target(asked)
        if not opening.belongs_to(task.user_id):
            raise Refused(
                "not_allowed", "the session is another user's", field="session_id",
                run_id=asked.run_id,
            )  # fmt: skip
        if wrong := None if task.output_schema is None else fault(task.output_schema):
            said = f"output_schema is no JSON Schema: {wrong}"
            raise Refused("bad_input", said, field="output_schema", run_id=asked.run_id)
        deadline = await self._deadline(asked, definition)
        row = RunRow(
            run_no=await self.log.reserve_run_no(), tenant_id=asked.tenant_id,
            run_id=asked.run_id, session_id=asked.session_id, turn=opening.turn + 1, kind="agent",
            target=target, definition=digest, body_digest=asked.digest, accepted_at=now,
            user_id=task.user_id,
        )  # fmt: skip
        address = self.addresses.of(task, asked.record.headers, asked.correlation_id)
        held = f"{row.run_id}:input" if definition.input_checks else None
        accepted = accepted_event(
            task, row, address, held=held, deadline=deadline, key=await self.key()
        )
        await self._media_there(asked)
        start = StartRun(accepted, free=not opening.busy or definition.overlap)
        live = await self._append(asked, row, definition, start)
        return await self._afterwards(asked, live, free=start.free)

    async def _append(
        self, asked: Asked, row: RunRow, definition: AgentDefinition, start: StartRun
    ) -> Live:
        accepted, hold = start.accepted, ()
        if accepted.held_input is not None:
            hold = (
                Held(row.tenant_id, accepted.held_input.held, row.run_no, input_text(asked.task)),
            )
        done = ((asked.tenant_id, asked.inbox),) if asked.inbox else ()
        beside = Beside(hold, done, initial_ops(asked.task))
        before = new(row, KINDS["agent"].initial(identity(row), definition))
        try:
            return await self.hearing.begin(before, start, beside, asked.leave)
        except DataRefused as error:
            raise Refused("bad_input", error.detail, run_id=row.run_id) from error

    async def _afterwards(self, asked: Asked, live: Live, *, free: bool) -> Live:
        """Each of two that may pass each other commits, then looks for the other."""
        run_no = live.row.run_no
        if asked.task.run_id is not None:  # nobody can cancel what has no name yet (2.3)
            tombstone = await self.log.get_tombstone(asked.tenant_id, asked.run_id)
            if tombstone is not None:
                return await self.hearing.hear(run_no, Cancel(tombstone.reason, tombstone.by))
        if not free:  # whoever held the turn may have ended meanwhile (3.3)
            first = await self.log.first_waiting_no(asked.tenant_id, asked.session_id)
            if first == run_no:
                return await self.hearing.hear(run_no, TurnCame())
        return live

    async def _target(self, asked: Asked) -> tuple[str, str, AgentDefinition]:
        """A bare id is an agent's: nothing else can be deployed under one yet."""
        name = asked.task.target
        kind, _, id = name.partition(":")
        if kind not in TARGETS:  # an id may have a colon
            kind, id = "agent", name
        found = await self.hearing.runs.definitions.current(kind, id)
        if found is None:
            known = [f"{k}:{i}" for k, i, _, _ in await self.log.current_definitions()]
            said = f"there is no {name[:200]!r}; deployed: {some(known)}"
            raise Refused("unknown_target", said, field="target", run_id=asked.run_id)
        digest, definition = found
        return f"{kind}:{id}", digest, definition

    async def _deadline(self, asked: Asked, definition: AgentDefinition) -> str:
        sure = self.hearing.sure
        told, past = deadline_of(asked.task, definition, sure=sure(), latest=sure.latest())
        if past and await self._find(asked):
            raise RunExists  # accepted in time: this is a repeat
        if past:
            raise Refused(
                "expired", "the deadline has passed", field="deadline", run_id=asked.run_id
            )
        return told

    async def _media_there(self, asked: Asked) -> None:
        for at, media in enumerate(asked.task.media):
            if media.blob and not await self.log.has_blob(asked.tenant_id, media.blob):
                field = f"media.{at}.blob"
                raise Refused("bad_input", "there is no such blob", field=field)
