"""Reading a run's events in PostgreSQL. What many ask for at the same time goes together."""

from collections.abc import Sequence
from typing import Any

from actalog_log import chain
from actalog_log.database import Pool
from actalog_log.ports import RunRow, StoredEvent
from actalog_log.reaching import reaching
from actalog_log.together import Together

Row = Any  # asyncpg.Record: its fields have no static types
Asked = tuple[int, int, int]  # run_no, after, upto

FEW = 64  # events; whoever asks for more, asks alone: nobody waits behind a long run
MOST = 100  # questions in one statement
_EVERY = 2**62

# One row more than asked for: its hash is what the first one must follow from. At a run's begin
# that is the digest of the run's own row, which comes with the first event.
_READ = """
    select k.at, e.*, r.tenant_id, r.run_id, r.session_id,
           r.turn, r.kind, r.target, r.definition, r.body_digest, r.accepted_at, s.user_id,
           r.parent_run_no, r.parent_run_id, r.fork_seq, r.fork_hash
    from unnest($1::bigint[], $2::bigint[], $3::bigint[])
        with ordinality as k(run_no, after, upto, at)
    cross join lateral (
        select run_no, seq, type, rules_version, payload, causation_id, recorded_at, hash,
               position, xid::text::bigint as xid
        from events where run_no = k.run_no and seq >= k.after and seq <= k.upto
        order by seq
    ) e
    left join runs r on e.seq = 1 and k.after = 0 and r.run_no = k.run_no
    left join subjects s on s.subject = r.subject
    order by k.at, e.seq
"""

# Sorted by the index as it is; in the statement above many rows would be joined and sorted.
_LONG = """
    select run_no, seq, type, rules_version, payload, causation_id, recorded_at, hash,
           position, xid::text::bigint as xid
    from events where run_no = $1 and seq >= $2 and seq <= $3 order by seq
"""
_RUN = """
    select r.*, s.user_id from runs r left join subjects s using (subject) where r.run_no = $1
"""


class Reading:
    """Reads over a pool."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.together: Together[Asked, list[Row]] = Together(self._ask, key=_named, most=MOST)

    @reaching
    async def read(
        self, run_no: int, *, after: int = 0, upto: int | None = None
    ) -> Sequence[StoredEvent]:
        """See `RunLog.read`."""
        if upto is not None and upto - after <= FEW:
            rows = await self.together.ask((run_no, after, upto))
            run = rows[0] if rows and after == 0 else None
        else:
            rows, run = await self._ask_alone(run_no, after, _EVERY if upto is None else upto)
        if not rows:
            return []
        if after == 0:
            previous = chain.row_digest(as_row(run))
        else:
            previous, rows = rows[0]["hash"], rows[1:]
        return chain.verified(map(as_event, rows), previous)

    async def _ask_alone(self, run_no: int, after: int, upto: int) -> tuple[list[Row], Row | None]:
        """The events, and the run's own row where they begin with the first."""
        run = await self.pool.fetchrow(_RUN, run_no) if after == 0 else None
        return await self.pool.fetch(_LONG, run_no, after, upto), run

    async def _ask(self, asked: Sequence[Asked]) -> list[list[Row]]:
        columns = [[one[at] for one in asked] for at in range(3)]
        found: list[list[Row]] = [[] for _ in asked]
        for row in await self.pool.fetch(_READ, *columns):
            found[row["at"] - 1].append(row)
        return found


def _named(asked: Asked) -> str:
    return f"{asked[0]}:{asked[1]}:{asked[2]}"


def as_row(row: Row) -> RunRow:
    """A row of `runs` with its user."""
    return RunRow(
        run_no=row["run_no"], tenant_id=row["tenant_id"], run_id=row["run_id"],
        session_id=row["session_id"], turn=row["turn"], kind=row["kind"], target=row["target"],
        definition=row["definition"], body_digest=row["body_digest"],
        accepted_at=row["accepted_at"], user_id=row["user_id"],
        parent_run_no=row["parent_run_no"], parent_run_id=row["parent_run_id"],
        fork_seq=row["fork_seq"], fork_hash=row["fork_hash"],
    )  # fmt: skip


def as_event(row: Row) -> StoredEvent:
    """A row of `events`; what came before it is told by whoever verifies the chain."""
    return StoredEvent(
        row["run_no"], row["seq"], row["type"], row["payload"], row["rules_version"],
        row["causation_id"], row["recorded_at"], b"", row["hash"], row["position"], row["xid"],
    )  # fmt: skip
