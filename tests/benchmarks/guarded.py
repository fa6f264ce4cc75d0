"""What the effect ledger and the supervisor cost: throughput with them and without, in turns."""

import os
import statistics

from actalog_log.database import connect
from tests.benchmarks.load import Load
from tests.benchmarks.rig import Servers, cpu_seconds, model_server, servers, settings, up

RUNS = int(os.environ.get("BENCH_TOGETHER", "6000")) // 2
CONCURRENCY = 200
WITH, WITHOUT = "actalog", "tests.benchmarks.unguarded"
TURNS = (WITH, WITHOUT, WITHOUT, WITH, WITH, WITHOUT, WITHOUT, WITH)
Found = dict[str, list[dict[str, float]]]


async def measure() -> dict[str, dict[str, float]]:
    """One-call runs a second, and a run's CPU time in the platform, on Apache Kafka."""
    found: Found = {WITH: [], WITHOUT: []}
    async with servers() as made, model_server(made.folder) as base_url:
        for turn, module in enumerate(TURNS):
            found[module].append(await _turn(made, base_url, f"turn{turn}", module))
    told = {name: _middle(found[module]) for name, module in (("with", WITH), ("without", WITHOUT))}
    ratio = {what: told["with"][what] / told["without"][what] for what in told["with"]}
    return {**told, "with / without": ratio}


async def _turn(made: Servers, base_url: str, name: str, module: str) -> dict[str, float]:
    """A platform of its own, with topics and a database of its own."""
    connection = await connect(made.dsn)
    await connection.execute(f"create database {name}")
    await connection.close()
    kafka = made.kafka.bootstrap
    env = {
        **settings(f"{made.dsn.rpartition('/')[0]}/{name}", base_url, kafka),
        "ACTALOG_HOME": str(made.folder / name), "ACTALOG_TOPIC_PREFIX": name,
    }  # fmt: skip
    async with (
        up(env, made.folder, module=module) as (_, process, _took),
        Load(kafka, prefix=name) as load,
    ):
        await load.together("agent:plain", "hello", runs=RUNS // 4, concurrency=CONCURRENCY)
        before = cpu_seconds(process.pid)
        measured = await load.together("agent:plain", "hello", runs=RUNS, concurrency=CONCURRENCY)
        spent = cpu_seconds(process.pid) - before
    assert measured["completed"] == RUNS
    return {"runs_per_s": measured["runs_per_s"], "cpu_ms_per_run": 1_000 * spent / RUNS}


def _middle(turns: list[dict[str, float]]) -> dict[str, float]:
    return {what: statistics.median(turn[what] for turn in turns) for what in turns[0]}
