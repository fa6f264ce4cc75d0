"""What a topic holds, for those who repair: from offsets or from a time on, and no more."""

import asyncio
import uuid

import pytest

from actalog_bus.kafka import KafkaBus
from actalog_bus.offsets import records
from actalog_bus.provision import TopicPlan, provision
from actalog_bus.settings import KafkaSettings
from tests.integration.bus.listening import embedded

pytestmark = pytest.mark.kafka


@pytest.fixture
async def topic(embedded_broker: str) -> tuple[KafkaSettings, str]:
    """Two partitions with three records each; all of the first are older."""
    settings, name = embedded(embedded_broker), f"o{uuid.uuid4().hex[:8]}"
    plan = TopicPlan(name=name, partitions=2, replication=1, retention_ms=3_600_000)
    await provision(settings, [plan])
    bus = KafkaBus(settings)
    await bus.start()
    for partition in (0, 1):
        for number in range(3):
            await bus.publish(name, value=b"%d" % number, partition=partition)
        await asyncio.sleep(0.02)
    await bus.stop()
    return settings, name


async def test_a_partition_with_nothing_from_there_on_is_not_read_from_its_beginning(
    topic: tuple[KafkaSettings, str],
):
    settings, name = topic
    every = [one async for one in records(settings, name)]
    assert len(every) == 6
    later = min(one.timestamp_ms for one in every if one.partition == 1)
    found = records(settings, name, since_ms=later)
    assert [one.partition async for one in found] == [1, 1, 1]
    begin = {(name, 0): 3, (name, 1): 2}
    left = [(one.partition, one.offset) async for one in records(settings, name, begin=begin)]
    assert left == [(1, 2)]
    anew = {(name, 0): 3, (name, 1): 7}  # of a broker that has lost its data since
    left = [(one.partition, one.offset) async for one in records(settings, name, begin=anew)]
    assert left == [(1, 0), (1, 1), (1, 2)]
