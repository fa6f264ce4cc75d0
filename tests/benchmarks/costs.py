"""What the platform costs beside time: bytes, growth with a session, idling, imports, objects."""

# aiokafka's records have no static types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
import statistics
import subprocess
import sys
import time
import tracemalloc

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from actalog_log.database import connect
from tests.benchmarks.load import Load
from tests.benchmarks.rig import Rig, cpu_seconds, platform, resident_mib

SERVICES = ("conductor", "guardrails", "context", "llm", "tools", "memory", "gateway")
TOOLS, TOOL_BYTES = 40, 5_120


async def _bus_bytes(rig: Rig) -> int:
    """Bytes of keys, values and headers on every topic of the platform."""
    admin = AIOKafkaAdminClient(bootstrap_servers=rig.kafka)
    await admin.start()
    try:
        names = [name for name in await admin.list_topics() if name.startswith("actalog.")]
        described = await admin.describe_topics(names)
    finally:
        await admin.close()
    places = [
        TopicPartition(topic["topic"], part["partition"])
        for topic in described for part in topic["partitions"]
    ]  # fmt: skip
    consumer = AIOKafkaConsumer(bootstrap_servers=rig.kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        total = 0
        for place in places:
            await consumer.seek_to_beginning(place)
        while any([await consumer.position(place) < ends[place] for place in places]):
            found = await consumer.getmany(timeout_ms=500)
            for record in (one for records in found.values() for one in records):
                total += len(record.key or b"") + len(record.value or b"")
                total += sum(len(name) + len(value or b"") for name, value in record.headers)
        return total
    finally:
        await consumer.stop()


async def size() -> dict[str, dict[str, float]]:
    """One run with 40 tool results of 5 KB: what is on the bus and in the log."""
    async with platform("apache") as rig, Load(rig.kafka) as load:
        before = await _bus_bytes(rig)
        numbers = " ".join(str(number) for number in range(TOOLS))
        result, ms = await load.run("agent:many", f"look up numbers {numbers}")
        after = await _bus_bytes(rig)
        connection = await connect(rig.dsn)
        log = await connection.fetchval(
            "select sum(length(payload)) from events join runs using (run_no) where run_id = $1",
            result["run_id"],
        )
        await connection.close()
    unique = TOOLS * TOOL_BYTES
    return {
        "40 tool results of 5 KB": {
            "tool_calls": result["usage"]["tool_calls"], "took_ms": ms,
            "bus_to_unique": (after - before) / unique, "log_to_unique": log / unique,
        }
    }  # fmt: skip


async def session() -> dict[str, dict[str, float]]:
    """The 100th run of a session beside the 10th: flat, since a prompt is a projection."""
    async with platform("apache") as rig, Load(rig.kafka) as load:
        took = [(await load.run("agent:talk", "hello", session_id="one"))[1] for _ in range(110)]
    return {
        "runs of one session": {
            "p50_ms_of_5th_to_15th": statistics.median(took[5:15]),
            "p50_ms_of_95th_to_105th": statistics.median(took[95:105]),
        }
    }


async def idle() -> dict[str, dict[str, float]]:
    """CPU and memory of `actalog up` when nothing happens, and how long it took to be ready."""
    told: dict[str, dict[str, float]] = {}
    for broker in ("apache", "embedded"):
        async with platform(broker) as rig:
            async with Load(rig.kafka, embedded=rig.embedded) as load:
                await load.run("agent:plain", "hello")
            await asyncio.sleep(3)
            before, began = cpu_seconds(rig.pid), time.perf_counter()
            await asyncio.sleep(20)
            spent = cpu_seconds(rig.pid) - before
            told[f"all services in one process, {broker}"] = {
                "cpu_percent": 100 * spent / (time.perf_counter() - began),
                "resident_mib": resident_mib(rig.pid), "ready_s": rig.started_s,
            }  # fmt: skip
    return told


async def imports() -> dict[str, dict[str, float]]:
    """Seconds and MiB of importing, in a process of its own, beside an empty one."""
    told: dict[str, dict[str, float]] = {}
    for name in ("sys", "actalog", *(f"actalog_{service}.app" for service in SERVICES)):
        code = (
            "import time; began = time.perf_counter();"
            f"import {name}; took = time.perf_counter() - began;"
            # Not ru_maxrss, which a child begins with its parent's.
            "status = open('/proc/self/status').read();"
            "print(took, int(status.split('VmHWM:')[1].split()[0]) / 1024)"
        )
        said = [await asyncio.to_thread(_python, code) for _ in range(5)]
        told[name] = {
            "seconds": statistics.median(float(one[0]) for one in said),
            "mib": statistics.median(float(one[1]) for one in said),
        }
    return told


def _python(code: str) -> list[str]:
    arguments = [sys.executable, "-c", code]
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()


async def objects() -> dict[str, dict[str, float]]:
    """Time and memory of one agent object (Agno's stand in `one_call`)."""
    from actalog import Agent

    for _ in range(200):
        Agent(name="a")
    began = time.perf_counter()
    kept = [Agent(name="a") for _ in range(20_000)]
    took = (time.perf_counter() - began) / len(kept) * 1e6
    del kept
    tracemalloc.start()
    kept = [Agent(name="a") for _ in range(20_000)]
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"Agent": {"us": took, "bytes": held / len(kept)}}
