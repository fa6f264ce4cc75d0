"""More than can be worked on, at once: how much memory a slow model, tool or database costs, and
whether all that was sent has come to its end."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from actalog_log.database import connect
from tests.benchmarks.load import Load
from tests.benchmarks.rig import Rig, platform, resident_mib

FEW, MANY = 2_000, 10_000
LOCKED_S = 20.0
LOOKS_EVERY_S = 0.1
SLOW_MODEL = ("agent:plain", "slowly")
SLOW_TOOL = ("agent:sleepy", "wait for number 7")


async def measure() -> dict[str, dict[str, float]]:
    """MiB of a platform in one process, at most, while tasks wait that were sent all at once."""
    async with platform("apache") as rig, Load(rig.kafka) as load:
        await load.together("agent:plain", "hello", runs=500, concurrency=100)
        told = {"before": {"mib": resident_mib(rig.pid)}}
        for runs in (FEW, MANY):
            told[f"{runs} tasks, a slow model"] = await _flood(rig, load, *SLOW_MODEL, runs)
        for runs in (FEW, MANY):
            told[f"{runs} tasks, a slow tool"] = await _flood(rig, load, *SLOW_TOOL, runs)
        for runs in (FEW, MANY):
            async with _locked(rig.dsn):
                found = await _flood(rig, load, "agent:plain", "hello", runs)
            told[f"{runs} tasks, a database that is locked for {LOCKED_S:.0f} s"] = found
    return told


async def _flood(rig: Rig, load: Load, target: str, text: str, runs: int) -> dict[str, float]:
    """All of them at once, and the most that was held until the last has ended."""
    peak = resident_mib(rig.pid)

    async def look() -> None:
        nonlocal peak
        while True:
            peak = max(peak, resident_mib(rig.pid))
            await asyncio.sleep(LOOKS_EVERY_S)

    looking = asyncio.create_task(look())
    began = time.perf_counter()
    try:
        ended = await asyncio.gather(*(load.run(target, text) for _ in range(runs)))
    finally:
        looking.cancel()
    completed = sum(result["status"] == "completed" for result, _ in ended)
    return {
        "completed": completed, "mib_at_most": peak,
        "runs_per_s": runs / (time.perf_counter() - began),
    }  # fmt: skip


@asynccontextmanager
async def _locked(dsn: str) -> AsyncGenerator[None]:
    """Nothing can be appended for a while, from now on."""
    connection = await connect(dsn)
    await connection.execute("begin; lock table runs in access exclusive mode")

    async def give_back() -> None:
        await asyncio.sleep(LOCKED_S)
        await connection.execute("rollback")

    giving = asyncio.create_task(give_back())
    try:
        yield
    finally:
        await giving
        await connection.close()
