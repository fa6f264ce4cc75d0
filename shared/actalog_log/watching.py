"""What a conductor asks PostgreSQL around its appends, and what its supervisor watches."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property

from actalog_log.beside_ports import Tombstone
from actalog_log.database import Pool
from actalog_log.ports import WAKE_CLAIM, Looming, Opening
from actalog_log.reaching import reaching
from actalog_log.together import Together, planned

MOST = 500  # questions in one statement
MOST_OUTCOMES = 50  # each may be as large as a tool's limit allows

_OPENING = """
    select coalesce((select max(turn) from runs r
                     where r.tenant_id = k.tenant and r.session_id = k.session), 0) as turn,
           exists (select from open_runs o
                   where o.tenant_id = k.tenant and o.session_id = k.session
                   and o.turn is not null and o.standing in ('active', 'waiting')) as busy,
           (select user_id from (
                select subject from runs r where r.tenant_id = k.tenant
                and r.session_id = k.session and turn is not null order by turn limit 1
            ) first join subjects using (subject)) as user_id,
           exists (select from runs r where r.tenant_id = k.tenant and r.run_id = k.run) as known
    from (select * from unnest($1::text[], $2::text[], $3::text[]) with ordinality
          /* few: limit cardinality($1) */) as k(tenant, session, run, at)
    order by at
"""
_FIRST_WAITING = """
    select first.run_no
    from (select * from unnest($1::text[], $2::text[]) with ordinality
          /* few: limit cardinality($1) */) as k(tenant, session, at)
    left join lateral (
        select run_no, standing from open_runs o
        where o.tenant_id = k.tenant and o.session_id = k.session and o.turn is not null
        and o.standing in ('active', 'waiting') order by o.turn limit 1
    ) first on first.standing = 'waiting'
    order by at
"""
_TOMBSTONES = """
    select k.tenant as tenant_id, k.run as run_id, reason, by, made_at
    from (select * from unnest($1::text[], $2::text[]) with ordinality
          /* few: limit cardinality($1) */) as k(tenant, run, at)
    left join tombstones t on t.tenant_id = k.tenant and t.run_id = k.run
        and t.made_at > clock_timestamp() - interval '1 day'
    order by at
"""
_OUTCOMES = """
    select c.outcome from unnest($1::text[]) with ordinality as k(call_id, at)
    left join calls c on c.call_id = k.call_id and c.settled
    order by at
"""
# Apart by chance as well: what was accepted together is not woken together for ever.
_WOKEN = """
    update open_runs o set wakes = o.wakes + 1, wake_at = least(
        k.at, $3::timestamptz + least(30 * power(2, least(o.wakes, 5)), 600)
              * (0.9 + 0.2 * random()) * interval '1 second')
    from (select run_no, w.at
          from unnest($1::bigint[], $2::timestamptz[]) as w(run_no, at) join open_runs using (run_no)
          where wake_at = $4 order by run_no for update of open_runs skip locked) k
    where o.run_no = k.run_no
"""
ASKED_S = 2  # what was just asked for is not due
# The statement's time, and not the clock's: that one moves, so no index would find what is due.
DUE = f"""lease_until < statement_timestamp() and (
    asked_at is null or asked_at < statement_timestamp() - interval '{ASKED_S} seconds')
"""
LOOMING = f"""
    select exists (select from open_runs where wake_at <= $1) as runs,
           exists (select from calls where not settled and {DUE}) as calls,
           exists (select from calls where settled and outcome is not null and {DUE}) as answers,
           exists (select from inbox where received_at < $2
                   and (asked_at is null or asked_at < $2)) as inbox,
           clock_timestamp() as at
