"""The effect ledger in PostgreSQL (protocol 6). Leases run on the database's clock."""

from collections.abc import Collection
from typing import cast

from actalog_log.database import Pool
from actalog_log.ports import Claim, ClaimState, Renewed
from actalog_log.postgres import reaching

# One statement decides who runs a call: a new row is ours, an expired lease becomes ours under
# the next epoch, and whatever else stands is told as it is.
_CLAIM = """
    with mine as (
        insert into calls as c (call_id, run_no, holder, lease_until)
        values ($1, $2, $3, clock_timestamp() + $4 * interval '1 millisecond')
        on conflict (call_id) do update
            set epoch = c.epoch + (c.holder <> excluded.holder)::int, holder = excluded.holder, lease_until = excluded.lease_until,
                claimed_at = clock_timestamp()
            where not c.settled
                and (c.holder = excluded.holder or (c.lease_until < clock_timestamp() and $5))
        returning c.epoch
    )
    select case when epoch = 1 then 'claimed' else 'expired' end as state, epoch,
           null::bytea as outcome from mine
    union all
    select case when settled then 'answered' else 'busy' end, epoch, outcome from calls
    where call_id = $1 and not exists (select from mine)
"""
_RENEW = """
    with mine as (
        select call_id from calls where call_id = any($3::text[]) and holder = $1 and not settled
        order by call_id for update
    ), renewed as (
        update calls c set lease_until = clock_timestamp() + $2 * interval '1 millisecond'
        from mine where c.call_id = mine.call_id returning c.call_id, c.run_no
    )
    select call_id, o.run_no is null or o.standing = 'ended' as ended
    from renewed left join open_runs o using (run_no)
"""


class PostgresCalls:
    """Calls over a pool of connections (that of PostgresLog)."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    @reaching
    async def claim(
        self, call_id: str, *, run_no: int, holder: str, lease_ms: int, take_over: bool = True
    ) -> Claim:
        for _ in range(2):
            row = await self.pool.fetchrow(_CLAIM, call_id, run_no, holder, lease_ms, take_over)
            if row is not None:
                break
        else:  # both times somebody's claim became visible between the two parts: theirs stands
            return Claim(call_id, "busy", 0)
        return Claim(call_id, cast(ClaimState, row["state"]), row["epoch"], row["outcome"])

    @reaching
    async def renew(self, holder: str, lease_ms: int, call_ids: Collection[str]) -> Renewed:
        asked = sorted(call_ids)
        rows = await self.pool.fetch(_RENEW, holder, lease_ms, asked)
        ended = frozenset(row["call_id"] for row in rows if row["ended"])
        return Renewed(ended, frozenset(asked) - {row["call_id"] for row in rows})

    @reaching
    async def raise_epoch(self, call_id: str, *, epoch: int, holder: str) -> int | None:
        return await self.pool.fetchval(
            "update calls set epoch = epoch + 1 where call_id = $1 and epoch = $2 and holder = $3"
            " and not settled returning epoch", call_id, epoch, holder,
        )  # fmt: skip

    @reaching
    async def settle(self, call_id: str, *, epoch: int, outcome: bytes) -> bool:
        said = await self.pool.execute(
            "update calls set settled = true, outcome = $3 where call_id = $1 and epoch = $2"
            " and not settled", call_id, epoch, outcome,
        )  # fmt: skip
        return said.endswith(" 1")
