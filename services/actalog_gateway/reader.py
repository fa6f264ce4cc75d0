"""Reads runs for the routes: from the log, or from the inbox where nobody has decided yet."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import orjson

from actalog_contracts.base import Error
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import RunEvent
from actalog_contracts.tasks import PublishedEvent
from actalog_core import session_state
from actalog_core.clock import rfc3339
from actalog_core.errors import Tampered
from actalog_core.events import decode
from actalog_gateway.problems import Problem
from actalog_gateway.story import Story, tell
from actalog_log.beside_ports import InboxRow
from actalog_log.ports import FoundRun, RunLog, RunRow, StoredEvent

TOGETHER = 50  # runs
Decoded = tuple[StoredEvent, RunEvent]


@dataclass(frozen=True, slots=True)
class Where:
    """A run that was accepted. `run_no` is None while it waits in the inbox, or was not looked
    up."""

    tenant_id: str
    run_id: str
    session_id: str
    run_no: int | None = None

    @classmethod
    def of(cls, accepted: FoundRun | InboxRow, run_id: str) -> Self:
        match accepted:
            case FoundRun(row=row):
                return cls(row.tenant_id, run_id, row.session_id, row.run_no)
            case InboxRow(body=body, tenant_id=tenant_id):
                return cls(tenant_id, run_id, orjson.loads(body).get("session_id") or run_id)


@dataclass
class Reader:
    """Raises a 404 for what is not there, also for what is another tenant's."""

    log: RunLog
    _key: bytes | None = None

    async def key(self) -> bytes:
        """The installation's. It never changes, so it is asked for once."""
        if self._key is None:
            self._key = await self.log.installation_key()
        return self._key

    async def run(self, tenant_id: str, run_id: str) -> FoundRun:
        """A run that is in the log."""
        found = await self.log.find_run(tenant_id, run_id)
        if found is None:
            raise unknown_run(run_id)
        return found

    async def accepted(self, tenant_id: str, run_id: str) -> FoundRun | InboxRow:
        """A run, or the inbox row it will be made of."""
        if found := await self.log.find_run(tenant_id, run_id):
            return found
        if waiting := await self.log.get_inbox(tenant_id, run_id):
            return waiting
        return await self.run(tenant_id, run_id)  # decided between the two questions

    async def session_state(
        self, tenant_id: str, session_id: str, definition: AgentDefinition | None
    ) -> tuple[dict[str, Any], int]:
        """(a session's state, its version): what the definition begins with, and the operations
        in their order (protocol 10)."""
        state: dict[str, Any] = json.loads(definition.session_state) if definition else {}
        operations = await self.log.session_ops(tenant_id, session_id)
        for one in operations:
            for op in session_state.read_ops(one.ops):
                session_state.apply(state, op)
        return state, operations[-1].state_version if operations else 0

    async def definition(self, digest: str) -> AgentDefinition | None:
        """What a run has pinned."""
        body = await self.log.get_definition(digest)
        return AgentDefinition.model_validate_json(body) if body else None

    async def stories(self, found: Sequence[FoundRun]) -> list[Story]:
        """What these runs have come to. Short ones, which most are, are read together. One whose
        log was changed is told as such, so that it hides no other."""
        told: list[Story] = []
        for at in range(0, len(found), TOGETHER):
            told += await asyncio.gather(*map(self._story, found[at : at + TOGETHER]))
        return told

    async def _story(self, found: FoundRun) -> Story:
        try:
            events = await self.events(found.row.run_no, upto=found.head.seq)
        except Tampered as error:
            return tampered(found, error)
        return tell(found.row.run_id, events)

    async def events(self, run_no: int, *, upto: int | None = None) -> list[Decoded]:
        """A run's events, decoded, in order."""
        stored = await self.log.read(run_no, upto=upto)
        return [(one, decode(one.type, one.payload)) for one in stored]


def unknown_run(run_id: str) -> Problem:
    return Problem("unknown_run", f"there is no run {run_id!r}", field="run_id")


def tampered(found: FoundRun, error: Tampered) -> Story:
    """All that can be told of a run whose log was changed: that it was, and where."""
    said = Error(code="tampered", message=str(error), source="log")
    return Story(found.row.run_id, status="tampered", seq=found.head.seq, error=said)


def published(row: RunRow, event: StoredEvent, *, position: bool = True) -> PublishedEvent:
    """An event as `actalog.events` has it."""
    return PublishedEvent(
        id=f"{row.run_id}:{event.seq}", run_id=row.run_id, seq=event.seq,
        position=event.position if position and event.position else None,
        session_id=row.session_id, tenant_id=row.tenant_id, user_id=row.user_id,
        parent_run_id=row.parent_run_id, run_no=row.run_no, turn=row.turn,
        rules_version=event.rules_version, type=event.type, recorded_at=rfc3339(event.recorded_at),
        causation_id=event.causation_id, previous_hash=event.previous_hash.hex(),
        hash=event.hash.hex(), payload=orjson.loads(event.payload),
    )  # fmt: skip