"""


def ask_for(which: str) -> str:
    """Calls that are due, noted as asked for: another supervisor asks for others."""
    return f"""
        with due as (
            select call_id from calls where {which} and {DUE}
            order by lease_until limit $1 for update skip locked
        )
        update calls c set asked_at = clock_timestamp() from due where c.call_id = due.call_id
        returning c.call_id, c.run_no, c.outcome
    """


class Watching:
    """Reads and small writes of the conductor over a pool. Questions of many runs go together."""

    pool: Pool

    @cached_property
    def _openings(self) -> Together[tuple[str, str, str], Opening]:
        return Together(self._ask_openings, key=_named, most=MOST)

    @cached_property
    def _waiters(self) -> Together[tuple[str, str], int | None]:
        return Together(self._ask_waiting, key=_named, most=MOST)

    @cached_property
    def _tombstones(self) -> Together[tuple[str, str], Tombstone | None]:
        return Together(self._ask_tombstones, key=_named, most=MOST)

    @cached_property
    def _outcomes(self) -> Together[tuple[str], bytes | None]:
        return Together(self._ask_outcomes, key=_named, most=MOST_OUTCOMES)

    @reaching
    async def opening(self, tenant_id: str, session_id: str, run_id: str) -> Opening:
        return await self._openings.ask((tenant_id, session_id, run_id))

    @reaching
    async def first_waiting_no(self, tenant_id: str, session_id: str) -> int | None:
        return await self._waiters.ask((tenant_id, session_id))

    @reaching
    async def get_tombstone(self, tenant_id: str, run_id: str) -> Tombstone | None:
        return await self._tombstones.ask((tenant_id, run_id))

    @reaching
    async def outcome(self, call_id: str) -> bytes | None:
        return await self._outcomes.ask((call_id,))

    @reaching
    async def state_version(self, tenant_id: str, session_id: str) -> int:
        version = await self.pool.fetchval(
            "select max(state_version) from session_ops where tenant_id = $1 and session_id = $2",
            tenant_id, session_id,
        )  # fmt: skip
        return version or 0

    @reaching
    async def looming(self, now: datetime, inbox_before: datetime) -> Looming:
        row = await self.pool.fetchrow(LOOMING, now, inbox_before)
        assert row is not None
        return Looming(row["runs"], row["calls"], row["inbox"], row["answers"], row["at"])

    @reaching
    async def unheard_answers(self, limit: int) -> Sequence[tuple[str, int, bytes]]:
        rows = await self.pool.fetch(ask_for("settled and outcome is not null"), limit)
        return [(row["call_id"], row["run_no"], row["outcome"]) for row in rows]

    @reaching
    async def woken(self, runs: Mapping[int, datetime | None], claimed: datetime) -> None:
        numbers = sorted(runs)
        await self.pool.execute(
            _WOKEN, numbers, [runs[one] for one in numbers], claimed, claimed + WAKE_CLAIM
        )

    @reaching
    async def claimed_epoch(self, call_id: str) -> int:
        epoch = await self.pool.fetchval("select epoch from calls where call_id = $1", call_id)
        return epoch or 0

    @reaching
    async def answer_heard(self, call_id: str, answer: bytes) -> None:
        await self.pool.execute(
            "update calls set outcome = null where call_id = $1 and settled and outcome = $2",
            call_id, answer,
        )  # fmt: skip

    @reaching
    async def wake_all(self, at: datetime, *, paused: bool = True) -> int:
        # In the order in which all take these rows; what somebody holds just now is waited for,
        # because nobody else would wake it.
        said = await self.pool.execute(
            "update open_runs o set wake_at = $1 from (select run_no from open_runs"
            " where standing <> 'lost' and (standing <> 'paused' or $2)"
            " and (wake_at is null or wake_at > $1)"
            " order by run_no for update) k"
            " where o.run_no = k.run_no", at, paused,
        )  # fmt: skip
        return int(said.rpartition(" ")[2])

    @reaching
    async def live_calls(self, run_no: int) -> frozenset[str]:
        rows = await self.pool.fetch(
            "select call_id from calls where run_no = $1 and not settled"
            " and lease_until >= clock_timestamp()", run_no,
        )  # fmt: skip
        return frozenset(row["call_id"] for row in rows)

    @reaching
    async def abandon_calls(self, run_no: int) -> int:
        said = await self.pool.execute(
            "update calls set settled = true where run_no = $1 and not settled"
            " and lease_until < clock_timestamp()", run_no,
        )  # fmt: skip
        return int(said.rpartition(" ")[2])

    @reaching
    async def keep_ranges_ahead(self) -> int:
        return await self.pool.fetchval("select keep_ranges_ahead()")

    async def _ask_openings(self, keys: Sequence[tuple[str, str, str]]) -> list[Opening]:
        rows = await self.pool.fetch(planned(_OPENING, len(keys)), *_columns(keys, 3))
        return [Opening(r["turn"], r["busy"], r["known"], r["user_id"]) for r in rows]

    async def _ask_waiting(self, keys: Sequence[tuple[str, str]]) -> list[int | None]:
        rows = await self.pool.fetch(planned(_FIRST_WAITING, len(keys)), *_columns(keys, 2))
        return [row["run_no"] for row in rows]

    async def _ask_outcomes(self, keys: Sequence[tuple[str]]) -> list[bytes | None]:
        rows = await self.pool.fetch(_OUTCOMES, *_columns(keys, 1))
        return [row["outcome"] for row in rows]

    async def _ask_tombstones(self, keys: Sequence[tuple[str, str]]) -> list[Tombstone | None]:
        rows = await self.pool.fetch(planned(_TOMBSTONES, len(keys)), *_columns(keys, 2))
        return [
            None if r["made_at"] is None
            else Tombstone(r["tenant_id"], r["run_id"], r["reason"], r["by"])
            for r in rows
        ]  # fmt: skip


def _named(key: tuple[str, ...]) -> str:
    return "\x1f".join(key)


def _columns(keys: Sequence[tuple[str, ...]], width: int) -> list[list[str]]:
    return [[key[at] for key in keys] for at in range(width)]
