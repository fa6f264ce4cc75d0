"""What a bus does where no broker is yet, and where one goes away (protocol 16.2, 16.3)."""

import asyncio
import uuid
from pathlib import Path

import pytest

from actalog.embedded.broker import EmbeddedBroker
from actalog_bus.kafka import KafkaBus
from actalog_bus.processes import free_port
from actalog_bus.provision import TopicPlan, provision
from actalog_bus.settings import KafkaSettings
from actalog_testing.apache_kafka import ApacheKafka
from tests.integration.bus.listening import embedded, listener, until_len

PLAN = TopicPlan(name="t", partitions=2, replication=1, retention_ms=-1)
POM = Path(__file__).parents[3] / "infra" / "kafka" / "pom.xml"


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
    # As many as the broker makes by itself when the bus that waits for it asks first.
    topics = [TopicPlan(name="t", partitions=4, replication=1, retention_ms=-1)]
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
async def test_a_service_by_itself_on_the_embedded_broker_says_why_it_waits(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path, port := free_port())
    await broker.start()
    bus = KafkaBus(KafkaSettings(bootstrap=f"127.0.0.1:{port}"))
    starting = asyncio.create_task(bus.start())
    async with asyncio.timeout(20):
        while "`actalog up`" not in (bus.ready() or ""):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert (bus.ready() or "").startswith(f"bus: the broker at 127.0.0.1:{port} refuses: ")
    starting.cancel()
    await asyncio.wait([starting])
    await bus.stop(0)
    await broker.stop()


@pytest.mark.kafka
async def test_16_2_a_broker_that_goes_away_while_a_bus_begins_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    settings = embedded(f"127.0.0.1:{port}")
    first = EmbeddedBroker(tmp_path, port)
    await first.start()
    await provision(settings, [PLAN])
    bus = KafkaBus(settings)
    heard = listener(bus, "t")
    there = bus._topics_there  # pyright: ignore[reportPrivateUsage]

    async def there_and_gone() -> None:
        await there()
        await first.stop()

    monkeypatch.setattr(bus, "_topics_there", there_and_gone)
    starting = asyncio.create_task(bus.start())
    await asyncio.sleep(1)
    assert bus.ready() == f"bus: no broker at 127.0.0.1:{port}"
    second = EmbeddedBroker(tmp_path, port)
    await second.start()
    await provision(settings, [PLAN])
    await asyncio.wait_for(starting, 20)
    async with asyncio.timeout(20):
        while bus.ready() is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await bus.publish("t", value=b"1", partition=0)
    await until_len(heard, 1)
    await bus.stop(1)
    await second.stop()


@pytest.mark.kafka
@pytest.mark.apache
async def test_any_of_several_addresses_will_do(apache_kafka: ApacheKafka) -> None:
    topic = f"t{uuid.uuid4().hex[:8]}"
    away = f"127.0.0.1:{free_port()}"
    settings = KafkaSettings(bootstrap=f"{away} , {apache_kafka.bootstrap},")
    await provision(settings, [TopicPlan(name=topic, partitions=2, replication=1, retention_ms=-1)])
    bus = KafkaBus(settings)
    heard = listener(bus, topic)
    await bus.start()
    await bus.publish(topic, value=b"1")
    await until_len(heard, 1)
    await bus.stop(1)
