"""The run log and the effect ledger in memory: the same laws, nothing kept."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Literal

from actalog_core.clock import Clock, system_clock
from actalog_core.errors import RunExists, SequenceTaken, TurnTaken
from actalog_log import chain
from actalog_log.beside_ports import FoundSession, Held
from actalog_log.memory_calls import MemoryCalls
from actalog_log.memory_open import MemoryOpen, Open
from actalog_log.ports import (
    Append,
    Decision,
    FoundRun,
    Head,
    Opening,
    RunRow,
    SessionOp,
    Standing,
    StoredEvent,
)

HOLDS_TURN = ("active", "waiting")


class MemoryLog(MemoryOpen):
    """RunLog in dictionaries. Nothing awaits inside, so each call is a transaction."""

    def __init__(self, *, clock: Clock = system_clock) -> None:
        super().__init__(clock)
        self.runs: dict[int, RunRow] = {}
        self.ids: dict[tuple[str, str], int] = {}
        self.turns: dict[tuple[str, str], dict[int, int]] = {}
        self.events: dict[int, list[StoredEvent]] = {}
        self.open: dict[int, Open] = {}
        self.ops: dict[tuple[str, str], dict[int, SessionOp]] = {}
        self.calls = MemoryCalls(self)
        self.position = 0
        self.heard: dict[tuple[str, str, int], int] = {}
        self.numbers = 0

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def ready(self) -> str | None:
        return None

    async def ping(self) -> None: ...

    # --- appending

    async def reserve_run_no(self) -> int:
        self.numbers += 1
        return self.numbers

    async def append(self, decision: Decision) -> tuple[Head, ...]:
        for one in decision.appends:
            self._check(one)
        for op in decision.session_ops:
            if op.state_version in self.ops.get((op.tenant_id, op.session_id), {}):
                raise SequenceTaken
        heads = tuple(self._append(one) for one in decision.appends)
        for op in decision.session_ops:
            self.ops.setdefault((op.tenant_id, op.session_id), {})[op.state_version] = op
        for held in decision.hold:
            self._hold(held)
        for key in decision.release:
            self.held.pop(key, None)
        for key in decision.inbox_done:
            self._drop(key)
        self.calls.clear(decision.clear_calls)
        return heads

    def _check(self, one: Append) -> None:
        if (row := one.row) is not None:
            if (row.tenant_id, row.run_id) in self.ids:
                raise RunExists
            taken = self.turns.get((row.tenant_id, row.session_id), {})
            if row.turn is not None and row.turn in taken:
                raise TurnTaken
        if len(self.events.get(one.run_no, ())) != one.expected.seq:
            raise SequenceTaken

    def _append(self, one: Append) -> Head:
        if (row := one.row) is not None:
            self.runs[one.run_no] = row
            self.ids[row.tenant_id, row.run_id] = one.run_no
            self.events[one.run_no] = []
            if row.turn is not None:
                self.turns.setdefault((row.tenant_id, row.session_id), {})[row.turn] = one.run_no
        linked = one.linked or chain.link(one.run_no, one.expected, one.events)
        for event in linked:
            self.position += 1
            stored = event._replace(position=self.position, xid=self.position)
            self.events[one.run_no].append(stored)
        head = Head(linked[-1].seq, linked[-1].hash) if linked else one.expected
        if one.standing is not None:
            known = self.open.get(one.run_no)
            # A run that comes back had left, so all of it was published.
            published = known.published_seq if known else 0 if one.row else one.expected.seq
            self.open[one.run_no] = Open(one.standing, self._near(one.wake_at), head.seq, published)
        return head

    # --- reading runs

    def _found(self, run_no: int) -> FoundRun:
        row, events = self.runs[run_no], self.events[run_no]
        head = Head(len(events), events[-1].hash if events else chain.row_digest(row))
        if (known := self.open.get(run_no)) is None:
            return FoundRun(row, head, "ended", head.seq)
        return FoundRun(row, head, known.standing, known.published_seq)

    async def find_run(self, tenant_id: str, run_id: str) -> FoundRun | None:
        run_no = self.ids.get((tenant_id, run_id))
        return None if run_no is None else self._found(run_no)

    async def find_run_no(self, run_no: int) -> FoundRun | None:
        return self._found(run_no) if run_no in self.runs else None

    async def read(
        self, run_no: int, *, after: int = 0, upto: int | None = None
    ) -> Sequence[StoredEvent]:
        events = self.events.get(run_no, [])
        if after >= len(events):
            return []
        previous = events[after - 1].hash if after else chain.row_digest(self.runs[run_no])
        return chain.verified(events[after:upto], previous)

    async def last_seq(self, run_no: int) -> int:
        return len(self.events.get(run_no, ()))

    async def opening(self, tenant_id: str, session_id: str, run_id: str) -> Opening:
        turns = self.turns.get((tenant_id, session_id), {})
        busy = any(self._found(run_no).standing in HOLDS_TURN for run_no in turns.values())
        user_id = self.runs[turns[min(turns)]].user_id if turns else None
        return Opening(max(turns, default=0), busy, (tenant_id, run_id) in self.ids, user_id)

    async def session_runs(
        self, tenant_id: str, session_id: str, *, before_turn: int | None = None, limit: int = 1000
    ) -> Sequence[FoundRun]:
        turns = sorted(self.turns.get((tenant_id, session_id), {}).items(), reverse=True)
        found = [self._found(n) for turn, n in turns if before_turn is None or turn < before_turn]
        return found[:limit]

    async def completed_runs(
        self, tenant_id: str, session_id: str, *, before_turn: int, limit: int
    ) -> Sequence[tuple[int, str, int]]:
        turns = self.turns.get((tenant_id, session_id), {})
        found: list[tuple[int, str, int]] = []
        for turn in sorted((turn for turn in turns if turn < before_turn), reverse=True):
            run_no = turns[turn]
            for event in reversed(self.events[run_no]):
                if event.type == "run.completed.v1" and len(found) < limit:
                    found.append((run_no, self.runs[run_no].run_id, event.seq))
        return found

    async def first_waiting_no(self, tenant_id: str, session_id: str) -> int | None:
        for _, run_no in sorted(self.turns.get((tenant_id, session_id), {}).items()):
            found = self._found(run_no)
            if found.standing in HOLDS_TURN:
                return run_no if found.standing == "waiting" else None
        return None

    async def children(self, run_no: int) -> Sequence[FoundRun]:
        return [
            self._found(n) for n, row in sorted(self.runs.items()) if row.parent_run_no == run_no
        ]

    async def list_runs(
        self,
        tenant_id: str,
        *,
        session_id: str | None = None,
        standing: Standing | None = None,
        limit: int = 100,
        before_run_no: int | None = None,
    ) -> Sequence[FoundRun]:
        found = [
            self._found(n)
            for n, row in sorted(self.runs.items(), reverse=True)
            if row.tenant_id == tenant_id
            and (session_id is None or row.session_id == session_id)
            and (before_run_no is None or n < before_run_no)
        ]
        return [one for one in found if standing is None or one.standing == standing][:limit]

    async def list_sessions(
        self, tenant_id: str, *, user_id: str | None = None, target: str | None = None,
        by: Literal["first", "last"] = "last", ascending: bool = False,
        limit: int = 100, offset: int = 0,
    ) -> Sequence[FoundSession]:  # fmt: skip
        told = self._sessions(tenant_id, user_id, target)
        told.sort(key=lambda one: one.session_id)
        told.sort(key=lambda one: getattr(one, by), reverse=not ascending)
        return told[offset : offset + limit]

    async def each_session(
        self, tenant_id: str, *, user_id: str | None = None, limit: int
    ) -> AsyncGenerator[FoundSession]:
        for one in await self.list_sessions(tenant_id, user_id=user_id, limit=limit):
            yield one

    async def count_sessions(
        self, tenant_id: str, *, user_id: str | None = None, target: str | None = None
    ) -> int:
        return len(self._sessions(tenant_id, user_id, target))

    def _sessions(
        self, tenant_id: str, user_id: str | None, target: str | None
    ) -> list[FoundSession]:
        told: list[FoundSession] = []
        for (tenant, session), turns in self.turns.items():
            if tenant != tenant_id or 1 not in turns:
                continue
            first, last = self.runs[turns[1]], self.runs[turns[max(turns)]]
            if user_id in (None, first.user_id) and target in (None, first.target):
                times = first.accepted_at, last.accepted_at
                told.append(FoundSession(session, *times, first.user_id, first.target))
        return told

    async def session_ops(self, tenant_id: str, session_id: str) -> Sequence[SessionOp]:
        return [op for _, op in sorted(self.ops.get((tenant_id, session_id), {}).items())]

    async def state_version(self, tenant_id: str, session_id: str) -> int:
        return max(self.ops.get((tenant_id, session_id), {}), default=0)

    async def read_tail(
        self, *, after: tuple[int, int] = (0, 0), limit: int = 1000
    ) -> Sequence[StoredEvent]:
        """Events of all runs by (xid, position)."""
        every = [event for events in self.events.values() for event in events]
        every.sort(key=lambda event: (event.xid, event.position))
        return [event for event in every if (event.xid, event.position) > after][:limit]

    # --- publishing and the supervisor

    def published(self, run_no: int, seq: int) -> None:
        if (known := self.open.get(run_no)) is None:
            return
        known.published_seq = max(known.published_seq, seq)
        finished = known.standing == "ended" and known.published_seq >= known.last_seq
        if finished and not self.calls.unsettled(run_no):
            del self.open[run_no]
            for key in self.held_by.pop(run_no, ()):
                self.held.pop(key, None)

    async def mark_heard(
        self, group: str, offsets: Mapping[tuple[str, int], int], *, back: bool = False
    ) -> None:
        for (topic, partition), offset in offsets.items():
            known = 0 if back else self.heard.get((group, topic, partition), 0)
            self.heard[group, topic, partition] = max(known, offset)

    async def keep_ranges_ahead(self) -> int:
        return 0

    async def put_held(self, held: Held) -> None:
        if held.run_no in self.open:
            self._hold(held)
