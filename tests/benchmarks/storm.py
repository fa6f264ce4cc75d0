"""Thousands of clients of one gateway, which is killed: what each holds, and when all have caught
up at another one. The clients run on the same machine."""

import asyncio
import time
from collections.abc import Sequence

from actalog_contracts.runs import ToolReturned
from actalog_log.migrate import migrate
from tests.benchmarks.rig import cpu_seconds, resident_mib, servers
from tests.integration.gateway.storm import Client, Storm, storm
from tests.integration.gateway.world import Run, called, done, reply, returned

CLIENTS, RUNS, BEFORE = 3_000, 30, 300


async def measure() -> dict[str, dict[str, float]]:
    """Two gateways on Apache Kafka and PostgreSQL; the clients follow the first one."""
    async with servers() as on:
        await migrate(on.dsn)
        async with storm(on.kafka.bootstrap, on.dsn, on.folder, embedded=False) as made:
            return await _measured(made)


async def _measured(made: Storm) -> dict[str, dict[str, float]]:
    names = [f"r{at}" for at in range(RUNS)]
    runs = [await made.stage.run(name) for name in names]
    for run in runs:
        await run.begin()
    clients = made.clients(CLIENTS + BEFORE, names)
    async with asyncio.TaskGroup() as group:
        pid = made.processes[0].pid
        for one in clients[:BEFORE]:
            group.create_task(one.follow())
        await _all_have(clients[:BEFORE], 3)
        held, began = resident_mib(pid), time.perf_counter()
        for one in clients[BEFORE:]:
            group.create_task(one.follow())
        await _all_have(clients, 3)
        opened = time.perf_counter() - began
        await asyncio.sleep(2)
        kib = (resident_mib(pid) - held) * 1024 / CLIENTS
        idle = cpu_seconds(pid)
        await asyncio.sleep(10)
        idle = (cpu_seconds(pid) - idle) / 10
        told_ms = await _told(runs, clients)
        caught_up_s = await _killed(made, runs, clients)
        for run in runs:
            await run.say(reply(run.row.run_id, "fine", turn=2), done(7))
    gaps = sum(one.reader.seqs != list(range(1, 9)) for one in clients)
    return {
        f"{CLIENTS} clients of one gateway": {
            "opened_per_s": CLIENTS / opened, "kib_each": kib, "idle_core_percent": 100 * idle,
        },
        "one event to each": {"last_client_ms": told_ms},
        "gateway killed": {"all_caught_up_s": caught_up_s, "clients_with_gaps": gaps},
    }  # fmt: skip


async def _all_have(clients: Sequence[Client], seq: int) -> None:
    async with asyncio.timeout(120):
        for one in clients:
            await one.has(seq)


async def _told(runs: Sequence[Run], clients: Sequence[Client]) -> float:
    """Milliseconds from the append until the last client has it."""
    began = time.perf_counter()
    for run in runs:
        await run.say(reply(run.row.run_id, "Let me see."))
    await _all_have(clients, 4)
    return 1_000 * (time.perf_counter() - began)


async def _killed(made: Storm, runs: Sequence[Run], clients: Sequence[Client]) -> float:
    """Seconds from the kill until every client has what was appended after it."""
    began = time.perf_counter()
    made.kill(0)
    for run in runs:
        await run.say(called(run.row.run_id))
        result: ToolReturned = returned(run.row.run_id)
        await run.say(result)
    await _all_have(clients, 6)
    return time.perf_counter() - began
