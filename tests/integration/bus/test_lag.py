"""How far a group is behind: told by each process of the partitions that it has."""

import asyncio
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from actalog_bus import lag
from actalog_bus.kafka import KafkaBus
from actalog_bus.ports import Delivery
from actalog_bus.settings import KafkaSettings
from actalog_core import metrics
from tests.integration.bus.site import Site, until

pytestmark = pytest.mark.kafka


def told(topic: str) -> float | None:
    return metrics.REGISTRY.get_sample_value(
        "actalog_lag", {"group": f"{topic}.group", "topic": topic}
    )


class Gate:
    """Hears nothing to the end before it is opened."""

    def __init__(self) -> None:
        self.open, self.heard = asyncio.Event(), 0

    async def hear(self, delivery: Delivery) -> None:
        await self.open.wait()
        self.heard += 1


def settings_of(site: Site) -> KafkaSettings:
    bus = site.make()
    assert isinstance(bus, KafkaBus)
    return bus.settings


@pytest.fixture
def kafka(site: Site) -> Site:
    if not isinstance(site.make(), KafkaBus):
        pytest.skip("the double has no metrics of its own")
    return site


async def test_what_waits_is_lag_until_it_is_heard_to_the_end(kafka: Site):
    gate = Gate()
    bus = await kafka.bus(gate.hear, limit=2)
    assert told(kafka.topic) == 0
    for number in range(30):
        await kafka.say(bus, f"{number}", key=f"k{number % 5}")
    await until(lambda: told(kafka.topic) == 30)
    gate.open.set()
    await until(lambda: told(kafka.topic) == 0)
    assert gate.heard == 30
    await bus.stop(1)
    assert told(kafka.topic) is None


async def test_what_was_published_while_nobody_heard_is_lag(kafka: Site):
    silent = await kafka.bus()
    for number in range(10):
        await kafka.say(silent, f"{number}", key=f"k{number}")
    gate = Gate()
    await kafka.bus(gate.hear)
    await until(lambda: told(kafka.topic) == 10)
    gate.open.set()
    await until(lambda: told(kafka.topic) == 0)


async def test_the_marks_of_transactions_are_no_lag(kafka: Site):
    """They lie behind a transaction's records, and nobody hears them."""
    settings = settings_of(kafka)
    if not settings.parked_fetch:
        pytest.skip("the embedded broker knows no transactions")
    gate = Gate()
    gate.open.set()
    await kafka.bus(gate.hear)
    producer: Any = AIOKafkaProducer(
        bootstrap_servers=settings.servers, transactional_id=f"{kafka.topic}.x"
    )
    await producer.start()
    async with producer.transaction():
        for number in range(6):
            await producer.send_and_wait(kafka.topic, b"x", key=b"%d" % number)
    await producer.stop()
    await until(lambda: gate.heard == 6)
    await asyncio.sleep(1.2)  # longer than a fetch may be parked: the marks were fetched
    assert told(kafka.topic) == 0


async def test_what_comes_behind_a_full_buffer_is_lag(kafka: Site, monkeypatch: pytest.MonkeyPatch):
    if not settings_of(kafka).parked_fetch:
        pytest.skip("the embedded broker does not tell exactly where a partition ends")
    monkeypatch.setattr(lag.Lag.start, "__kwdefaults__", {"look_s": 0.2})
    gate = Gate()
    bus = await kafka.bus(gate.hear, limit=2)
    count = 6_000  # of one partition: more than is fetched of it, and then more of it
    for _ in range(2):
        await asyncio.gather(*(kafka.say(bus, "x", key="k") for _ in range(count)))
        await asyncio.sleep(0.5)
    await until(lambda: told(kafka.topic) == 2 * count)
    gate.open.set()
    await until(lambda: told(kafka.topic) == 0, within_s=60)
