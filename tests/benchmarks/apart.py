"""Throughput with the services in processes of their own, all on this machine."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from tests.acceptance.processes import Fleet, run
from tests.benchmarks.load import Load
from tests.benchmarks.one_call import CONCURRENCY, TOGETHER
from tests.benchmarks.rig import APP, ROOT, cpu_seconds, model_server, servers, settings

SERVICES = ("conductor", "llm", "tools")  # whose work the benchmark's agents need


async def measure() -> dict[str, dict[str, float]]:
    """Runs a second on Apache Kafka, and what each process spent for a run."""
    async with (
        servers() as made,
        model_server(made.folder) as base_url,
        services(settings(made.dsn, base_url, made.kafka.bootstrap), made.folder) as fleet,
        Load(made.kafka.bootstrap) as load,
    ):
        return await _measured(load, fleet)


@asynccontextmanager
async def services(told: Mapping[str, str], folder: Path) -> AsyncGenerator[Fleet]:
    """Processes for the benchmark's agents, with their database, topics and definitions."""
    env = {**told, "PYTHONPATH": str(ROOT), "ACTALOG_APP": APP}
    for command in (["migrate"], ["topics", "apply"], ["deploy", "--app", APP]):
        await asyncio.to_thread(partial(run, *command, env=env))
    fleet = Fleet(env, folder)
    try:
        await fleet.start(SERVICES)
        yield fleet
    finally:
        await fleet.stop()


async def _measured(load: Load, fleet: Fleet) -> dict[str, dict[str, float]]:
    await load.together("agent:plain", "hello", runs=TOGETHER // 3, concurrency=CONCURRENCY)
    before = {name: cpu_seconds(one.pid) for name, one in fleet.running.items()}
    plain = await load.together("agent:plain", "hello", runs=TOGETHER, concurrency=CONCURRENCY)
    spent = {
        f"{name.removesuffix('-0')}_ms_per_run": 1000 * (cpu_seconds(one.pid) - before[name])
        / TOGETHER
        for name, one in fleet.running.items()
    }  # fmt: skip
    tools = await load.together(
        "agent:tooled", "look up number 7", runs=TOGETHER // 2, concurrency=CONCURRENCY
    )
    return {
        "one call, 200 at once, services apart": {**plain, **spent},
        "one call and one tool, 200 at once, services apart": tools,
    }
