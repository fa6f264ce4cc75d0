"""Agno with AsyncPostgresDb in one process: one-call runs against the same model server.

Runs in the peers' environment: `python peer_agno.py DSN BASE_URL RUNS CONCURRENCY` prints JSON.
Nothing of ours is imported here.
"""

# pyright: basic, reportMissingImports=false

import asyncio
import json
import resource
import statistics
import sys
import time
import tracemalloc
from typing import Any


def _agent(dsn: str, base_url: str) -> Any:
    from agno.agent import Agent
    from agno.db.postgres import AsyncPostgresDb
    from agno.models.openai import OpenAIChat

    db = AsyncPostgresDb(db_url=dsn.replace("postgresql://", "postgresql+psycopg_async://"))
    model = OpenAIChat(id="scripted", base_url=base_url, api_key="none")
    return Agent(name="bench", model=model, db=db, instructions="Answer.", telemetry=False)


async def _run(agent: Any, number: int) -> float:
    began = time.perf_counter()
    await agent.arun("hello", session_id=f"bench-{time.time_ns()}-{number}", stream=False)
    return (time.perf_counter() - began) * 1000


def _objects() -> dict[str, float]:
    """Time and memory of one agent object, without tools."""
    from agno.agent import Agent

    for _ in range(200):
        Agent(name="a")
    began = time.perf_counter()
    kept = [Agent(name="a") for _ in range(2000)]
    took = (time.perf_counter() - began) / len(kept) * 1e6
    del kept
    tracemalloc.start()
    kept = [Agent(name="a") for _ in range(2000)]
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"agent_us": took, "agent_bytes": size / len(kept)}


async def main(dsn: str, base_url: str, runs: int, concurrency: int) -> dict[str, float]:
    """p50 of sequential runs, and runs a second side by side."""
    agent = _agent(dsn, base_url)
    for number in range(15):
        await _run(agent, number)
    alone = [await _run(agent, number) for number in range(runs)]
    limit = asyncio.Semaphore(concurrency)

    async def one(number: int) -> None:
        async with limit:
            await _run(agent, number)

    cpu = resource.getrusage(resource.RUSAGE_SELF)
    began = time.perf_counter()
    await asyncio.gather(*(one(number) for number in range(runs * 2)))
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    spent = after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime
    return {
        "p50_ms": statistics.median(alone),
        "p99_ms": statistics.quantiles(alone, n=100)[98],
        "runs_per_s": runs * 2 / took,
        "runs_per_cpu_s": runs * 2 / spent,
        **_objects(),
    }


if __name__ == "__main__":
    dsn, base_url, runs, concurrency = sys.argv[1:]
    print(json.dumps(asyncio.run(main(dsn, base_url, int(runs), int(concurrency)))))
