"""Who goes first with what came at the same moment, and what is not fetched for a while."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.structs import OffsetAndMetadata

from actalog_bus.ports import Delivery, Fault, Listen, Record
from actalog_bus.settings import KafkaSettings
from actalog_bus.subscription import FEW_RECORDS, Subscription

HERE = TopicPartition("t", 0)


class Consumer:
    """Of one partition: gives what the test says, once."""

    def __init__(self, records: int = 0) -> None:
        self.found = [_record(offset) for offset in range(records)]
        self.stopped: set[TopicPartition] = set()
        self.waits_ms: list[int] = []
        self._coordinator = self
        self._fetcher = SimpleNamespace(_fetch_max_wait_ms=0)
        self._client = SimpleNamespace(
            _conns=dict[object, object](),
            cluster=SimpleNamespace(partitions_for_topic=lambda _topic: {0}),  # pyright: ignore
        )

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, Any]:
        self.waits_ms.append(timeout_ms)
        if self.found:
            found, self.found = self.found, []
            return {HERE: found}
        await asyncio.sleep(0.01)
        return {}

    def assignment(self) -> set[TopicPartition]:
        return {HERE}

    def paused(self) -> set[TopicPartition]:
        return self.stopped

    def pause(self, *partitions: TopicPartition) -> None:
        self.stopped |= {*partitions}

    def resume(self, *partitions: TopicPartition) -> None:
        self.stopped -= {*partitions}

    async def fetch_committed_offsets(self, _: object) -> dict[TopicPartition, OffsetAndMetadata]:
        return {HERE: OffsetAndMetadata(-1, "")}

    async def commit(self, _: object) -> None: ...

    def seek(self, at: TopicPartition, offset: int) -> None: ...


def _record(offset: int) -> Any:
    return SimpleNamespace(
        topic="t", partition=0, offset=offset, timestamp=0, key=None, value=b"x", headers=()
    )


def polling(
    consumer: Consumer, hear: Callable[[Delivery], Awaitable[None]], *, patient: bool = False
) -> tuple[Subscription, "asyncio.Task[None]"]:
    async def bury(_: Record, __: Fault) -> None: ...

    listen = Listen(["t"], "g", hear, lambda _: "lane", patient=patient)
    settings = KafkaSettings(bootstrap="b", keeps_marks=False, parked_fetch=False)
    made = Subscription(listen, settings=settings, bury=bury, number=0)
    made._consumer = cast(Any, consumer)
    return made, asyncio.create_task(made._poll())


async def for_others(turns: int, told: list[str]) -> None:
    """What a record goes through until it is a piece of an answer on its way to a client."""
    for _ in range(turns):
        await asyncio.sleep(0)
    told.append("shown")


@pytest.mark.parametrize(
    ("patient", "records", "first"),
    [(True, 1, "shown"), (True, FEW_RECORDS + 1, "heard"), (False, 1, "heard")],
)
async def test_who_is_patient_lets_others_go_first_with_a_few_records(
    patient: bool, records: int, first: str
):
    told: list[str] = []

    async def hear(_: Delivery) -> None:
        told.append("heard")

    showing = asyncio.create_task(for_others(9, told))
    _, task = polling(Consumer(records), hear, patient=patient)
    async with asyncio.timeout(5):
        while len(told) <= records:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert told[0] == first
    await showing
    task.cancel()


async def test_what_is_full_is_not_fetched_until_there_is_room():
    go = asyncio.Event()

    async def hear(_: Delivery) -> None:
        await go.wait()

    consumer = Consumer(5_000)
    made, task = polling(consumer, hear)
    async with asyncio.timeout(5):
        while not consumer.stopped:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        consumer.waits_ms.clear()
        while not consumer.waits_ms:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert consumer.waits_ms[-1] == 20  # it looks soon whether there is room
        consumer.stopped.clear()  # as aiokafka forgets, with each assignment, what was paused
        while not consumer.stopped:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        go.set()
        while consumer.stopped or not made.dispatcher.idle:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        consumer.waits_ms.clear()
        while not consumer.waits_ms:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        assert consumer.waits_ms[-1] == 200
    task.cancel()


async def test_a_record_before_which_one_is_missing_waits_for_it():
    """As the embedded broker shows them."""
    consumer, heard = Consumer(), list[int]()
    consumer.found = [_record(0), _record(2)]

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.record.offset)

    _, task = polling(consumer, hear)
    await asyncio.sleep(0.1)
    assert heard == [0]
    consumer.found = [_record(1), _record(2)]
    await asyncio.sleep(0.1)
    assert heard == [0, 1, 2]
    task.cancel()
