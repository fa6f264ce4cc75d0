"""`published_seq`, raised lazily: nobody waits for it, a lost mark is a repeat with the same id."""

import asyncio
import contextlib

import asyncpg
import structlog

from actalog_core import crashpoints
from actalog_log.database import CONNECTION_LOST, Pool

log = structlog.get_logger()
EVERY_SECONDS = 0.2
AGAIN_SECONDS = 1.0  # where the database has not taken them

_RAISE = """
    with marks as (select * from unnest($1::bigint[], $2::bigint[]) as m(run_no, seq)),
    free as (select o.run_no from open_runs o join marks using (run_no)
             order by o.run_no for update of o skip locked)
    update open_runs o set published_seq = greatest(o.published_seq, m.seq)
    from marks m join free using (run_no) where o.run_no = m.run_no
    returning o.run_no
"""
# A run leaves when it has ended, is published up to its last event, and its claims are settled.
_CLOSE = """
    delete from open_runs where run_no in (
        select o.run_no from open_runs o where o.run_no = any($1::bigint[])
        and o.standing = 'ended' and o.published_seq >= o.last_seq
        and not exists (select from calls c where c.run_no = o.run_no and not c.settled)
        for update skip locked)
    returning run_no
"""
# Text that was held by an attempt whose answer never came (protocol 9.1).
_UNHOLD = "delete from held where run_no = any($1::bigint[])"


class PublishedMarks:
    """Gathers marks and writes them together, without waiting for fsync (protocol 7.1)."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.marks: dict[int, int] = {}
        self.wake = asyncio.Event()
        self.task = asyncio.create_task(self._run(), name="published marks")

    def raise_to(self, run_no: int, seq: int) -> None:
        """Note that a run is published up to `seq`."""
        self.marks[run_no] = max(seq, self.marks.get(run_no, 0))
        self.wake.set()

    async def stop(self) -> None:
        """Write what is left, once."""
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task
        with contextlib.suppress(Exception):
            await self._write()

    async def _run(self) -> None:
        while True:
            await self.wake.wait()
            self.wake.clear()
            pause_s = EVERY_SECONDS
            try:
                await self._write()
            except Exception as error:
                if not isinstance(error, (*CONNECTION_LOST, asyncpg.PostgresError)):
                    log.exception("marks were not written")
                pause_s = AGAIN_SECONDS
                self.wake.set()
            await asyncio.sleep(pause_s)

    async def _write(self) -> None:
        marks = dict(sorted(self.marks.items()))
        if not marks:
            return
        if crashpoints.armed:
            crashpoints.reach("marks.writing")
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("set local synchronous_commit = off")
            rows = await connection.fetch(_RAISE, list(marks), list(marks.values()))
            raised = {row["run_no"] for row in rows}
            closed = await connection.fetch(_CLOSE, sorted(raised))
            if closed:  # a statement of its own: it sees what was held until now
                await connection.execute(_UNHOLD, [row["run_no"] for row in closed])
            locked = await connection.fetch(
                "select run_no from open_runs where run_no = any($1::bigint[])",
                [run_no for run_no in marks if run_no not in raised],
            )
        again = {row["run_no"] for row in locked}
        for run_no, seq in marks.items():
            if run_no not in again and self.marks.get(run_no) == seq:
                del self.marks[run_no]
        if again:
            self.wake.set()
