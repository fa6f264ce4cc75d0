"""The log beside its floors: appending under load beside pgbench's way, and replaying."""

import asyncio
import statistics
import time
from datetime import UTC, datetime

from actalog_log import chain
from actalog_log.database import connect
from actalog_log.migrate import migrate
from actalog_log.ports import Append, Decision, Head, NewEvent, RunRow
from actalog_log.postgres import PostgresLog
from tests.benchmarks.rig import database

WRITERS = 64
RUNS = 6_000
EVENTS = 5
LONG = 20_000
PAYLOAD = b'{"text":"' + b"x" * 380 + b'"}'


async def log() -> dict[str, dict[str, float]]:
    """Runs of five events: ours (a decision with row, chain and standing), and bare INSERTs of the
    same events by as many connections as are fastest. Then reading with verification."""
    async with database() as (_, dsn):
        await migrate(dsn)
        bare = max([await _bare(dsn, connections) for connections in (8, 16, 32)])
        ours, numbers = await _ours(dsn)
        replayed = await _replayed(dsn, numbers)
        long = await _long(dsn)
    return {
        "append": {
            "events_per_s": ours, "bare_inserts_per_s": bare, "ratio": ours / bare,
        },
        "read and verified, run by run": {"events_per_s": replayed},
        "read and verified, one long run": long,
    }  # fmt: skip


async def _bare(dsn: str, connections: int) -> float:
    """Durable single-row INSERTs a second, each a transaction, as pgbench -c would do them."""
    made = [await connect(dsn) for _ in range(connections)]
    await made[0].execute(
        "drop table if exists bare; create table bare (run_no bigint, seq bigint, type text,"
        " payload bytea, recorded_at timestamptz, hash bytea, primary key (run_no, seq))"
    )
    each, now = 4_000 // connections, datetime.now(UTC)

    async def write(at: int) -> None:
        for number in range(each):
            await made[at].execute(
                "insert into bare values ($1, $2, $3, $4, $5, $6)",
                at, number, "model.replied.v1", PAYLOAD, now, b"h" * 32,
            )  # fmt: skip

    began = time.perf_counter()
    await asyncio.gather(*(write(at) for at in range(connections)))
    took = time.perf_counter() - began
    for one in made:
        await one.close()
    return each * connections / took


async def _ours(dsn: str) -> tuple[float, list[int]]:
    log = PostgresLog(dsn)
    await log.start()
    limit, now, numbers = asyncio.Semaphore(WRITERS), datetime.now(UTC), list[int]()

    async def run(number: int) -> None:
        async with limit:
            run_no = await log.reserve_run_no()
            numbers.append(run_no)
            row = RunRow(
                run_no=run_no, tenant_id="default", run_id=f"r{number}", session_id=f"s{number}",
                turn=1, kind="agent", target="agent:a", definition="sha256:a", body_digest="x",
                accepted_at=now,
            )  # fmt: skip
            events = tuple(NewEvent("model.replied.v1", PAYLOAD, now) for _ in range(EVENTS))
            head = Head(0, chain.row_digest(row))
            await log.append(
                Decision((Append(run_no, head, events, row=row, standing="active", wake_at=now),))
            )

    began = time.perf_counter()
    await asyncio.gather(*(run(number) for number in range(RUNS)))
    took = time.perf_counter() - began
    await log.stop()
    return RUNS * EVENTS / took, numbers


async def _long(dsn: str) -> dict[str, float]:
    """One run of many events, read whole: events for each second of time, and of our CPU time."""
    log = PostgresLog(dsn)
    await log.start()
    now = datetime.now(UTC)
    row = RunRow(
        run_no=await log.reserve_run_no(), tenant_id="default", run_id="long", session_id="long",
        turn=1, kind="agent", target="agent:a", definition="sha256:a", body_digest="x",
        accepted_at=now,
    )  # fmt: skip
    events = tuple(NewEvent("model.replied.v1", PAYLOAD, now) for _ in range(500))
    first = Append(row.run_no, Head(0, chain.row_digest(row)), events, row=row, standing="active",
                   wake_at=now)  # fmt: skip
    (head,) = await log.append(Decision((first,)))
    while head.seq < LONG:
        (head,) = await log.append(Decision((Append(row.run_no, head, events),)))
    took: list[float] = []
    spent: list[float] = []
    for _ in range(7):
        began, cpu = time.perf_counter(), time.process_time()
        assert len(await log.read(row.run_no)) == head.seq
        took.append(time.perf_counter() - began)
        spent.append(time.process_time() - cpu)
    await log.stop()
    return {
        "events_per_s": head.seq / statistics.median(took),
        "events_per_cpu_s": head.seq / statistics.median(spent), "goal": 100_000,
    }  # fmt: skip


async def _replayed(dsn: str, numbers: list[int]) -> float:
    log = PostgresLog(dsn)
    await log.start()
    rates: list[float] = []
    for _ in range(3):
        count, began = 0, time.perf_counter()
        for run_no in numbers[:2_000]:
            count += len(await log.read(run_no))
        rates.append(count / (time.perf_counter() - began))
    await log.stop()
    return statistics.median(rates)
