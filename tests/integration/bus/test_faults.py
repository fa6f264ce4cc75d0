"""Faults of brokers and groups (protocol 16)."""

import asyncio
import uuid
from pathlib import Path

import pytest

from actalog.embedded.broker import EmbeddedBroker
from actalog_bus.kafka import KafkaBus
from actalog_bus.ports import Delivery, Listen, Record
from actalog_bus.processes import free_port
from actalog_bus.provision import TopicPlan, TopicsDiffer, describe, plan, provision
from actalog_bus.settings import KafkaSettings
from actalog_testing.apache_kafka import ApacheKafka


def lane(record: Record) -> str:
    return str(record.key)


def embedded(bootstrap: str) -> KafkaSettings:
    return KafkaSettings(
        bootstrap=bootstrap, mode="assigned", idempotence=False, parked_fetch=False,
        publish_timeout_s=5,
    )  # fmt: skip


async def until_len(heard: list[str], count: int) -> None:
    async with asyncio.timeout(20):
        while len(set(heard)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def listener(bus: KafkaBus, topic: str) -> list[str]:
    heard: list[str] = []

    async def hear(delivery: Delivery) -> None:
        await asyncio.sleep(0.005)
        heard.append((delivery.record.value or b"").decode())

    bus.listen(Listen([topic], f"{topic}.g", hear, lane))
    return heard


@pytest.mark.kafka
async def test_16_2_a_bus_waits_for_its_broker_and_says_so_and_16_3_outlives_its_restart(
    tmp_path: Path,
) -> None:
    port = free_port()
    settings = embedded(f"127.0.0.1:{port}")
    bus = KafkaBus(settings)
    heard = listener(bus, "t")
    starting = asyncio.create_task(bus.start())
    await asyncio.sleep(0.5)
    assert bus.ready() == f"bus: no broker at 127.0.0.1:{port}"
    topics = [TopicPlan(name="t", partitions=2, replication=1, retention_ms=-1)]
    for incarnation in range(2):
        broker = EmbeddedBroker(tmp_path, port)
        await broker.start()
        await provision(settings, topics)
        await asyncio.wait_for(starting, 20)
        async with asyncio.timeout(20):
            for number in range(20 - 15 * incarnation):
                await bus.publish("t", value=f"{incarnation}.{number}".encode(), partition=0)
        await until_len(heard, 20 if incarnation == 0 else 25)
        await broker.stop()
    await bus.stop(1)


@pytest.mark.kafka
@pytest.mark.apache
async def test_nothing_is_lost_when_a_member_joins_and_another_is_killed(
    apache_kafka: ApacheKafka,
) -> None:
    topic = f"t{uuid.uuid4().hex[:8]}"
    settings = KafkaSettings(bootstrap=apache_kafka.bootstrap)
    await provision(settings, [TopicPlan(name=topic, partitions=4, replication=1, retention_ms=-1)])
    one, two = KafkaBus(settings), KafkaBus(settings)
    heard, heard_too = listener(one, topic), listener(two, topic)
    await one.start()
    for number in range(200):
        await one.publish(topic, value=str(number).encode(), key=b"%d" % (number % 20))
    await two.start()
    for number in range(200, 400):
        await two.publish(topic, value=str(number).encode(), key=b"%d" % (number % 20))
    await one.crash()
    async with asyncio.timeout(30):
        while len({*heard, *heard_too}) < 400:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await two.stop(1)


@pytest.mark.kafka
async def test_all_topics_of_the_table_are_created_and_other_partitions_are_refused(
    embedded_broker: str,
) -> None:
    prefix = f"p{uuid.uuid4().hex[:8]}"
    settings = embedded(embedded_broker)
    wanted = plan(prefix=prefix, partitions=3, replication=1)
    assert len(await provision(settings, wanted)) == len(wanted)
    with pytest.raises(TopicsDiffer, match=f"{prefix}.tasks has 3, wanted 4"):
        await provision(settings, plan(prefix=prefix, partitions=4, replication=1))
    assert f"--topic {prefix}.tasks --partitions 3" in describe(wanted, bootstrap="b:1")[0]
