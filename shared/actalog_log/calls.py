"""The effect ledger in PostgreSQL (protocol 6). Leases run on the database's clock."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from actalog_log.call_ports import Claim, ClaimState, Renewed
from actalog_log.database import Pool
from actalog_log.flush import DEADLOCKS_BEFORE_GIVING_UP, TRY_AGAIN
from actalog_log.postgres import reaching
from actalog_log.together import Together, planned

MOST_ROWS = 200  # in one statement
# One statement decides for each of its rows who runs the call: a new row is ours, an expired
# lease becomes ours under the next epoch, what we have is ours still, and whatever else stands
# is told as it is. Nothing has begun before the first epoch that is not void; asked again by its
# holder it is told as the first time: had anything begun under it, its holder would know. Every statement takes its rows in the order of their keys: no two deadlock.
_CLAIM = """
    with asked as (
        select * from unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::boolean[],
            $6::bigint[], $7::boolean[])
            as a(call_id, run_no, holder, lease_ms, take_over, after_epoch, on_notice)
        /* few: limit cardinality($1) */
    ), mine as (
        insert into calls as c (call_id, run_no, epoch, holder, lease_until)
        select call_id, run_no, after_epoch + 1, holder, clock_timestamp() + lease_ms * interval '1 millisecond'
        from asked order by call_id
        on conflict (call_id) do update
            set epoch = case when c.settled then excluded.epoch
                    else c.epoch + (c.holder <> excluded.holder)::int end,
                deaths = case when c.settled then 0
                    else c.deaths + (c.holder <> excluded.holder and (c.deaths < 2 or c.alone))::int
                    end,
                alone = c.alone and c.holder = excluded.holder and not c.settled,
                settled = false, outcome = null, holder = excluded.holder,
                lease_until = excluded.lease_until, claimed_at = clock_timestamp()
            where (c.settled and c.epoch < excluded.epoch)
                or (not c.settled and (c.holder = excluded.holder or (
                    c.lease_until < clock_timestamp()
                    and (select take_over or (on_notice and coalesce(
                            c.asked_at > c.lease_until, false))
                        from asked a where a.call_id = excluded.call_id))))
        returning c.call_id, c.epoch, c.deaths
    )
    select a.call_id, coalesce(m.epoch, c.epoch) as epoch, c.outcome, m.deaths,
           case when m.epoch in (1, a.after_epoch + 1) or (m.epoch > 1 and c.settled) then 'claimed'
                when m.epoch > 1 then 'expired'
                when c.settled then 'answered' when c.call_id is not null then 'busy' end as state,
           o.standing = 'ended' or (o.run_no is null and m.call_id is not null
               and exists (select from runs r where r.run_no = a.run_no)) as ended
    from asked a left join mine m using (call_id) left join calls c using (call_id)
        left join open_runs o on o.run_no = a.run_no
"""
_RENEW = """
    with mine as (
        select call_id from calls where call_id = any($3::text[]) and holder = $1 and not settled
        order by call_id for update
    ), renewed as (
        update calls c set lease_until = clock_timestamp() + $2 * interval '1 millisecond'
        from mine where c.call_id = mine.call_id returning c.call_id, c.run_no
    )
    select r.call_id, o.run_no is null or o.standing = 'ended' as ended, t.at
    from (select clock_timestamp() as at) t left join renewed r on true
        left join open_runs o on o.run_no = r.run_no
"""
_SETTLE = """
    with asked as (
        select * from unnest($1::text[], $2::bigint[], $3::bytea[]) as a(call_id, epoch, outcome)
        /* few: limit cardinality($1) */
    ), theirs as (
        select c.call_id from calls c join asked using (call_id) where not c.settled
        order by c.call_id for update of c
    )
    update calls c set settled = true, outcome = a.outcome
    from asked a join theirs using (call_id)
    where c.call_id = a.call_id and c.epoch = a.epoch and not c.settled
    returning c.call_id
