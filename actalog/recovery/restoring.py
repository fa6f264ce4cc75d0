"""What a recovery writes. Services are stopped, or refuse: nobody else writes meanwhile."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from actalog.recovery.bringing import Brought
from actalog.recovery.report import Lost
from actalog_conductor import kinds
from actalog_conductor.live import identity
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import RunAccepted, RunEvent, StateOp, ToolReturned
from actalog_core.events import decode
from actalog_log import chain
from actalog_log.database import Connection
from actalog_log.guarding import Cluster
from actalog_log.ports import Append, Decision, NewEvent, SessionOp, Standing
from actalog_log.postgres import PostgresLog

RANGE = 1_000_000  # run numbers of a partition of the log
SOON = timedelta(seconds=5)  # what is heard again comes first

_CALL = """
    insert into calls as c (call_id, run_no, epoch, holder, lease_until, settled, outcome)
    values ($1, $2, extract(epoch from clock_timestamp())::bigint, 'before the restore',
            clock_timestamp() - interval '1 second', $3::bytea is not null, $3)
    on conflict (call_id) do update
        set epoch = greatest(c.epoch + 1, excluded.epoch), holder = excluded.holder,
            lease_until = excluded.lease_until, settled = excluded.settled,
            outcome = excluded.outcome
        where not c.settled
"""
_LOST = """
    insert into open_runs (run_no, tenant_id, session_id, turn, standing)
    select run_no, tenant_id, session_id, turn, 'lost' from runs where run_no = $1
    on conflict (run_no) do update set standing = 'lost', wake_at = null
"""
# An id that the world has seen stays taken, also where nothing else of the run is known.
_TAKEN = """
    insert into runs (run_no, tenant_id, run_id, session_id, kind, target, definition,
                      body_digest, accepted_at)
    values (nextval('run_numbers'), $1, $2, $3, 'agent', 'lost', '', '', $4)
    on conflict do nothing returning run_no
"""


async def number_on(connection: Connection) -> None:
    """What is appended follows what is there, also in a server that numbers its transactions anew
    (a dump that was put there)."""
    await connection.fetchval("select number_on()")


async def make_ranges(connection: Connection, numbers: Sequence[int]) -> None:
    """Partitions of the log for runs that come back under their old numbers."""
    for low in sorted({number // RANGE for number in numbers}):
        await connection.execute("select setval('run_numbers', $1)", max(1, low * RANGE))
        await connection.fetchval("select keep_ranges_ahead()")


async def bring_back(log: PostgresLog, brought: Sequence[Brought], now: datetime) -> None:
    """Append what was brought, under its own numbers and hashes, with the operations on session
    state that it made. Runs are told again: their ids are the same."""
    ops = await _operations(log, brought)
    for one in brought:
        if not one.events and not one.new:
            continue
        events = tuple(
            NewEvent(e.type, chain.unseal(e.payload), e.recorded_at, e.causation_id, e.rules_version)
            for e in one.events
        )  # fmt: skip
        append = Append(
            one.row.run_no, one.head, events, row=one.row if one.new else None,
            linked=one.events, standing=await _standing(log, one), wake_at=now + SOON,
        )  # fmt: skip
        mine = tuple(op for op in ops if op.run_no == one.row.run_no)
        await log.append(Decision((append,), session_ops=mine))


async def _standing(log: PostgresLog, one: Brought) -> Standing:
    """How the run stands after what was brought; active where its definition is not there."""
    body = await log.get_definition(one.row.definition)
    if body is None:
        return "active"
    kind = kinds.KINDS[one.row.kind]
    state = kind.initial(identity(one.row), AgentDefinition.model_validate_json(body))
    if not one.new:
        for event in await log.read(one.row.run_no):
            state = kind.evolve(state, decode(event.type, event.payload))
    for event in one.events:
        state = kind.evolve(state, decode(event.type, chain.unseal(event.payload)))
    return kinds.standing(state)


async def _operations(log: PostgresLog, brought: Sequence[Brought]) -> list[SessionOp]:
    """In the order in which they were made; their versions follow those that are there."""
    made = sorted(
        (event.recorded_at, one.row.run_no, event.seq, one, ops)
        for one in brought
        for event in one.events
        if (ops := _ops(decode(event.type, chain.unseal(event.payload))))
    )  # fmt: skip
    versions: dict[tuple[str, str], int] = {}
    told: list[SessionOp] = []
    for _, run_no, seq, one, ops in made:
        key = (one.row.tenant_id, one.row.session_id)
        if key not in versions:
            versions[key] = await log.state_version(*key)
        versions[key] += 1
        text = orjson.dumps([op.model_dump(mode="json") for op in ops]).decode()
        told.append(SessionOp(*key, versions[key], run_no, seq, text))
    return told


def _ops(event: RunEvent) -> Sequence[StateOp]:
    match event:
        case RunAccepted(session_state=state):
            told: dict[str, Any] = orjson.loads(state)
            return [
                StateOp(op="set", key=name, value=orjson.dumps(value).decode())
                for name, value in told.items()
            ]
        case ToolReturned(state_ops=ops):
            return ops
        case _:
            return ()


async def settle_call(connection: Connection, key: str, run_no: int, outcome: bytes | None) -> None:
    """An answer that was found; None: whoever claims the call next learns that it may have run."""
    await connection.execute(_CALL, key, run_no, outcome)


async def close_lost(
    connection: Connection, lost: Sequence[tuple[Lost, int | None, str]], now: datetime
) -> None:
    """`lost`: with the run's number where it has a row, and its session."""
    for one, run_no, session_id in lost:
        if run_no is None:
            run_no = await connection.fetchval(_TAKEN, one.tenant_id, one.run_id, session_id, now)
        if run_no is not None:
            await connection.execute(_LOST, run_no)


async def open_incarnation(connection: Connection, now: Cluster, highest: int) -> int:
    """A new one: run numbers begin where nobody has used any; its number."""
    used = await connection.fetchval(
        "select greatest($1, (select last_value from run_numbers), (select max(run_no) from runs))",
        highest,
    )
    base = (used // RANGE + 2) * RANGE
    await connection.execute("select setval('run_numbers', $1)", base - 64)
    await connection.fetchval("select keep_ranges_ahead()")
    await connection.execute(
        "update calls set epoch = extract(epoch from clock_timestamp())::bigint + epoch,"
        " lease_until = clock_timestamp() - interval '1 second'"
        " where not settled and holder <> 'before the restore'"
    )
    await connection.execute(
        "update open_runs set wake_at = clock_timestamp() + $1 where standing <> 'lost'", SOON
    )
    return await connection.fetchval(
        "update installation set incarnation = greatest(incarnation + 1, $1),"
        " system_identifier = $2, timeline = $3 returning incarnation",
        base // RANGE, now.system, now.timeline,
    )  # fmt: skip
