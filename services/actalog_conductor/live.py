"""Runs as they stand: a bounded cache over the log. The cache is warmth, never truth (law 13)."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime

from actalog_conductor.agent_states import Finished, Identity
from actalog_conductor.definitions import Definitions
from actalog_conductor.kinds import KINDS, Kind, State
from actalog_core import crashpoints
from actalog_core.decider import Due
from actalog_core.errors import Permanent, Transient
from actalog_core.events import decode
from actalog_core.values import frozen
from actalog_log import chain
from actalog_log.ports import FoundRun, Head, RunLog, RunRow, StoredEvent

SETTLED = "call.settled.v1"  # the one event that may follow a run's end


class RunIsLost(Permanent):
    """A restored database has lost events of this run that the world has seen: it goes on no more."""


@frozen
class Live:
    """A run as it stands.

    `published` is the last seq that was told; (`told_seq`, `told_at`) the event that a result
    would speak of: the last one that is no late outcome. `asked` are the calls that its own
    decision asked for; None where it was loaded, and somebody else's had asked. `telling` is done
    once the broker has acknowledged what was told up to `published`; None: it has.
    """

    row: RunRow
    state: State
    head: Head
    published: int
    told_seq: int
    told_at: datetime
    asked: frozenset[str] | None = None
    telling: asyncio.Task[None] | None = None

    @property
    def kind(self) -> Kind:
        return KINDS[self.row.kind]

    def due(self) -> Sequence[Due]:
        """What the run waits for."""
        return self.kind.due(self.state)


def new(row: RunRow, state: State) -> Live:
    """A run that has no event yet."""
    return Live(row, state, Head(0, chain.row_digest(row)), 0, 0, row.accepted_at)


def identity(row: RunRow) -> Identity:
    return Identity(
        tenant_id=row.tenant_id, run_no=row.run_no, run_id=row.run_id, session_id=row.session_id,
        turn=row.turn, user_id=row.user_id,
    )  # fmt: skip


def last_told(live: Live, stored: Sequence[StoredEvent]) -> tuple[int, datetime]:
    """(seq, recorded_at) of the last event that is no late outcome."""
    for event in reversed(stored):
        if event.type != SETTLED:
            return event.seq, event.recorded_at
    return live.told_seq, live.told_at


class RunUnknown(Transient):
    """The run is not in the log (yet)."""

    tries = 8  # some seconds: who names a run has seen its commit


class Runs:
    """The runs that this conductor decides for."""

    def __init__(
        self, log: RunLog, *, most: int = 10_000,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self.log, self.most = log, most
        self.definitions = Definitions(log, monotonic=monotonic)
        self._cached: OrderedDict[int, Live] = OrderedDict()

    def cached(self, run_no: int) -> Live | None:
        """A run as it is remembered, unless it rests on something that could not be told."""
        live = self._cached.get(run_no)
        if live is None or live.telling is None or not live.telling.done():
            return live
        if live.telling.cancelled() or live.telling.exception() is not None:
            self.drop(run_no)
            return None
        return live

    def keep(self, live: Live) -> Live:
        """Remember a run as it stands. What has ended and was told is read again if ever needed."""
        run_no = live.row.run_no
        if isinstance(live.state, Finished) and live.published == live.head.seq:
            self._cached.pop(run_no, None)
            return live
        self._cached[run_no] = live
        self._cached.move_to_end(run_no)
        while len(self._cached) > self.most:
            self._cached.popitem(last=False)
        return live

    def drop(self, run_no: int) -> None:
        self._cached.pop(run_no, None)

    def forget(self) -> None:
        """Partitions were assigned: what is cached may be stale (protocol 4.4)."""
        self._cached.clear()

    async def load(self, run_no: int) -> Live:
        """A run from the log alone.

        Raises:
            RunUnknown: it is not in the log (yet).
            Transient: the log cannot be reached.
        """
        if crashpoints.armed:
            crashpoints.reach("log.reading")
        found = await self.log.find_run_no(run_no)
        if found is None:
            raise RunUnknown(f"run_no {run_no}")
        return await self.rebuild(found)

    async def rebuild(self, found: FoundRun) -> Live:
        """A run that was found, from its events.

        Raises:
            RunIsLost: a part of them is gone.
        """
        if found.standing == "lost":
            raise RunIsLost(found.row.run_id)
        row, kind = found.row, KINDS[found.row.kind]
        stored = await self.log.read(row.run_no)
        state = kind.initial(identity(row), await self.definitions.pinned(row.definition))
        for event in stored:
            state = kind.evolve(state, decode(event.type, event.payload))
        began = new(row, state)
        head = Head(stored[-1].seq, stored[-1].hash) if stored else began.head
        return Live(row, state, head, found.published_seq, *last_told(began, stored))
