"""A topic that gets more partitions while everybody hears it."""

import asyncio
import uuid

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from actalog_bus.kafka import KafkaBus
from actalog_bus.ports import Delivery, Listen
from actalog_bus.provision import TopicPlan, provision
from actalog_bus.settings import KafkaSettings
from actalog_bus.wiring import refresh_metadata
from actalog_testing.apache_kafka import ApacheKafka

pytestmark = [pytest.mark.kafka, pytest.mark.apache]


@pytest.mark.parametrize("who", ["group", "assigned", "broadcast"])
async def test_new_partitions_are_heard_from_their_first_record(
    apache_kafka: ApacheKafka, who: str
):
    topic, heard, told = f"t{uuid.uuid4().hex[:8]}", list[str](), list[str]()
    settings = KafkaSettings(
        bootstrap=apache_kafka.bootstrap, prefix=topic,
        mode="assigned" if who == "assigned" else "group",
    )  # fmt: skip
    await provision(settings, [TopicPlan(name=topic, partitions=2, replication=1, retention_ms=-1)])

    async def hear(delivery: Delivery) -> None:
        heard.append((delivery.record.value or b"").decode())

    bus = KafkaBus(settings)
    bus.listen(
        Listen(
            [topic], f"{topic}.g", hear, lambda one: "-", broadcast=who == "broadcast",
            began_anew=lambda: told.append("anew"),
        )
    )  # fmt: skip
    await bus.start()
    try:
        async with asyncio.timeout(60):
            while bus.ready():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            await bus.publish(topic, value=b"old", partition=1)
            while heard != ["old"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            before = list(told)  # that nothing was ever committed, to a group
            admin = AIOKafkaAdminClient(bootstrap_servers=settings.servers)
            await admin.start()
            await admin.create_partitions({topic: NewPartitions(total_count=4)})
            await admin.close()
            await asyncio.sleep(1)
            (subscription,) = bus._running  # pyright: ignore[reportPrivateUsage]
            # As happens every five minutes.
            await refresh_metadata(subscription._consumer)  # pyright: ignore[reportPrivateUsage]
            producer = bus._publisher._producer  # pyright: ignore[reportPrivateUsage]
            assert producer is not None
            while bus.partitions(topic) < 4:
                await producer.client.force_metadata_update()
            await bus.publish(topic, value=b"new", partition=3)
            await bus.publish(topic, value=b"old again", partition=1)
            while {"new", "old again"} - set(heard):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert sorted(heard) == ["new", "old", "old again"]
        assert told == before  # nothing was lost: no run has to be asked about again
    finally:
        await bus.stop(1)
