"""Reading a run's events in PostgreSQL. What many ask for at the same time goes together."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from actalog_core.errors import ChainBroken
from actalog_log import chain
from actalog_log.database import Pool
from actalog_log.ports import RunRow, StoredEvent
from actalog_log.reaching import reaching
from actalog_log.together import Together, planned

Row = Any  # asyncpg.Record: its fields have no static types
Asked = tuple[int, int, int]  # run_no, after, upto

FEW = 64  # events; whoever asks for more, asks alone: nobody waits behind a long run
MOST = 100  # questions in one statement
_EVERY = 2**62

# As `StoredEvent` has them, so that a row is not taken apart twice.
EVENT = "run_no, seq, type, payload, rules_version, causation_id, recorded_at, hash, position"
_ROW = ", ".join(f"{'s' if one.name == 'user_id' else 'r'}.{one.name}" for one in fields(RunRow))
# The run's own row comes with the first event, whose previous hash is its digest.
_RUN = f"""case when e.seq = 1 then (
    select row({_ROW}) from runs r left join subjects s using (subject) where r.run_no = e.run_no
) end as run"""

# One row more than asked for: its hash is what the first one must follow from.
_READ = f"""
    select e.*, {_RUN}, k.at
    from (select * from unnest($1::bigint[], $2::bigint[], $3::bigint[]) with ordinality
          /* few: limit cardinality($1) */) as k(run_no, after, upto, at)
    cross join lateral (
        select {EVENT} from events
        where run_no = k.run_no and seq >= k.after and seq <= k.upto
        order by seq
    ) e
    order by k.at, e.seq
"""
# Sorted by the index as it is; in the statement above many rows would be joined and sorted.
_LONG = f"""
    select {EVENT}, {_RUN} from events e
    where run_no = $1 and seq >= $2 and seq <= $3 order by seq
"""
# A run stands with its first event, or not at all: in one statement, for it may begin just now.
_EMPTY = """
    select exists (select from runs where run_no = $1)
       and not exists (select from events where run_no = $1)
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
        else:
            rows = await self.pool.fetch(_LONG, run_no, after, _EVERY if upto is None else upto)
        if not rows:
            if not after and upto != 0 and await self.pool.fetchval(_EMPTY, run_no):
                raise ChainBroken(f"run_no {run_no}, seq 1")
            return []
        begin = rows[0]
        if begin["seq"] != (after or 1) or not (after or begin["run"]):
            raise ChainBroken(f"run_no {run_no}, seq {after or 1}")  # it is gone, or the run's row
        if after:
            return chain.verified(rows[1:], begin["hash"])
        return chain.verified(rows, chain.row_digest(RunRow(*begin["run"])))

    async def _ask(self, asked: Sequence[Asked]) -> list[list[Row]]:
        columns = [[one[at] for one in asked] for at in range(3)]
        found: list[list[Row]] = [[] for _ in asked]
        for row in await self.pool.fetch(planned(_READ, len(asked)), *columns):
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
