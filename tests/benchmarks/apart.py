"""Throughput with the services in processes of their own, all on this machine."""

import os
import tempfile
from pathlib import Path

from actalog.embedded.postgres import EmbeddedPostgres
from actalog_testing.apache_kafka import ApacheKafka
from tests.acceptance.processes import Fleet, run
from tests.benchmarks.load import Load
from tests.benchmarks.one_call import CONCURRENCY, TOGETHER
from tests.benchmarks.rig import APP, KAFKA_POM, ROOT, cpu_seconds, model_server

SERVICES = ("conductor", "llm", "tools")  # whose work the benchmark's agents need


async def measure() -> dict[str, dict[str, float]]:
    """Runs a second on Apache Kafka, and what each process spent for a run."""
    with tempfile.TemporaryDirectory(prefix="actalog-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        postgres = EmbeddedPostgres(folder / "pg")
        dsn = await postgres.start()
        kafka = ApacheKafka(folder / "kafka", pom=KAFKA_POM)
        try:
            bootstrap = await kafka.start()
            async with model_server(folder) as base_url:
                env = {
                    **os.environ, "PYTHONPATH": str(ROOT), "ACTALOG_DATABASE_URL": dsn,
                    "ACTALOG_KAFKA": bootstrap, "ACTALOG_APP": APP, "OPENAI_API_KEY": "none",
                    "OPENAI_BASE_URL": f"{base_url}/v1", "ACTALOG_LOG_LEVEL": "warning",
                }  # fmt: skip
                for command in (["migrate"], ["topics", "apply"], ["deploy", "--app", APP]):
                    run(*command, env=env)
                fleet = Fleet(env, folder)
                await fleet.start(SERVICES)
                try:
                    return await _measured(bootstrap, fleet)
                finally:
                    await fleet.stop()
        finally:
            await kafka.stop()
            await postgres.stop()


async def _measured(bootstrap: str, fleet: Fleet) -> dict[str, dict[str, float]]:
    async with Load(bootstrap) as load:
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
