"""One-call runs: latency and throughput on both brokers, beside the floors and Agno."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

from tests.benchmarks import floors
from tests.benchmarks.load import Load
from tests.benchmarks.rig import Broker, Rig, cpu_seconds, platform

ALONE = int(os.environ.get("BENCH_ALONE", "200"))
TOGETHER = int(os.environ.get("BENCH_TOGETHER", "6000"))
CONCURRENCY = 200
HERE = Path(__file__).parent
PEERS = Path(os.environ.get("BENCH_PEERS") or HERE.parents[1] / ".venv-peers")


async def measure() -> dict[str, dict[str, float]]:
    """Agno runs against the same PostgreSQL and the same model server, in between."""
    told: dict[str, dict[str, float]] = {}
    for broker in ("apache", "embedded"):
        async with platform(broker) as rig:
            told |= {f"{what}, {broker}": it for what, it in (await _ours(broker, rig)).items()}
            if broker == "apache":
                told["Agno with AsyncPostgresDb"] = await agno(rig)
    return told


async def _ours(broker: Broker, rig: Rig) -> dict[str, dict[str, float]]:
    async with Load(rig.kafka, embedded=rig.embedded) as load:
        alone = await load.alone("agent:plain", "hello", ALONE)
        step = await load.alone("agent:tooled", "look up number 7", ALONE // 2)
        before = cpu_seconds(rig.pid)
        together = await load.together(
            "agent:plain", "hello", runs=TOGETHER, concurrency=CONCURRENCY
        )
        spent = cpu_seconds(rig.pid) - before
        tools = await load.together(
            "agent:tooled", "look up number 7", runs=TOGETHER // 2, concurrency=CONCURRENCY
        )
    hop = await floors.hop_ms(
        rig.kafka, fetch_wait_ms=5 if rig.embedded else 500, idempotence=not rig.embedded
    )
    return {
        "floors": {"insert_ms": await floors.durable_insert_ms(rig.dsn), "hop_ms": hop},
        "one call, alone": alone,
        "one call and one tool, alone": step,
        "one call, 200 at once": {**together, "runs_per_cpu_s": TOGETHER / max(spent, 0.01)},
        "one call and one tool, 200 at once": tools,
    }


async def agno(rig: Rig) -> dict[str, float]:
    """The peer, in an environment of its own; made when it is missing."""
    await asyncio.to_thread(_peers)
    made = await asyncio.create_subprocess_exec(
        str(PEERS / "bin" / "python"), str(HERE / "peer_agno.py"), rig.dsn,
        f"{rig.base_url}/v1", str(ALONE), "8", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    said, _ = await made.communicate()
    return json.loads(said.decode().strip().splitlines()[-1])


def _peers() -> None:
    if (PEERS / "bin" / "python").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(PEERS)], check=True)
    wanted = str(HERE / "requirements-peers.txt")
    subprocess.run([str(PEERS / "bin" / "pip"), "install", "-q", "-r", wanted], check=True)
