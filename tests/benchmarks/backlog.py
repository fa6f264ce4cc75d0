"""Tasks accepted over HTTP while Kafka was away, beside the same with Kafka there: how fast each is
worked on."""

import asyncio
import time

import aiohttp

from actalog_log.database import Connection, connect
from actalog_testing.apache_kafka import ApacheKafka
from tests.benchmarks.rig import model_server, servers, settings, up

TASKS, AT_ONCE, WARM = 4_000, 50, 500
WITHIN_S = 300


async def measure() -> dict[str, dict[str, float]]:
    """Runs a second until all have ended: from the first request, and from Kafka's return."""
    async with servers() as made, model_server(made.folder) as base_url:
        env = {
            **settings(made.dsn, base_url, made.kafka.bootstrap),
            "ACTALOG_HOME": str(made.folder / "home"),
            "ACTALOG_LOG_LEVEL": "error",  # an outage is what it is about
        }
        async with up(env, made.folder) as (told, _, _):
            return await _measured(told["http"], made.dsn, made.kafka)


async def _measured(http: str, dsn: str, kafka: ApacheKafka) -> dict[str, dict[str, float]]:
    database = await connect(dsn)
    try:
        await _post(http, WARM)
        await _ended(database, WARM)
        began = time.perf_counter()
        await _post(http, TASKS)
        await _ended(database, WARM + TASKS)
        there_s = time.perf_counter() - began
        await kafka.kill()
        await asyncio.sleep(1)
        await _post(http, TASKS)
        await asyncio.sleep(3)
        await kafka.start()
        began = time.perf_counter()
        await _ended(database, WARM + 2 * TASKS)
        back_s = time.perf_counter() - began
    finally:
        await database.close()
    return {
        f"{TASKS:,} tasks over HTTP, Kafka is there": {"runs_per_s": TASKS / there_s},
        f"{TASKS:,} tasks that Kafka's return finds": {
            "runs_per_s": TASKS / back_s, "part_of_the_other": there_s / back_s,
        },
    }  # fmt: skip


async def _post(http: str, count: int) -> None:
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(session: aiohttp.ClientSession) -> None:
        task = {"target": "agent:plain", "input": "hello"}
        async with limit, session.post(f"{http}/v1/tasks", json=task) as response:
            response.raise_for_status()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(one(session) for _ in range(count)))


async def _ended(database: Connection, count: int) -> None:
    asked = "select count(*) from events where type = 'run.completed.v1'"
    async with asyncio.timeout(WITHIN_S):
        while await database.fetchval(asked) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.2)
