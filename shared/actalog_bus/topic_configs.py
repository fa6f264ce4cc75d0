"""How topics that are there are configured, where that would lose or refuse messages.

Who makes topics himself, or made them with an earlier version, may have other configurations on
purpose: nothing is changed here, it is told, with the command that changes it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError

from actalog_bus.provision import IN_SYNC, TopicPlan, TopicsNotCreated
from actalog_bus.security import security
from actalog_bus.settings import KafkaSettings

NAMES = ("cleanup.policy", "retention.ms", "max.message.bytes", "message.timestamp.type", IN_SYNC)
FOR_EVER = -1


async def unsafe(settings: KafkaSettings, planned: Sequence[TopicPlan]) -> list[str]:
    """What to look after, topic by topic. Nothing where the broker does not say (the embedded one
    has no such question).

    Raises:
        TopicsNotCreated: the broker does not answer.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.servers, **security(settings))
    try:
        await admin.start()
    except (KafkaError, OSError) as error:
        await admin.close()
        raise TopicsNotCreated(f"{type(error).__name__}: {error}") from error
    try:
        told = await _configs(admin, [each.name for each in planned])
    except (KafkaError, OSError):
        return []
    finally:
        await admin.close()
    return [said for each in planned for said in judged(each, told.get(each.name, {}))]


def judged(topic: TopicPlan, told: Mapping[str, str]) -> list[str]:
    """What of a topic's configuration would lose or refuse messages, and how it is changed."""
    wanted, differ = topic.config, list[tuple[str, str]]()

    def differs(name: str, why: str) -> None:
        differ.append((name, why))

    if "compact" in told.get("cleanup.policy", ""):
        differs("cleanup.policy", "of messages with one key all but the last are dropped")
    if topic.kept_here and _shorter(told.get("retention.ms"), topic.retention_ms):
        differs("retention.ms", "a record may be gone before anybody has read it")
    if int(told.get("max.message.bytes", topic.max_bytes)) < topic.max_bytes:
        differs("max.message.bytes", "large messages are refused")
    if topic.broker_time and told.get("message.timestamp.type", "LogAppendTime") != "LogAppendTime":
        differs("message.timestamp.type", "what a producer dates back may be deleted unheard")
    if IN_SYNC in wanted and int(told.get(IN_SYNC, wanted[IN_SYNC])) < int(wanted[IN_SYNC]):
        differs(IN_SYNC, "what one broker alone has acknowledged dies with it")
    return [
        f"{topic.name}: {name}={told[name]}, {why}; kafka-configs.sh --alter --entity-type topics"
        f" --entity-name {topic.name} --add-config {name}={wanted[name]}"
        for name, why in differ
    ]


def _shorter(told: str | None, wanted_ms: int) -> bool:
    if told is None or int(told) == FOR_EVER:
        return False
    return wanted_ms == FOR_EVER or int(told) < wanted_ms


async def _configs(
    admin: AIOKafkaAdminClient, topics: Sequence[str]
) -> Mapping[str, Mapping[str, str]]:
    """Values by name, of those topics that are there."""
    asked = [
        ConfigResource(ConfigResourceType.TOPIC, name, configs=dict.fromkeys(NAMES))
        for name in topics
    ]
    answers: Any = await admin.describe_configs(asked)
    found: dict[str, dict[str, str]] = {}
    for answer in answers:
        for code, _, _, topic, entries in answer.resources:
            if code == 0:
                found[topic] = {entry[0]: entry[1] for entry in entries if entry[1] is not None}
    return found
