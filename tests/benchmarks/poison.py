"""Good tasks with poison between them, beside the same tasks alone: what poison costs the others."""

import asyncio
import random
import statistics
import time
import uuid

from tests.benchmarks.load import Load
from tests.benchmarks.rig import platform
from tests.contracts.corpus import poison

TASKS, CONCURRENCY = 1_000, 200
ORDER = "ABBAABBA"  # clean, poisoned, poisoned, clean: what drifts falls on both
LARGE = 100_000  # bytes; what no broker takes is refused at the producer


async def measure() -> dict[str, dict[str, float]]:
    """Runs a second on Apache Kafka, without poison and with a tenth of the records poison, at
    random places. `kept_percent` is to be 90 or more."""
    told: dict[str, list[float]] = {"A": [], "B": []}
    async with platform("apache") as rig, Load(rig.kafka) as load:
        await load.together("agent:plain", "hello", runs=TASKS // 3, concurrency=CONCURRENCY)
        for at, which in enumerate(ORDER):
            told[which].append(await _round(load, seed=at, poisoned=which == "B"))
    clean, poisoned = (statistics.median(told[which]) for which in "AB")
    return {
        "good tasks alone": {"runs_per_s": clean},
        "with 10 % poison between": {
            "runs_per_s": poisoned, "kept_percent": 100 * poisoned / clean,
        },
    }  # fmt: skip


async def _round(load: Load, *, seed: int, poisoned: bool) -> float:
    """Good runs a second. Poison is sent under keys of good runs, where it hurts most."""
    chance = random.Random(seed)
    cases = [one for one in poison() if one.value is not None and len(one.value) < LARGE]
    limit = asyncio.Semaphore(CONCURRENCY)

    async def one() -> str:
        async with limit:
            run_id = str(uuid.uuid4())
            if poisoned and chance.random() < 1 / 9:  # a tenth of all records
                case = chance.choice(cases)
                await load.producer.send(
                    f"{load.prefix}.tasks", case.value, key=run_id.encode(),
                    headers=list(case.headers.items()),
                )  # fmt: skip
            result, _ = await load.run("agent:plain", "hello", run_id=run_id)
            return result["status"]

    began = time.perf_counter()
    statuses = await asyncio.gather(*(one() for _ in range(TASKS)))
    took = time.perf_counter() - began
    if set(statuses) != {"completed"}:
        raise RuntimeError(f"good tasks came to {set(statuses)}")
    return TASKS / took
