"""One flusher: decisions of different runs go to PostgreSQL together, as they come (protocol 4).

No timer: while one statement is on its way, the next batch gathers. The unit of a batch and of
its fall-back is a decision.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from actalog_core import crashpoints
from actalog_core.errors import (
    ActalogError,
    RunExists,
    SequenceTaken,
    Transient,
    TurnTaken,
)
from actalog_core.gathering import gathered
from actalog_log import appending, chain
from actalog_log.database import CONNECTION_LOST, Pool, Queries
from actalog_log.ports import Decision, Head, StoredEvent
from actalog_log.refusing import OF_THE_DATA, refused

MOST_DECISIONS = 500  # in one statement: larger ones were not faster
DEADLOCKS_BEFORE_GIVING_UP = 5
READ_S = 5  # for what settles a batch whose answer was lost

TRY_AGAIN = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


@dataclass(slots=True)
class Waiting:
    """A decision on its way, with what it becomes."""

    decision: Decision
    subjects: tuple[int | None, ...]  # one for each append
    events: tuple[tuple[StoredEvent, ...], ...]
    done: "asyncio.Future[tuple[Head, ...]]"

    @classmethod
    def of(cls, decision: Decision, subjects: tuple[int | None, ...]) -> "Waiting":
        linked = tuple(
            one.linked or tuple(chain.link(one.run_no, one.expected, one.events))
            for one in decision.appends
        )
        return cls(decision, subjects, linked, asyncio.get_running_loop().create_future())

    def linked(self) -> appending.Linked:
        return self.decision, self.subjects, self.events

    def heads(self) -> tuple[Head, ...]:
        return tuple(
            Head(events[-1].seq, events[-1].hash) if events else append.expected
            for append, events in zip(self.decision.appends, self.events, strict=True)
        )

    def commit(self) -> None:
        if not self.done.done():
            self.done.set_result(self.heads())

    def fail(self, error: ActalogError) -> None:
        if not self.done.done():
            self.done.set_exception(error)


class Flusher:
    """Commits decisions in batches; one at a time, because more were slower (protocol 4.2)."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.queue: list[Waiting] = []
        self.batch: list[Waiting] = []  # on its way
        self.wake = asyncio.Event()
        self.stopped = False
        self.task = asyncio.create_task(self._run(), name="log flusher")

    async def append(
        self, decision: Decision, subjects: tuple[int | None, ...]
    ) -> tuple[Head, ...]:
        """Commit a decision; see RunLog.append."""
        if self.stopped:
            raise Transient("the log is stopped")
        waiting = Waiting.of(decision, subjects)
        self.queue.append(waiting)
        self.wake.set()
        # A caller that gives up does not undo the append: it may be on its way already.
        return await asyncio.shield(waiting.done)

    async def stop(self) -> None:
        """Finish what is on its way, and what comes meanwhile, then stop."""
        while asked := [w.done for w in (*self.batch, *self.queue) if not w.done.done()]:
            await asyncio.wait(asked)
        self.stopped = True
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task

    async def _run(self) -> None:
        alone = True
        while True:
            await self.wake.wait()
            if not alone:  # else one statement for one decision: it leaves at once
                await gathered()
            alone = len(self.queue) == 1
            batch = self.batch = self._next()
            if not self.queue:
                self.wake.clear()
            try:
                await self._flush(batch)
            except Exception as error:  # noqa: BLE001 - nobody else would hear of it
                for waiting in batch:
                    waiting.fail(Transient(f"{type(error).__name__}: {error}"))

    def _next(self) -> list[Waiting]:
        """No run is twice in it: one statement must not change a row of `open_runs` twice, and
        PostgreSQL refuses all of one that would. The second waits for the next, and is then told
        that its place is taken."""
        batch: list[Waiting] = []
        rest: list[Waiting] = []
        runs: set[int] = set()
        for waiting in self.queue:
            own = {one.run_no for one in waiting.decision.appends}
            if len(batch) == MOST_DECISIONS or not runs.isdisjoint(own):
                rest.append(waiting)
            else:
                batch.append(waiting)
                runs |= own
        self.queue = rest
        return batch

    async def _flush(self, batch: list[Waiting]) -> None:
        """Commit a batch; what keeps it from standing is taken out, and the rest goes again."""
        sifted = False
        for _ in range(DEADLOCKS_BEFORE_GIVING_UP):
            try:
                return await self._commit(batch)
            except TRY_AGAIN:
                continue
            except asyncpg.UniqueViolationError:
                if sifted:  # a turn is taken, or an operation's version
                    return await self._one_by_one(batch)
                batch, sifted = await self._without_taken(batch), True
                if not batch:
                    return None
            except OF_THE_DATA:
                return await self._one_by_one(batch)
            except CONNECTION_LOST as error:
                return await self._settle_by_reading(batch, error)
            except asyncpg.PostgresError as error:
                return _fail_all(batch, Transient(f"PostgreSQL: {error}"))
        return await self._one_by_one(batch)

    async def _commit(self, batch: list[Waiting]) -> None:
        if crashpoints.armed:
            crashpoints.reach("log.appending")
        # One statement is one transaction: it stands whole or not at all.
        sql, columns = appending.asked([one.linked() for one in batch])
        await self.pool.execute(sql, *columns)
        if crashpoints.armed:
            crashpoints.reach("log.committed")
        for waiting in batch:
            waiting.commit()

    async def _one_by_one(self, batch: list[Waiting]) -> None:
        for waiting in batch:
            try:
                await self._commit([waiting])
            except asyncpg.UniqueViolationError as error:
                waiting.fail(_taken(error))
            except asyncpg.CheckViolationError as error:
                # That no partition has this run yet breaks no constraint that has a name, and its text
                # is in the server's language: whoever keeps the ranges ahead mends it (12).
                named = getattr(error, "constraint_name", None)
                waiting.fail(refused(error) if named else Transient(error.args[0]))
            except OF_THE_DATA as error:
                waiting.fail(refused(error))
            except CONNECTION_LOST as error:
                await self._settle_by_reading([waiting], error)
            except asyncpg.PostgresError as error:
                waiting.fail(Transient(f"PostgreSQL: {error}"))

    async def _without_taken(self, batch: list[Waiting]) -> list[Waiting]:
        """Read what exists, tell its decisions, and return the others."""
        ids = [
            (one.row.tenant_id, one.row.run_id)
            for w in batch for one in w.decision.appends if one.row is not None
        ]  # fmt: skip
        async with self.pool.acquire() as connection:
            taken = await _hashes(connection, [e for w in batch for es in w.events for e in es])
            runs = await connection.fetch(
                "select tenant_id, run_id from runs join unnest($1::text[], $2::text[])"
                " as k(tenant_id, run_id) using (tenant_id, run_id)",
                [tenant_id for tenant_id, _ in ids], [run_id for _, run_id in ids],
            )  # fmt: skip
        known = {(row["tenant_id"], row["run_id"]) for row in runs}
        free: list[Waiting] = []
        for waiting in batch:
            rows = [one.row for one in waiting.decision.appends if one.row is not None]
            if any((row.tenant_id, row.run_id) in known for row in rows):
                waiting.fail(RunExists())
            elif any((e.run_no, e.seq) in taken for linked in waiting.events for e in linked):
                waiting.fail(SequenceTaken())
            else:
                free.append(waiting)
        return free

    async def _settle_by_reading(self, batch: list[Waiting], error: BaseException) -> None:
        """The answer to COMMIT was lost: what stands is settled by reading, never by guessing. All
        at once: one after the other would wait for a silent server as often."""
        last = [[events[-1] for events in waiting.events if events] for waiting in batch]
        try:
            found = await _hashes(self.pool, [event for events in last for event in events])
        except (*CONNECTION_LOST, asyncpg.PostgresError):
            found = {}
        for waiting, events in zip(batch, last, strict=True):
            if any(found.get((event.run_no, event.seq)) == event.hash for event in events):
                waiting.commit()
            else:
                waiting.fail(Transient(f"PostgreSQL: {error or type(error).__name__}"))


async def _hashes(on: Queries, events: Sequence[StoredEvent]) -> dict[tuple[int, int], bytes]:
    """What stands at the places of these events, by run and seq."""
    rows = await on.fetch(
        "select run_no, seq, hash from events join unnest($1::bigint[], $2::bigint[])"
        " as k(run_no, seq) using (run_no, seq)",
        [event.run_no for event in events], [event.seq for event in events], timeout=READ_S,
    )  # fmt: skip
    return {(row["run_no"], row["seq"]): row["hash"] for row in rows}


def _fail_all(batch: list[Waiting], error: ActalogError) -> None:
    for waiting in batch:
        waiting.fail(error)


def _taken(error: asyncpg.UniqueViolationError) -> ActalogError:
    match getattr(error, "constraint_name", ""):
        case "turn_taken":
            return TurnTaken()
        case "run_id_taken":
            return RunExists()
        case _:
            return SequenceTaken()
