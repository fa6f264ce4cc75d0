"""Two processes under one `ACTALOG_INSTANCE`: a mistake that must cost nothing but a word."""

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator

import pytest
import structlog

from actalog_bus.kafka import KafkaBus
from actalog_bus.places import LOST_AGAIN_S
from actalog_bus.ports import Delivery, Listen
from actalog_bus.provision import TopicPlan, provision
from actalog_bus.settings import KafkaSettings
from actalog_testing.apache_kafka import ApacheKafka
from tests.integration.bus.listening import lane

pytestmark = [pytest.mark.kafka, pytest.mark.apache]
PARTITIONS, QUIET_S = 4, 4.0


class Member:
    """A process of the group that keeps what it hears and counts its rebalances."""

    def __init__(self, settings: KafkaSettings, topic: str) -> None:
        self.heard: list[str] = []
        self.assigned = 0
        self.bus = KafkaBus(settings)
        listen = Listen([topic], f"{topic}.g", self._hear, lane, assigned=self._assigned)
        self.bus.listen(listen)

    async def _hear(self, delivery: Delivery) -> None:
        self.heard.append((delivery.record.value or b"").decode())

    def _assigned(self) -> None:
        self.assigned += 1


@pytest.fixture
async def topic(apache_kafka: ApacheKafka) -> str:
    name = f"t{uuid.uuid4().hex[:8]}"
    plan = TopicPlan(name=name, partitions=PARTITIONS, replication=1, retention_ms=3_600_000)
    await provision(KafkaSettings(bootstrap=apache_kafka.bootstrap), [plan])
    return name


@pytest.fixture
async def members(apache_kafka: ApacheKafka, topic: str) -> AsyncIterator[list[Member]]:
    settings = KafkaSettings(bootstrap=apache_kafka.bootstrap, instance="0")
    made = [Member(settings, topic) for _ in range(2)]
    yield made
    for one in made:
        await one.bus.stop(1)


async def quiet(members: list[Member]) -> None:
    """Wait until nobody was given partitions for a while, and both have some."""
    before = None
    async with asyncio.timeout(60):
        while (now := [one.assigned for one in members]) != before or 0 in now:
            before = now
            await asyncio.sleep(QUIET_S)


async def test_two_of_one_instance_share_the_work_and_it_is_said(members: list[Member], topic: str):
    with structlog.testing.capture_logs() as said:
        for one in members:
            async with asyncio.timeout(30):
                await one.bus.start()
        await quiet(members)
    for n in range(40):
        await members[0].bus.publish(topic, value=b"%d" % n, key=b"%d" % n)
    async with asyncio.timeout(20):
        while len({*members[0].heard, *members[1].heard}) < 40:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert all(one.heard for one in members)
    assert max(Counter(members[0].heard + members[1].heard).values()) == 1
    told = [one for one in said if one["event"] == "another process has this place"]
    assert told
    assert {(one["instance"], one["setting"]) for one in told} == {("0", "ACTALOG_INSTANCE")}
    assert LOST_AGAIN_S > QUIET_S
