"""A broker that comes back without the newest records of its topics, as after a power cut."""

import asyncio
import shutil
from pathlib import Path

import pytest

from actalog_bus.kafka import KafkaBus
from actalog_bus.provision import TopicPlan, provision
from actalog_bus.settings import KafkaSettings
from actalog_testing.apache_kafka import ApacheKafka, missing
from tests.integration.bus.listening import listener, until_len
from tests.integration.bus.test_faults import POM, until_taken

pytestmark = [pytest.mark.kafka, pytest.mark.apache]
PARTITIONS = 2


@pytest.mark.parametrize("after", [4, 30], ids=["fewer", "more"])
@pytest.mark.parametrize("lives", [True, False], ids=["a member lives on", "a member begins"])
async def test_16_3_what_gets_the_offsets_of_lost_records_is_heard(
    tmp_path: Path, lives: bool, after: int
) -> None:
    """Fewer or more than were lost; offsets that were committed stay, and lie behind the end."""
    if lacks := missing():
        pytest.skip(lacks)
    node = ApacheKafka(tmp_path / "node", pom=POM)
    (tmp_path / "node").mkdir()
    await node.start()
    settings = KafkaSettings(bootstrap=node.bootstrap, publish_timeout_s=5)
    await provision(
        settings, [TopicPlan(name="t", partitions=PARTITIONS, replication=1, retention_ms=-1)]
    )
    sender, bus, told = KafkaBus(settings), KafkaBus(settings), list[str]()
    heard = listener(bus, "t", began_anew=lambda: told.append("anew"))
    await sender.start()
    await bus.start()
    try:
        await publish(sender, "kept", 10)
        await until_len(heard, 10)
        await asyncio.sleep(1)
        keep(tmp_path)
        await publish(sender, "lost", 20)
        await until_len(heard, 30)
        await asyncio.sleep(1)  # the offsets are committed
        if not lives:
            await bus.stop(1)
        await node.kill()
        put_back(tmp_path)
        await node.start()
        if not lives:
            bus = KafkaBus(settings)
            heard = listener(bus, "t", began_anew=lambda: told.append("anew"))
        for number in range(after):
            await until_taken(sender, f"after {number}".encode(), number % PARTITIONS)
        if not lives:
            await bus.start()
        async with asyncio.timeout(60):
            while sum(one.startswith("after") for one in set(heard)) < after:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert told
    finally:
        await bus.stop(1)
        await sender.stop(1)
        await node.stop()


async def publish(bus: KafkaBus, what: str, count: int) -> None:
    for number in range(count):
        await bus.publish("t", value=f"{what} {number}".encode(), partition=number % PARTITIONS)


def keep(folder: Path) -> None:
    """The topic as it is on the disk now."""
    for at in range(PARTITIONS):
        shutil.copytree(folder / "node" / "data" / f"t-{at}", folder / f"t-{at}")


def put_back(folder: Path) -> None:
    """What was written since is gone."""
    for at in range(PARTITIONS):
        shutil.rmtree(folder / "node" / "data" / f"t-{at}")
        shutil.copytree(folder / f"t-{at}", folder / "node" / "data" / f"t-{at}")
