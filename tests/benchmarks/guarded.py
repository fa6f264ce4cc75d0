"""What the effect ledger and the supervisor cost: throughput with them and without, in turns."""

import os
import statistics
import tempfile
from pathlib import Path

from actalog.embedded.postgres import EmbeddedPostgres
from actalog_log.database import connect
from actalog_testing.apache_kafka import ApacheKafka
from tests.benchmarks.load import Load
from tests.benchmarks.rig import KAFKA_POM, cpu_seconds, model_server, up

RUNS = int(os.environ.get("BENCH_TOGETHER", "6000")) // 2
CONCURRENCY = 200
WITH, WITHOUT = "actalog", "tests.benchmarks.unguarded"
TURNS = (WITH, WITHOUT, WITHOUT, WITH, WITH, WITHOUT, WITHOUT, WITH)
Found = dict[str, list[dict[str, float]]]


async def measure() -> dict[str, dict[str, float]]:
    """One-call runs a second, and a run's CPU time in the platform, on Apache Kafka."""
    found: Found = {WITH: [], WITHOUT: []}
    with tempfile.TemporaryDirectory(prefix="actalog-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        postgres, kafka = (
            EmbeddedPostgres(folder / "pg"),
            ApacheKafka(folder / "kafka", pom=KAFKA_POM),
        )
        dsn = await postgres.start()
        try:
            bootstrap = await kafka.start()
            async with model_server(folder) as base_url:
                for turn, module in enumerate(TURNS):
                    found[module].append(
                        await _turn(folder, dsn, bootstrap, base_url, turn, module)
                    )
        finally:
            await kafka.stop()
            await postgres.stop()
    told = {name: _middle(found[module]) for name, module in (("with", WITH), ("without", WITHOUT))}
    ratio = {what: told["with"][what] / told["without"][what] for what in told["with"]}
    return {**told, "with / without": ratio}


async def _turn(
    folder: Path, dsn: str, bootstrap: str, base_url: str, turn: int, module: str
) -> dict[str, float]:
    """A platform of its own, with topics and a database of its own."""
    database, prefix = f"turn{turn}", f"turn{turn}"
    connection = await connect(dsn)
    await connection.execute(f"create database {database}")
    await connection.close()
    env = {
        "ACTALOG_HOME": str(folder / database), "ACTALOG_KAFKA": bootstrap,
        "ACTALOG_DATABASE_URL": f"{dsn.rpartition('/')[0]}/{database}",
        "ACTALOG_TOPIC_PREFIX": prefix, "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"{base_url}/v1", "ACTALOG_LOG_LEVEL": "warning",
    }  # fmt: skip
    async with (
        up(env, folder, module=module) as (_, process, _took),
        Load(bootstrap, prefix=prefix) as load,
    ):
        await load.together("agent:plain", "hello", runs=RUNS // 4, concurrency=CONCURRENCY)
        before = cpu_seconds(process.pid)
        measured = await load.together("agent:plain", "hello", runs=RUNS, concurrency=CONCURRENCY)
        spent = cpu_seconds(process.pid) - before
    assert measured["completed"] == RUNS
    return {"runs_per_s": measured["runs_per_s"], "cpu_ms_per_run": 1_000 * spent / RUNS}


def _middle(turns: list[dict[str, float]]) -> dict[str, float]:
    return {what: statistics.median(turn[what] for turn in turns) for what in turns[0]}
