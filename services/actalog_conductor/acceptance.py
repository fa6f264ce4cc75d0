"""A task becomes a run, once: acceptance, duplicates, conflicts, tombstones (protocol 2)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson

from actalog_bus.ports import Record
from actalog_conductor.heard import Cancel, StartRun
from actalog_conductor.hearing import Hearing, Live
from actalog_conductor.identity import body_digest, run_id_of
from actalog_contracts.base import TextRef
from actalog_contracts.border import Decoded
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import RunAccepted
from actalog_contracts.tasks import RefusalCode, TaskSubmit
from actalog_core.canonical import keyed_digest
from actalog_core.clock import parse_time, rfc3339
from actalog_core.errors import RunExists, TurnTaken
from actalog_log.ports import FoundRun, RunLog, RunRow


class Refused(Exception):
    """A message is refused: whoever sent it hears about it."""

    def __init__(
        self, code: RefusalCode, message: str, *, field: str | None = None,
        run_id: str | None = None, winner: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.code: RefusalCode = code
        self.message, self.field, self.run_id, self.winner = message, field, run_id, winner


@dataclass
class Acceptance:
    """Makes runs of tasks."""

    log: RunLog
    hearing: Hearing

    async def accept(self, decoded: Decoded, task: TaskSubmit, record: Record) -> Live:
        """The task's run: new, or the one it already is.

        Raises:
            Refused: a conflict, an unknown target, another user's session, a wrong deadline.
        """
        key = await self.log.installation_key()
        tenant_id = task.tenant_id or "default"
        run_id = run_id_of(decoded, record, tenant_id=tenant_id, key=key)
        digest = body_digest(task, key=key)
        while True:
            if found := await self.log.find_run(tenant_id, run_id):
                return await self._again(found, digest)
            try:
                return await self._begin(task, tenant_id, run_id, digest, key)
            except (RunExists, TurnTaken):
                continue  # somebody was first: it is their run, or the next turn is ours

    async def _again(self, found: FoundRun, digest: str) -> Live:
        """The same id again is the same run: what may have got lost is told again."""
        if found.row.body_digest != digest:
            raise Refused(
                "conflict", "a run with this id has another body", field="run_id",
                run_id=found.row.run_id, winner=f"{found.row.run_id}:1",
            )  # fmt: skip
        live = await self.hearing.rebuild(found)
        if live.published == live.head.seq:  # told already: whoever sends it again lost it
            stored = await self.log.read(found.row.run_no)
            await self.hearing.publisher.result(found.row, live.state, stored)
        return await self.hearing.tell(live)

    async def _begin(
        self, task: TaskSubmit, tenant_id: str, run_id: str, digest: str, key: bytes
    ) -> Live:
        target, definition_digest, definition = await self._target(task.target)
        session_id = task.session_id or run_id
        head = await self.log.session_head(tenant_id, session_id)
        if head.turn:
            await self._own_session(tenant_id, session_id, task.user_id)
        now = self.hearing.clock()
        row = RunRow(
            run_no=await self.log.reserve_run_no(), tenant_id=tenant_id, run_id=run_id,
            session_id=session_id, turn=head.turn + 1, kind="agent", target=target,
            definition=definition_digest, body_digest=digest, accepted_at=now,
            user_id=task.user_id,
        )  # fmt: skip
        accepted = _accepted(task, row, definition, now, key)
        free = not head.busy or definition.overlap
        live = await self.hearing.begin(row, definition, StartRun(accepted, free=free))
        # Canceller and acceptor each commit, then look for the other (protocol 2.3).
        if tombstone := await self.log.get_tombstone(tenant_id, run_id):
            cancel = Cancel(tombstone.reason, tombstone.by)
            return await self.hearing.hear(row.run_no, cancel)
        return live

    async def _target(self, name: str) -> tuple[str, str, AgentDefinition]:
        kind, _, id = name.rpartition(":")
        found = await self.log.current_definition(kind or "agent", id)
        if found is None:
            known = [f"{k}:{i}" for k, i, _, _ in await self.log.current_definitions()]
            said = f"there is no {name!r}; deployed: {', '.join(known) or 'nothing'}"
            raise Refused("unknown_target", said, field="target")
        digest, stored = found
        return f"agent:{id}", digest, AgentDefinition.model_validate_json(stored)

    async def _own_session(self, tenant_id: str, session_id: str, user_id: str | None) -> None:
        """A session belongs to its first user (protocol 1.1)."""
        runs = await self.log.session_runs(tenant_id, session_id, before_turn=2, limit=1)
        if runs and runs[0].row.user_id != user_id:
            raise Refused("not_allowed", "the session is another user's", field="session_id")


def _accepted(
    task: TaskSubmit, row: RunRow, definition: AgentDefinition, now: datetime, key: bytes
) -> RunAccepted:
    text = task.input if isinstance(task.input, str) else _json(task.input)
    held = None
    if definition.input_checks:
        held = TextRef(held=f"{row.run_id}:input", digest=keyed_digest(key, text.encode()))
    return RunAccepted(
        kind="agent", target=row.target, definition=row.definition,
        input=None if held else text, input_is_json=not isinstance(task.input, str),
        held_input=held, media=_json([one.model_dump(mode="json") for one in task.media]),
        session_state=_json(task.session_state), dependencies=_json(task.dependencies),
        metadata=_json(task.metadata), output_schema=_json(task.output_schema) if task.output_schema else None,
        body_digest=row.body_digest, accepted_at=rfc3339(now),
        deadline=_deadline(task, definition, now), priority=task.priority,
        reply_to=task.reply_to, correlation_id=task.correlation_id,
    )  # fmt: skip


def _deadline(task: TaskSubmit, definition: AgentDefinition, now: datetime) -> str:
    """The earlier of the task's and the definition's."""
    latest = now + timedelta(milliseconds=definition.limits.deadline_ms)
    if task.deadline is None:
        return rfc3339(latest)
    try:
        return rfc3339(min(latest, parse_time(task.deadline)))
    except ValueError as error:
        raise Refused("bad_input", str(error), field="deadline") from error


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
