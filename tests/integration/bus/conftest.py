"""One suite for every bus: in memory, on the embedded broker, on Apache Kafka."""

import uuid
from collections.abc import AsyncIterator

import pytest

from actalog_bus.kafka import KafkaBus
from actalog_bus.memory import MemoryBroker, MemoryBus
from actalog_bus.provision import TopicPlan, provision
from actalog_bus.settings import KafkaSettings
from actalog_testing.apache_kafka import ApacheKafka
from tests.integration.bus.site import PARTITIONS, Site


@pytest.fixture(
    params=[
        "memory",
        pytest.param("embedded", marks=pytest.mark.kafka),
        pytest.param("embedded-assigned", marks=pytest.mark.kafka),
        pytest.param("apache", marks=[pytest.mark.kafka, pytest.mark.apache]),
    ]
)
async def site(request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    topic = f"t{uuid.uuid4().hex[:8]}"
    if request.param == "memory":
        broker = MemoryBroker(PARTITIONS)
        place = Site(lambda: MemoryBus(broker=broker), topic)
    else:
        if request.param == "apache":
            node: ApacheKafka = request.getfixturevalue("apache_kafka")
            settings = KafkaSettings(bootstrap=node.bootstrap)
        else:
            settings = KafkaSettings(
                bootstrap=request.getfixturevalue("embedded_broker"),
                mode="assigned" if request.param == "embedded-assigned" else "group",
                idempotence=False,
                parked_fetch=False,
                keeps_marks=False,
                session_timeout_ms=2_000,
            )
        plans = [
            TopicPlan(name=name, partitions=count, replication=1, retention_ms=3_600_000)
            for name, count in ((topic, PARTITIONS), (f"{topic}.dlq", 1))
        ]
        assert await provision(settings, plans) == [topic, f"{topic}.dlq"]
        assert await provision(settings, plans) == []
        place = Site(lambda: KafkaBus(settings), topic)
    yield place
    for bus in place.buses:
        await bus.stop(1)
