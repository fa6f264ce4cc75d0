"""Another system: knows the topics' names and JSON, and nothing else of ours."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

HEARD = ("results", "events", "tasks.dlq")
MOST_BYTES = 2**24  # more than the platform takes: what is too large must be sent by somebody
Told = dict[str, Any]


class Outside:
    """Publishes bytes and reads, from the first record on, what the platform publishes.

    `records` are those of `HEARD`, in the order of their partitions.
    """

    def __init__(self, bootstrap: str, prefix: str = "actalog") -> None:
        self.bootstrap, self.prefix = bootstrap, prefix
        self.records: dict[str, list[ConsumerRecord[bytes, bytes]]] = defaultdict(list)
        self._more = asyncio.Event()

    async def __aenter__(self) -> Self:
        # Compressed, so that the broker takes what is too large for the platform.
        self.producer = AIOKafkaProducer(
            bootstrap_servers=self.bootstrap, max_request_size=MOST_BYTES, compression_type="gzip"
        )
        self.consumer = AIOKafkaConsumer(
            bootstrap_servers=self.bootstrap, auto_offset_reset="earliest", group_id=None,
            fetch_max_wait_ms=50, max_partition_fetch_bytes=MOST_BYTES,
        )  # fmt: skip
        await self.producer.start()
        await self.consumer.start()
        names = [f"{self.prefix}.{name}" for name in HEARD]
        parts: list[TopicPartition] = []
        for name in names:
            counted = await self.producer.partitions_for(name)
            parts += [TopicPartition(name, at) for at in sorted(counted)]
        self.consumer.assign(parts)
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        # A broker that has gone must not fail whoever only listened.
        await asyncio.gather(self.producer.stop(), self.consumer.stop(), return_exceptions=True)

    async def publish(
        self, value: bytes | None, *, key: bytes | None = None, partition: int | None = None,
        headers: Mapping[str, bytes] | None = None,
    ) -> None:  # fmt: skip
        """Bytes as they are, to `tasks`."""
        await self.producer.send_and_wait(
            f"{self.prefix}.tasks", value, key=key, partition=partition,
            headers=list((headers or {}).items()),
        )  # fmt: skip

    async def send(
        self, message: Mapping[str, Any], *, partition: int | None = None, key: str | None = None
    ) -> None:
        """A message as plain JSON."""
        value = json.dumps(message).encode()
        await self.publish(value, partition=partition, key=key.encode() if key else None)

    async def ask(self, **task: Any) -> Told:
        """One task and its result, or what else it ended in."""
        await self.send(task)
        return (await self.wait_for({task["run_id"]}))[task["run_id"]]

    @property
    def results(self) -> list[Told]:
        """Every result and refusal so far, repeats too."""
        return [json.loads(record.value or b"{}") for record in self.records["results"]]

    @property
    def events(self) -> list[Told]:
        """Every published event so far."""
        return [json.loads(record.value or b"{}") for record in self.records["events"]]

    @property
    def refusals(self) -> list[Told]:
        return [told for told in self.results if told["type"] == "message.refused.v1"]

    async def until(self, true: Callable[[], object], *, within_s: float = 30) -> None:
        """Wait for what the records make true."""
        try:
            async with asyncio.timeout(within_s):
                while not true():
                    self._more.clear()
                    await self._more.wait()
        except TimeoutError:
            counts = {name: len(told) for name, told in self.records.items()}
            raise AssertionError(f"not within {within_s} s; records: {counts}") from None

    async def wait_for(self, runs: set[str], *, within_s: float = 60) -> dict[str, Told]:
        """The first ended result of each of these runs."""
        await self.until(lambda: runs <= self._ended().keys(), within_s=within_s)
        return {run_id: told for run_id, told in self._ended().items() if run_id in runs}

    def in_order(self) -> Mapping[str, Sequence[int]]:
        """The seqs of each run's events as they were published, repeats left out."""
        told: dict[str, list[int]] = defaultdict(list)
        for event in self.events:
            if event["seq"] not in told[event["run_id"]]:
                told[event["run_id"]].append(event["seq"])
        return told

    def _ended(self) -> dict[str, Told]:
        found: dict[str, Told] = {}
        for told in self.results:
            if told["type"] == "run.result.v1" and told["status"] != "paused":
                found.setdefault(told["run_id"], told)
        return found

    async def _read(self) -> None:
        while True:
            record = cast("ConsumerRecord[bytes, bytes]", await self.consumer.getone())
            self.records[record.topic.removeprefix(f"{self.prefix}.")].append(record)
            self._more.set()
