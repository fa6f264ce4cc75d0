"""What producers of others may do on a topic that is ours to hear: compress, and take back."""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.producer import message_accumulator
from aiokafka.producer import producer as producer_module
from aiokafka.record import default_records

from actalog_bus.kafka import KafkaBus
from actalog_bus.ports import Delivery, Record
from actalog_bus.provision import plan, provision
from actalog_bus.unpacking import MOST_BYTES
from tests.integration.bus.site import Site, until

pytestmark = pytest.mark.kafka
CODECS = ("gzip", "snappy", "lz4", "zstd")


@pytest.fixture
def kafka(site: Site) -> Site:
    if not isinstance(site.make(), KafkaBus):
        pytest.skip("nobody else produces to the double")
    return site


@asynccontextmanager
async def producing(site: Site, **more: Any) -> AsyncGenerator[AIOKafkaProducer]:
    """A producer that is not the bus's own."""
    bus = site.make()
    assert isinstance(bus, KafkaBus)
    producer = AIOKafkaProducer(bootstrap_servers=bus.settings.servers, **more)
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()


class Ear:
    def __init__(self) -> None:
        self.heard: list[bytes | None] = []

    async def hear(self, delivery: Delivery) -> None:
        self.heard.append(delivery.record.value)


async def test_records_are_heard_however_they_are_compressed(kafka: Site):
    ear = Ear()
    await kafka.bus(ear.hear)
    for codec in CODECS:
        async with producing(kafka, compression_type=codec, linger_ms=20) as producer:
            for number in range(3):
                said = f"{codec} {number} {'x' * 2_000}".encode()
                await producer.send(kafka.topic, said, partition=0)
            await producer.flush()
    await until(lambda: len(ear.heard) >= 3 * len(CODECS))
    assert [(one or b"").decode().rstrip("x ") for one in ear.heard] == [
        f"{codec} {number}" for codec in CODECS for number in range(3)
    ]


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd"])
async def test_a_batch_that_unpacks_to_too_much_is_a_dead_letter_and_the_next_is_heard(
    kafka: Site, codec: str
):
    ear, dead = Ear(), list[Record]()

    async def bury(delivery: Delivery) -> None:
        dead.append(delivery.record)

    await kafka.bus(ear.hear)
    await kafka.bus(bury, topic=f"{kafka.topic}.dlq")
    more: dict[str, Any] = {"max_request_size": 2 * MOST_BYTES, "max_batch_size": 2 * MOST_BYTES}
    async with producing(kafka, compression_type=codec, **more) as producer:
        await producer.send_and_wait(kafka.topic, b"first", partition=0)
        await producer.send_and_wait(kafka.topic, b"x" * MOST_BYTES, partition=0)
        await producer.send_and_wait(kafka.topic, b"behind", partition=0)
    await until(lambda: b"behind" in ear.heard)
    assert ear.heard == [b"first", b"behind"]
    await until(lambda: len(dead) == 1)
    assert dead[0].header("dlq-source-offset") == b"1"
    assert b"unpacks to more than" in (dead[0].header("dlq-error") or b"")


class Latin(str):
    """A name as a producer in another language may write it: not in UTF-8."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return super().encode("latin-1")


@pytest.mark.parametrize("codec", [None, "lz4"])
async def test_a_header_whose_name_is_no_utf_8_holds_up_nothing(
    kafka: Site, codec: str | None, monkeypatch: pytest.MonkeyPatch
):
    plain: Any = getattr(default_records, "_DefaultRecordBatchBuilderPy")  # noqa: B009
    for module in (producer_module, message_accumulator):  # the faster one takes no other text
        monkeypatch.setattr(module, "DefaultRecordBatchBuilder", plain)
    heard: list[Record] = []

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.record)

    await kafka.bus(hear)
    async with producing(kafka, compression_type=codec, linger_ms=20) as producer:
        for number in range(6):
            named = [(Latin("caf\xe9"), b"\xff")] if number % 3 else []
            headers = [("plain", b"1"), *named, ("na\xefve", b"2")]
            said = b"caf\xe9 %d" % number  # the value is not touched
            await producer.send(kafka.topic, said, key=b"k", headers=headers, partition=0)
        await producer.send_and_wait(kafka.topic, b"behind", key=b"k", partition=0)
    await until(lambda: len(heard) >= 7)
    assert [one.value for one in heard] == [*[b"caf\xe9 %d" % n for n in range(6)], b"behind"]
    names = [[name for name, _ in one.headers] for one in heard[:3]]
    assert names == [["plain", "naïve"], *[["plain", "caf?", "naïve"]] * 2]


async def test_on_tasks_the_broker_says_when_a_record_came(
    kafka: Site, request: pytest.FixtureRequest
):
    """Else one that is dated back is deleted with what is old, perhaps before it was heard."""
    bus = kafka.make()
    assert isinstance(bus, KafkaBus)
    prefix = f"p{kafka.topic}"
    await provision(bus.settings, plan(prefix=prefix, partitions=2, replication=1))
    heard: list[Record] = []

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.record)

    await kafka.bus(hear, topic=f"{prefix}.tasks")
    began_ms = time.time() * 1_000 - 1_000
    async with producing(kafka) as producer:
        await producer.send_and_wait(f"{prefix}.tasks", b"old", partition=0, timestamp_ms=1_000)
    await until(lambda: bool(heard))
    assert heard[0].value == b"old"
    if "apache" in request.node.name:  # the embedded broker deletes nothing
        assert heard[0].timestamp_ms >= began_ms


async def test_what_a_transaction_took_back_was_never_said(
    kafka: Site, request: pytest.FixtureRequest
):
    if "apache" not in request.node.name:
        pytest.skip("the embedded broker has no transactions")
    ear = Ear()
    bus = await kafka.bus(ear.hear)
    async with producing(kafka, transactional_id=kafka.topic) as producer:
        for said, kept in ((b"one", True), (b"taken back", False), (b"two", True)):
            await producer.begin_transaction()
            await producer.send_and_wait(kafka.topic, said, partition=0)
            await asyncio.sleep(0.5)  # time enough to be heard
            await (producer.commit_transaction() if kept else producer.abort_transaction())
        await producer.begin_transaction()
        await producer.send_and_wait(kafka.topic, b"at the end", partition=0)
        await producer.abort_transaction()
    await until(lambda: len(ear.heard) == 2)
    # Who comes next begins behind what was heard, and what follows is heard once.
    await bus.stop(5)
    after = await kafka.bus(ear.hear)
    await after.publish(kafka.topic, value=b"three", partition=0)
    await until(lambda: len(ear.heard) >= 3)
    await asyncio.sleep(0.5)
    assert ear.heard == [b"one", b"two", b"three"]
