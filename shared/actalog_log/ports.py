"""The event store as services see it. Memory and PostgreSQL satisfy it; one suite runs over both."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import field
from datetime import datetime, timedelta
from typing import Literal, NamedTuple, Protocol

from actalog_core.values import frozen
from actalog_log.beside_ports import BesideLog, FoundSession, Held
from actalog_log.call_ports import WatchedCalls

Standing = Literal["active", "waiting", "paused", "ended", "lost"]
# active and waiting runs hold the session's turn; the others do not (protocol 3.2). Lost: what
# followed was published and is not in the log any more (protocol 15)
WAKE_MOST = timedelta(minutes=1)  # after an append, by the log's own clock
WAKE_CLAIM = timedelta(seconds=4)  # that a supervisor has for what it was told is due


@frozen
class RunRow:
    """The immutable row of a run. Its digest is the previous hash of seq 1 (protocol 11.2)."""

    run_no: int
    tenant_id: str
    run_id: str
    session_id: str
    turn: int | None  # None: a child or fork, which has none of its parent's session
    kind: str
    target: str
    definition: str
    body_digest: str
    accepted_at: datetime
    user_id: str | None = None  # kept in `subjects`; the row has its number (protocol 1.4)
    parent_run_no: int | None = None
    parent_run_id: str | None = None
    fork_seq: int | None = None
    fork_hash: bytes | None = None


@frozen
class NewEvent:
    """An event to append. `payload` is canonical JSON; the store puts it into the envelope."""

    type: str
    payload: bytes
    recorded_at: datetime
    causation_id: str | None = None
    rules_version: int = 1


@frozen
class Head:
    """Where a run's log ends: `seq` 0 and the row's digest before the first event."""

    seq: int
    hash: bytes


class StoredEvent(NamedTuple):
    """An event as it stands in the log. A tuple, because long runs are read often."""

    run_no: int
    seq: int
    type: str
    payload: bytes
    rules_version: int
    causation_id: str | None
    recorded_at: datetime
    hash: bytes
    position: int = 0
    previous_hash: bytes = b""  # told by whoever verified the chain
    xid: int = 0  # told by the tail alone


@frozen
class Append:
    """Events for one run at an expected head. `row` is given with a new run's first events."""

    run_no: int
    expected: Head
    events: tuple[NewEvent, ...]
    row: RunRow | None = None
    standing: Standing | None = None  # a change of `open_runs`, None: as it was
    wake_at: datetime | None = None  # with `standing`: when the supervisor looks
    linked: tuple[StoredEvent, ...] = ()  # as `chain.link` makes them, so that it is done once


@frozen
class SessionOp:
    """Operations on a session's state, JSON text, made by (run_no, seq) (protocol 10)."""

    tenant_id: str
    session_id: str
    state_version: int
    run_no: int
    seq: int
    ops: str


@frozen
class Decision:
    """What one hearing produced, of however many runs: committed whole or not at all (4.1)."""

    appends: tuple[Append, ...] = ()
    session_ops: tuple[SessionOp, ...] = ()
    hold: tuple[Held, ...] = ()
    release: tuple[tuple[str, str], ...] = ()  # (tenant, held_id) whose text is no longer needed
    inbox_done: tuple[tuple[str, str], ...] = ()  # (tenant, inbox id)
    clear_calls: tuple[str, ...] = ()  # ledger keys whose stored outcome the log now has (6.6)


@frozen
class FoundRun:
    row: RunRow
    head: Head
    standing: Standing  # "ended" when it has left `open_runs`
    published_seq: int


@frozen
class OpenRun:
    row: RunRow
    standing: Standing
    wake_at: datetime | None
    published_seq: int
    wakes: int  # how often it was woken since its standing changed


@frozen
class Opening:
    """What a new run finds. `user_id` is that of the first of the session's runs that
    the log has: a restored one may have lost those before."""

    turn: int  # the last one taken
    busy: bool  # a run of the session is active or waiting
    known: bool  # the run id exists
    user_id: str | None = None

    def belongs_to(self, user_id: str | None) -> bool:
        """A session is its first user's (protocol 1.1)."""
        return not self.turn or self.user_id == user_id


@frozen
class Looming:
    """What there is for a supervisor to do, and what time it is for the log: one cheap question."""

    runs: bool
    calls: bool
    inbox: bool
    answers: bool = False
    at: datetime | None = field(default=None, compare=False)