"""


@dataclass(frozen=True, slots=True)
class _Asked:
    call_id: str
    run_no: int
    holder: str
    lease_ms: int
    take_over: bool
    after_epoch: int
    on_notice: bool


@dataclass(frozen=True, slots=True)
class _Settled:
    call_id: str
    epoch: int
    outcome: bytes


class PostgresCalls:
    """Calls over a pool of connections (that of PostgresLog)."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.claiming = Together(self._claim, key=lambda one: one.call_id, most=MOST_ROWS)
        self.settling = Together(self._settle, key=lambda one: one.call_id, most=MOST_ROWS)

    async def claim(
        self, call_id: str, *, run_no: int, holder: str, lease_ms: int, take_over: bool = True,
        after_epoch: int = 0, on_notice: bool = False,
    ) -> Claim:  # fmt: skip
        asked = _Asked(call_id, run_no, holder, lease_ms, take_over, after_epoch, on_notice)
        for _ in range(2):
            found = await self.claiming.ask(asked)
            if found is not None:
                return found
        # Both times somebody's claim became visible between the two parts: theirs stands.
        return Claim(call_id, "busy", 0)

    @reaching
    async def _claim(self, batch: Sequence[_Asked]) -> list[Claim | None]:
        rows = await self._fetch(
            planned(_CLAIM, len(batch)), [one.call_id for one in batch], [one.run_no for one in batch],
            [one.holder for one in batch], [one.lease_ms for one in batch],
            [one.take_over for one in batch], [one.after_epoch for one in batch],
            [one.on_notice for one in batch],
        )  # fmt: skip
        found = {row["call_id"]: _claim(row) for row in rows}
        return [found[one.call_id] for one in batch]

    @reaching
    async def renew(self, holder: str, lease_ms: int, call_ids: Collection[str]) -> Renewed:
        asked = sorted(call_ids)
        rows = await self._fetch(_RENEW, holder, lease_ms, asked)
        at, ours = rows[0]["at"], [row for row in rows if row["call_id"] is not None]
        ended = frozenset(row["call_id"] for row in ours if row["ended"])
        return Renewed(ended, frozenset(asked) - {row["call_id"] for row in ours}, at)

    @reaching
    async def raise_epoch(self, call_id: str, *, epoch: int, holder: str) -> int | None:
        return await self.pool.fetchval(
            "update calls set epoch = epoch + 1 where call_id = $1 and epoch = $2 and holder = $3"
            " and not settled returning epoch", call_id, epoch, holder,
        )  # fmt: skip

    @reaching
    async def run_alone(self, call_id: str, *, epoch: int) -> bool:
        said = await self.pool.execute(
            "update calls set alone = true where call_id = $1 and epoch = $2 and not settled",
            call_id, epoch,
        )  # fmt: skip
        return said.endswith(" 1")

    async def settle(self, call_id: str, *, epoch: int, outcome: bytes) -> bool:
        return await self.settling.ask(_Settled(call_id, epoch, outcome))

    async def settle_all(self, outcomes: Mapping[str, tuple[int, bytes]]) -> frozenset[str]:
        told = [_Settled(call_id, *settled) for call_id, settled in outcomes.items()]
        stored: set[str] = set()
        for at in range(0, len(told), MOST_ROWS):
            batch = told[at : at + MOST_ROWS]
            answers = zip(batch, await self._settle(batch), strict=True)
            stored |= {one.call_id for one, stands in answers if stands}
        return frozenset(stored)

    @reaching
    async def _settle(self, batch: Sequence[_Settled]) -> list[bool]:
        rows = await self._fetch(
            planned(_SETTLE, len(batch)), [one.call_id for one in batch], [one.epoch for one in batch],
            [one.outcome for one in batch],
        )  # fmt: skip
        stored = {row["call_id"] for row in rows}
        return [one.call_id in stored for one in batch]

    async def _fetch(self, sql: str, *arguments: object) -> list[Any]:
        """A flush that clears outcomes takes rows in an order of its own: a deadlock is tried
        again, nothing of it stood."""
        for attempt in range(DEADLOCKS_BEFORE_GIVING_UP):
            try:
                return await self.pool.fetch(sql, *arguments)
            except TRY_AGAIN:
                await asyncio.sleep(0.005 * attempt)
        return await self.pool.fetch(sql, *arguments)


def _claim(row: Any) -> Claim | None:
    if row["state"] is None:  # another's row, not yet visible to this statement
        return None
    state = cast(ClaimState, row["state"])
    outcome = row["outcome"] if state == "answered" else None
    ended = bool(row["ended"]) and state in ("claimed", "expired")
    return Claim(row["call_id"], state, row["epoch"], outcome, ended, row["deaths"] or 0)
