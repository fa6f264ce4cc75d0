"""A cluster of three brokers, of which one dies: its partitions get other leaders."""

import asyncio
import contextlib
from pathlib import Path

import pytest

from actalog_bus.kafka import KafkaBus
from actalog_bus.ports import Delivery, Listen
from actalog_bus.provision import TopicPlan, provision
from actalog_bus.settings import KafkaSettings
from actalog_core.errors import Transient
from actalog_testing import apache_kafka
from actalog_testing.apache_kafka import ApacheKafka, KafkaCluster, missing
from tests.integration.bus.site import by_key

POM = Path(__file__).parents[3] / "infra" / "kafka" / "pom.xml"
KEYS = 12


class Traffic:
    """Numbers for each key, published one after the other until each is acknowledged."""

    def __init__(self, bus: KafkaBus) -> None:
        self.bus = bus
        self.heard: dict[str, list[int]] = {}
        self.sent: dict[str, int] = {}
        self.over = asyncio.Event()

    async def hear(self, delivery: Delivery) -> None:
        key = (delivery.record.key or b"").decode()
        self.heard.setdefault(key, []).append(int(delivery.record.value or b""))

    async def publish(self, key: str) -> None:
        while not self.over.is_set():
            number = self.sent.get(key, 0)
            with contextlib.suppress(Transient):
                await self.bus.publish("t", value=b"%d" % number, key=key.encode())
                self.sent[key] = number + 1
            await asyncio.sleep(0.02)

    def missing(self) -> dict[str, set[int]]:
        gaps = {key: set(range(n)) - set(self.heard.get(key, ())) for key, n in self.sent.items()}
        return {key: gap for key, gap in gaps.items() if gap}

    async def goes_on(self) -> None:
        """Until every key was heard of something that was sent from now on."""
        marks = dict(self.sent)
        async with asyncio.timeout(40):
            while any(max(self.heard.get(key, [-1])) <= mark for key, mark in marks.items()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


@pytest.mark.kafka
@pytest.mark.apache
async def test_nothing_is_lost_or_held_up_for_long_when_a_broker_of_three_dies(
    tmp_path: Path,
) -> None:
    if lacks := missing():
        pytest.skip(lacks)
    cluster = KafkaCluster(tmp_path, pom=POM)
    try:
        await cluster.start()
        settings = KafkaSettings(bootstrap=cluster.bootstrap)
        plan = TopicPlan(name="t", partitions=6, replication=3, retention_ms=-1)
        await provision(settings, [plan])
        bus = KafkaBus(settings)
        traffic = Traffic(bus)
        bus.listen(Listen(["t"], "g", traffic.hear, by_key))
        await bus.start()
        try:
            keys = [f"k{n}" for n in range(KEYS)]
            sending = [asyncio.create_task(traffic.publish(key)) for key in keys]
            await traffic.goes_on()
            for node in cluster.nodes[:2]:
                await node.kill()
                await traffic.goes_on()
                await node.start()
                await traffic.goes_on()
            traffic.over.set()
            await asyncio.gather(*sending)
            async with asyncio.timeout(20):
                while traffic.missing():  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            await bus.stop(1)
        for heard in traffic.heard.values():
            first = list(dict.fromkeys(heard))
            assert first == sorted(first)  # repeats may come, and nothing overtakes
    finally:
        await cluster.stop()


@pytest.mark.apache
async def test_a_clusters_id_may_begin_with_a_dash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    if lacks := missing():
        pytest.skip(lacks)
    monkeypatch.setattr(apache_kafka, "cluster_id", lambda: "-o0vRhTKSVG9tiwtPgzqVg")
    node = ApacheKafka(tmp_path, pom=POM)
    await node.start()
    await node.stop()
    told = (tmp_path / "data" / "meta.properties").read_text()
    assert "cluster.id=-o0vRhTKSVG9tiwtPgzqVg" in told


@pytest.mark.apache
async def test_a_storage_that_cannot_be_formatted_says_why(tmp_path: Path):
    if lacks := missing():
        pytest.skip(lacks)
    node = ApacheKafka(tmp_path, pom=POM, format=["--no-such-option"])
    with pytest.raises(RuntimeError, match="no-such-option"):
        await node.start()