class RunLog(BesideLog, WatchedCalls, Protocol):
    """The log. Raises Transient when the database cannot be reached.

    `append` is grouped with others as they come (4.2); when it returns the commit stands.
    """

    async def reserve_run_no(self) -> int:
        """A run number nobody else has."""
        ...

    async def append(self, decision: Decision) -> tuple[Head, ...]:
        """Commit a decision; the new head of each of its appends, in order.

        Raises:
            SequenceTaken: an expected head was not the head: reload and decide again.
            TurnTaken: the session's turn is taken: take the next one.
            RunExists: (tenant, run_id) exists.
            DataRefused: PostgreSQL refuses the data; only this decision is lost.
        """
        ...

    async def find_run(self, tenant_id: str, run_id: str) -> FoundRun | None: ...

    async def find_run_no(self, run_no: int) -> FoundRun | None: ...

    async def read(
        self, run_no: int, *, after: int = 0, upto: int | None = None
    ) -> Sequence[StoredEvent]:
        """Events with after < seq <= upto, in order. The chain is verified on read:

        Raises:
            ChainBroken: a hash does not follow from the one before.
        """
        ...

    async def last_seq(self, run_no: int) -> int:
        """The last seq: confirms a decision of "nothing" (law 13)."""
        ...

    async def opening(self, tenant_id: str, session_id: str, run_id: str) -> Opening:
        """All that accepting a task has to know, in one question."""
        ...

    async def session_runs(
        self, tenant_id: str, session_id: str, *, before_turn: int | None = None, limit: int = 1000
    ) -> Sequence[FoundRun]:
        """Runs of the session that have a turn, newest first."""
        ...

    async def completed_runs(
        self, tenant_id: str, session_id: str, *, before_turn: int, limit: int
    ) -> Sequence[tuple[int, str, int]]:
        """(run_no, run_id, seq of `run.completed.v1`) of the session's last runs that completed,
        newest first. Costs the same in a session's hundredth run as in its tenth."""
        ...

    async def first_waiting_no(self, tenant_id: str, session_id: str) -> int | None:
        """The number of the waiting run with the lowest turn, if no earlier turn is active (3.2)."""
        ...

    async def children(self, run_no: int) -> Sequence[FoundRun]: ...

    async def list_runs(
        self, tenant_id: str, *, session_id: str | None = None, standing: Standing | None = None,
        limit: int = 100, before_run_no: int | None = None,
    ) -> Sequence[FoundRun]:  # fmt: skip
        """Newest first."""
        ...

    async def list_sessions(
        self, tenant_id: str, *, user_id: str | None = None, target: str | None = None,
        by: Literal["first", "last"] = "last", ascending: bool = False,
        limit: int = 100, offset: int = 0,
    ) -> Sequence[FoundSession]:  # fmt: skip
        """Sessions by their first or last run, the newest before. A user's and a target's are
        those whose first run was theirs."""
        ...

    def each_session(
        self, tenant_id: str, *, user_id: str | None = None, limit: int
    ) -> AsyncGenerator[FoundSession]:
        """As `list_sessions` has them by default, one by one: for so many that nothing should have
        them all. All are of one moment."""
        ...

    async def count_sessions(
        self, tenant_id: str, *, user_id: str | None = None, target: str | None = None
    ) -> int:
        """How many there are in all. Costs by their number, and a page does not."""
        ...

    async def session_ops(self, tenant_id: str, session_id: str) -> Sequence[SessionOp]:
        """In the order of their versions."""
        ...

    async def state_version(self, tenant_id: str, session_id: str) -> int:
        """The last one taken; 0 before the first."""
        ...

    # --- publishing (protocol 7) and the supervisor (protocol 5)

    def published(self, run_no: int, seq: int) -> None:
        """Raise `published_seq` lazily, by greatest; an ended and published run leaves
        `open_runs`. Returns at once; written in the background without waiting for fsync."""
        ...

    async def mark_heard(
        self, group: str, offsets: Mapping[tuple[str, int], int], *, back: bool = False
    ) -> None:
        """Note that a consumer group has heard (topic, partition) up to these offsets, before the
        broker is told: so a database that is older than the broker's offsets shows (protocol 15).
        A mark goes back only where that is meant: the broker began anew."""
        ...

    async def due_runs(self, now: datetime, limit: int) -> Sequence[OpenRun]:
        """Open runs whose `wake_at` has come, locked with SKIP LOCKED and claimed for `WAKE_CLAIM`,
        so that several supervisors share the work and one that fails or dies holds up nobody."""
        ...

    async def looming(self, now: datetime, inbox_before: datetime) -> Looming:
        """Whether `due_runs`, `expired_calls`, `unheard_answers` or `due_inbox` have anything to tell."""
        ...

    async def woken(self, runs: Mapping[int, datetime | None], claimed: datetime) -> None:
        """Those of what `due_runs` claimed at that time that were told what they wait for: look
        again when their backoff (by `wakes`) has passed, or at the given time if that is earlier.
        A run that changed meanwhile keeps its own."""
        ...

    async def wake_all(self, at: datetime, *, paused: bool = True) -> int:
        """Look at every open run at that time, or before; how many it was. Not `paused`: at those
        that wait for nobody but the platform."""
        ...

    async def keep_ranges_ahead(self) -> int:
        """Make the partitions that are needed next (protocol 12); how many were made."""
        ...

    async def ping(self) -> None:
        """Raises Transient when the database cannot be reached."""
        ...
