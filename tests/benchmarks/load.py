"""Load from outside: tasks in, results out, nothing else of ours."""

# aiokafka's records have no static types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
import statistics
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, Self

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


@dataclass
class Load:
    """A producer of tasks and a consumer of results. `embedded`: the broker wakes no fetch."""

    bootstrap: str
    prefix: str = "actalog"
    embedded: bool = False

    async def __aenter__(self) -> Self:
        self.producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, acks="all", max_batch_size=262_144,
            enable_idempotence=not self.embedded,
        )  # fmt: skip
        self.consumer = AIOKafkaConsumer(
            f"{self.prefix}.results", bootstrap_servers=self.bootstrap, group_id=None,
            auto_offset_reset="latest", fetch_max_wait_ms=5 if self.embedded else 500,
        )  # fmt: skip
        self.ended: dict[str, asyncio.Future[dict[str, Any]]] = {}
        await self.producer.start()
        await self.consumer.start()
        await self.consumer.seek_to_end()
        self.reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self.reading.cancel()
        await asyncio.wait([self.reading])
        await self.producer.stop()
        await self.consumer.stop()

    async def _read(self) -> None:
        while True:
            came = await self.consumer.getmany(timeout_ms=500)
            for record in chain.from_iterable(came.values()):
                told = orjson.loads(record.value or b"{}")
                if (waiting := self.ended.pop(told.get("run_id"), None)) and not waiting.done():
                    waiting.set_result(told)

    async def run(self, target: str, text: str, **more: Any) -> tuple[dict[str, Any], float]:
        """One task's result, and milliseconds from sending it to holding the result."""
        run_id = more.pop("run_id", None) or str(uuid.uuid4())
        task = {"target": target, "input": text, "run_id": run_id, "session_id": run_id, **more}
        waiting = asyncio.get_running_loop().create_future()
        self.ended[run_id] = waiting
        began = time.perf_counter()
        await self.producer.send(
            f"{self.prefix}.tasks", orjson.dumps(task), key=task["session_id"].encode()
        )
        return await waiting, (time.perf_counter() - began) * 1000

    async def alone(self, target: str, text: str, times: int) -> dict[str, float]:
        """p50 and p99 of runs one after the other; from outside, and between the log's times."""
        for _ in range(15):
            await self.run(target, text)
        told = [await self.run(target, text) for _ in range(times)]
        bad = [result for result, _ in told if result["status"] != "completed"]
        if bad:
            raise RuntimeError(f"{len(bad)} runs did not complete: {bad[0]}")
        outside = [ms for _, ms in told]
        inside = [_between(result) for result, _ in told]
        return {
            "p50_ms": statistics.median(outside),
            "p99_ms": statistics.quantiles(outside, n=100)[98],
            "accepted_to_finished_p50_ms": statistics.median(inside),
        }

    async def together(
        self, target: str, text: str, *, runs: int, concurrency: int
    ) -> dict[str, float]:
        """Runs a second with that many on their way at once."""
        limit = asyncio.Semaphore(concurrency)

        async def one() -> dict[str, Any]:
            async with limit:
                return (await self.run(target, text))[0]

        began = time.perf_counter()
        results = await asyncio.gather(*(one() for _ in range(runs)))
        took = time.perf_counter() - began
        completed = sum(result["status"] == "completed" for result in results)
        steps = sum(result["events"] for result in results)
        return {
            "runs_per_s": runs / took, "events_per_s": steps / took, "completed": completed,
        }  # fmt: skip


def _between(result: dict[str, Any]) -> float:
    began, ended = (datetime.fromisoformat(result[name]) for name in ("accepted_at", "finished_at"))
    return (ended - began).total_seconds() * 1000
