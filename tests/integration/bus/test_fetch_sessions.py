"""Fetch sessions with real brokers: Apache Kafka keeps them, the embedded broker does not."""

# aiokafka's records have no static types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from actalog_bus.fetch_sessions import NONE, FetchSession, keep_sessions
from actalog_bus.provision import TopicPlan, provision
from actalog_bus.settings import KafkaSettings
from actalog_testing.apache_kafka import ApacheKafka
from tests.integration.bus.listening import embedded

pytestmark = pytest.mark.kafka
PARTITIONS = 4


@dataclass
class Reader:
    """A consumer of every partition, and a producer."""

    topic: str
    consumer: AIOKafkaConsumer
    producer: AIOKafkaProducer
    of: dict[int, FetchSession]

    @property
    def session(self) -> FetchSession:
        (only,) = self.of.values()
        return only

    async def hears(self, *partitions: int) -> list[tuple[int, bytes]]:
        """A record is said on each of these; what is heard."""
        said = [b"%s" % uuid.uuid4().hex.encode() for _ in partitions]
        for partition, value in zip(partitions, said, strict=True):
            await self.producer.send_and_wait(self.topic, value, partition=partition)
        heard: list[tuple[int, bytes]] = []
        async with asyncio.timeout(15):
            while len(heard) < len(said):
                one = await self.consumer.getone()
                heard.append((one.partition, one.value or b""))
        assert sorted(heard) == sorted(zip(partitions, said, strict=True))
        return heard


async def _reader(settings: KafkaSettings) -> AsyncIterator[Reader]:
    topic = f"s{uuid.uuid4().hex[:8]}"
    plan = TopicPlan(name=topic, partitions=PARTITIONS, replication=1, retention_ms=3_600_000)
    await provision(settings, [plan])
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap, auto_offset_reset="earliest",
        fetch_max_wait_ms=500 if settings.parked_fetch else 5,
    )  # fmt: skip
    sessions = keep_sessions(consumer)
    producer = AIOKafkaProducer(bootstrap_servers=settings.bootstrap)
    await consumer.start()
    await producer.start()
    try:
        consumer.assign([TopicPartition(topic, at) for at in range(PARTITIONS)])
        yield Reader(topic, consumer, producer, sessions.of)
    finally:
        await producer.stop()
        await consumer.stop()


@pytest.fixture
async def on_apache(apache_kafka: ApacheKafka) -> AsyncIterator[Reader]:
    async for reader in _reader(KafkaSettings(bootstrap=apache_kafka.bootstrap)):
        yield reader


@pytest.fixture
async def on_embedded(embedded_broker: str) -> AsyncIterator[Reader]:
    async for reader in _reader(embedded(embedded_broker)):
        yield reader


@pytest.mark.apache
async def test_a_broker_that_keeps_a_session_is_told_little(on_apache: Reader):
    await on_apache.hears(0, 1, 2, 3)
    session = on_apache.session
    assert session.id != NONE
    began, id = session.epoch, session.id
    for _ in range(5):
        await on_apache.hears(1, 3)
    assert session.id == id
    assert session.epoch > began


@pytest.mark.apache
async def test_what_was_sought_is_fetched(on_apache: Reader):
    await on_apache.hears(0)
    first = TopicPartition(on_apache.topic, 0)
    on_apache.consumer.seek(first, 0)
    async with asyncio.timeout(15):
        assert (await on_apache.consumer.getone(first)).offset == 0


@pytest.mark.apache
async def test_a_partition_that_was_paused_is_fetched_again(on_apache: Reader):
    await on_apache.hears(0, 1)
    first = TopicPartition(on_apache.topic, 0)
    on_apache.consumer.pause(first)
    await on_apache.hears(1, 2)
    await on_apache.producer.send_and_wait(on_apache.topic, b"waits", partition=0)
    await on_apache.hears(1)
    on_apache.consumer.resume(first)
    async with asyncio.timeout(15):
        assert (await on_apache.consumer.getone()).value == b"waits"
    await on_apache.hears(0, 1, 2, 3)


@pytest.mark.apache
async def test_a_broker_that_forgot_a_session_or_counts_otherwise_is_told_everything(
    on_apache: Reader,
):
    await on_apache.hears(0, 1, 2, 3)
    on_apache.session.id += 1  # it does not know that one
    await on_apache.hears(0, 2)
    before = on_apache.session.id
    on_apache.session.epoch += 5
    await on_apache.hears(1, 3)
    await on_apache.hears(0, 2)
    assert on_apache.session.id not in (NONE, before)
    assert not on_apache.session.refused


async def test_a_broker_without_sessions_is_spoken_to_as_before(on_embedded: Reader):
    for _ in range(3):
        await on_embedded.hears(0, 1, 2, 3)
        assert on_embedded.session.id == NONE
