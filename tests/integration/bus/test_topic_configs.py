"""Topics that somebody configured otherwise: what of it loses or refuses messages is told."""

import asyncio
import uuid

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from actalog_bus.provision import TopicPlan, TopicsNotCreated, plan, provision
from actalog_bus.settings import KafkaSettings
from actalog_bus.topic_configs import judged, unsafe
from actalog_testing.apache_kafka import ApacheKafka
from tests.integration.bus.site import Site

DAY_MS = 86_400_000


def planned(prefix: str, *, replication: int = 1) -> list[TopicPlan]:
    return plan(prefix=prefix, partitions=2, replication=replication)


def named(topics: list[TopicPlan], name: str) -> TopicPlan:
    return next(one for one in topics if one.name == name)


@pytest.mark.kafka
@pytest.mark.apache
async def test_each_thing_that_loses_messages_is_told_with_the_command_that_mends_it(
    apache_kafka: ApacheKafka,
):
    prefix = f"p{uuid.uuid4().hex[:8]}"
    settings, topics = KafkaSettings(bootstrap=apache_kafka.bootstrap), planned(prefix)
    assert await unsafe(settings, topics) == []  # nothing is there yet
    await provision(settings, topics)
    assert await unsafe(settings, topics) == []
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.servers)
    await admin.start()
    for topic, configs in (
        ("tasks", {"cleanup.policy": "compact", "retention.ms": "1000"}),
        ("llm.commands", {"max.message.bytes": "2000"}),
        ("events", {"retention.ms": "1000"}),  # the log has them: whoever wants less keeps less
        ("checkpoints", {"retention.ms": str(DAY_MS)}),
    ):
        name = f"{prefix}.{topic}"
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, name, configs)])
    await admin.close()
    told: list[str] = []
    async with asyncio.timeout(30):
        while len(told) < 5:  # the broker applies them by and by
            told = await unsafe(settings, topics)
    assert [one.partition(",")[0] for one in told] == [
        f"{prefix}.tasks: cleanup.policy=compact",
        f"{prefix}.tasks: retention.ms=1000",
        f"{prefix}.tasks: message.timestamp.type=CreateTime",
        f"{prefix}.llm.commands: max.message.bytes=2000",
        f"{prefix}.checkpoints: retention.ms={DAY_MS}",
    ]
    assert told[0].endswith(f"--entity-name {prefix}.tasks --add-config cleanup.policy=delete")
    assert told[-1].endswith("--add-config retention.ms=-1")


def test_with_three_replicas_two_have_what_is_acknowledged():
    three, two = (named(planned("p", replication=n), "p.tasks") for n in (3, 2))
    assert three.config["min.insync.replicas"] == "2"
    assert "min.insync.replicas" not in two.config
    (said,) = judged(three, {"min.insync.replicas": "1"})
    assert "dies with it" in said
    assert judged(three, {"min.insync.replicas": "3"}) == []
    assert judged(two, {"min.insync.replicas": "1"}) == []


@pytest.mark.kafka
async def test_a_broker_that_does_not_say_has_nothing_to_be_told(site: Site):
    bus = site.make()
    servers = getattr(getattr(bus, "settings", None), "servers", None)
    if servers is None:
        pytest.skip("the double has no topics' configurations")
    assert await unsafe(KafkaSettings(bootstrap=servers), planned("nobody")) == []


async def test_a_broker_that_is_not_there_is_no_good_news():
    with pytest.raises(TopicsNotCreated):
        await unsafe(KafkaSettings(bootstrap="127.0.0.1:1"), planned("p"))
