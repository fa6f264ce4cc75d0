"""What the platform published, in the order in which another system read it."""

# aiokafka's records have no static types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

Told = dict[str, Any]


@dataclass
class Log:
    """What one life of the topics told. A wiped broker begins another."""

    events: dict[str, list[tuple[int, str]]] = field(  # by run: (seq, hash)
        default_factory=lambda: defaultdict(list)
    )
    results: dict[str, list[Told]] = field(default_factory=lambda: defaultdict(list))


class Published:
    """Reads results and events from the first record on; `heard` is told of each result."""

    def __init__(self, bootstrap: str, prefix: str, heard: Callable[[Told], None]) -> None:
        self.bootstrap, self.prefix, self.heard = bootstrap, prefix, heard
        self.lives: list[Log] = []
        self._reading: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        """From the first record of the topics as they are now."""
        self.lives.append(Log())
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, auto_offset_reset="earliest", group_id=None,
            fetch_max_wait_ms=200,
        )  # fmt: skip
        await self._consumer.start()
        names = [f"{self.prefix}.results", f"{self.prefix}.events"]
        cluster = self._consumer._client.cluster
        while any(cluster.partitions_for_topic(name) is None for name in names):
            await asyncio.sleep(0.1)
            await self._consumer._client.force_metadata_update()
        parts = [
            TopicPartition(name, at) for name in names
            for at in sorted(cluster.partitions_for_topic(name) or ())
        ]  # fmt: skip
        self._consumer.assign(parts)
        self._reading = asyncio.create_task(self._read(self.lives[-1]))

    async def end(self) -> None:
        """Read no more of these topics."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
            await asyncio.gather(self._consumer.stop(), return_exceptions=True)

    async def _read(self, log: Log) -> None:
        while True:
            try:
                found = await self._consumer.getmany(timeout_ms=200, max_records=500)
            except (KafkaError, OSError):
                await asyncio.sleep(0.2)
                continue
            for at, records in found.items():
                for record in records:
                    told: Told = json.loads(record.value or b"{}")
                    if at.topic.endswith(".events"):
                        log.events[told["run_id"]].append((told["seq"], told["hash"]))
                    elif told["type"] == "run.result.v1":
                        log.results[told["run_id"]].append(told)
                        self.heard(told)
