"""What was remembered: a projection of the log that can be rebuilt. Its port, and the double."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from actalog_contracts.runs import MemoryNote, MemoryUpdated, RunEvent, SessionSummarised
from actalog_core.canonical import clean_text
from actalog_core.events import decode
from actalog_log import chain
from actalog_log.memory import MemoryLog

REMEMBERED = ("memory.updated.v1", "session.summarised.v1")
BATCH = 500  # events applied in one transaction
MOST_MEMORIES = 100  # the newest of a user that are read: prompts have an end


@dataclass(frozen=True, slots=True)
class Summary:
    """A session's summary. `turn` is that of the last run it covers."""

    text: str
    turn: int
    topics: tuple[str, ...] = ()


class MemoryStore(Protocol):
    """Memories and summaries. Raises Transient when the database cannot be reached."""

    async def memories(
        self, tenant_id: str, user_id: str, *, limit: int = MOST_MEMORIES
    ) -> Sequence[MemoryNote]:
        """The user's newest memories, in the order in which they were added."""
        ...

    async def summary(self, tenant_id: str, session_id: str) -> str | None:
        """The text of the session's summary."""
        ...

    async def summarised(self, tenant_id: str, session_id: str) -> Summary | None:
        """The session's summary, and how far it goes."""
        ...

    async def catch_up(self) -> int:
        """Apply what the log has since the last time; how many events were applied.

        Safe from many processes at once: whoever comes first applies, the others wait for it.
        """
        ...

    async def behind_s(self) -> float:
        """How long ago, in seconds, the oldest event was logged that is not applied yet."""
        ...

    async def rebuild(self) -> int:
        """Forget the tables and read the log anew; how many events were applied. Readers see
        the old state until the new one stands."""
        ...


@dataclass(slots=True)
class _Kept:
    """What the double holds: replaced as a whole by a rebuild."""

    notes: dict[tuple[str, str], dict[str, MemoryNote]]
    summaries: dict[tuple[str, str], Summary]
    cursor: tuple[int, int] = (0, 0)


class MemoryMemories:
    """MemoryStore over a log in memory."""

    def __init__(self, log: MemoryLog) -> None:
        self.log = log
        self.kept = _Kept({}, {})

    async def memories(
        self, tenant_id: str, user_id: str, *, limit: int = MOST_MEMORIES
    ) -> Sequence[MemoryNote]:
        return list(self.kept.notes.get((tenant_id, user_id), {}).values())[-limit:]

    async def summary(self, tenant_id: str, session_id: str) -> str | None:
        found = await self.summarised(tenant_id, session_id)
        return found.text if found else None

    async def summarised(self, tenant_id: str, session_id: str) -> Summary | None:
        return self.kept.summaries.get((tenant_id, session_id))

    async def catch_up(self) -> int:
        return await self._follow(self.kept)

    async def behind_s(self) -> float:
        tail = await self.log.read_tail(after=self.kept.cursor, limit=self.log.position)
        waits = [event.recorded_at for event in tail if event.type in REMEMBERED]
        return (self.log.clock() - min(waits)).total_seconds() if waits else 0.0

    async def rebuild(self) -> int:
        fresh = _Kept({}, {})
        applied = await self._follow(fresh)
        self.kept = fresh
        return applied

    async def _follow(self, kept: _Kept) -> int:
        if kept.cursor[1] == self.log.position:
            return 0
        applied = 0
        for event in await self.log.read_tail(after=kept.cursor, limit=self.log.position):
            if event.type in REMEMBERED:
                self._apply(kept, event.run_no, decode(event.type, chain.unseal(event.payload)))
                applied += 1
            kept.cursor = (event.xid, event.position)
        return applied

    def _apply(self, kept: _Kept, run_no: int, event: RunEvent) -> None:
        row = self.log.runs[run_no]
        match event:
            case MemoryUpdated() if row.user_id is not None:
                _change(kept.notes.setdefault((row.tenant_id, row.user_id), {}), event)
            case SessionSummarised():
                about = self.log.runs.get(row.parent_run_no or 0)
                turn = (about.turn if about else None) or 0
                known = kept.summaries.get((row.tenant_id, row.session_id))
                if known is None or known.turn <= turn:
                    kept.summaries[row.tenant_id, row.session_id] = Summary(
                        clean_text(event.summary), turn, event.topics
                    )
            case _:
                pass


def _change(notes: dict[str, MemoryNote], event: MemoryUpdated) -> None:
    """An update of what was deleted meanwhile is dropped; what is added twice is kept once."""
    for op in event.ops:
        note = MemoryNote(id=op.id, text=clean_text(op.text), topics=op.topics)
        match op.op:
            case "add":
                notes.setdefault(op.id, note)
            case "update" if op.id in notes:
                notes[op.id] = note
            case "delete":
                notes.pop(op.id, None)
            case _:
                pass
