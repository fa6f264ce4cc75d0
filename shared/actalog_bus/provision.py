"""Topics are created from the one table in the contracts, never by auto-creation."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from actalog_bus.security import security
from actalog_bus.settings import MAX_REQUEST_BYTES, KafkaSettings
from actalog_contracts import topics
from actalog_core.errors import Permanent, Transient

MAX_MESSAGE_BYTES = 1_048_576
OTHERS = "other systems"
DLQ_RETENTION_MS = 30 * topics.DAY_MS
IN_SYNC = "min.insync.replicas"


class TopicsDiffer(Permanent):
    """Topics exist with other partitions than the settings say."""


class TopicsNotCreated(Transient):
    """The broker did not create the topics."""


@dataclass(frozen=True, kw_only=True)
class TopicPlan:
    """A topic as it should be."""

    name: str
    partitions: int
    replication: int
    retention_ms: int  # -1: for ever
    cleanup: str = "delete"
    max_bytes: int = MAX_MESSAGE_BYTES
    broker_time: bool = False  # of each record, whatever time its producer gives it
    kept_here: bool = False  # some of its records are nowhere else

    @property
    def config(self) -> dict[str, str]:
        """The broker's names for it."""
        told = {
            "retention.ms": str(self.retention_ms),
            "cleanup.policy": self.cleanup,
            "max.message.bytes": str(self.max_bytes),
        }
        if self.broker_time:
            told["message.timestamp.type"] = "LogAppendTime"
        if self.replication > 2:  # of two, one that is away would stop everything
            told[IN_SYNC] = "2"
        return told

    def command(self, bootstrap: str) -> str:
        """The command of Apache Kafka's own tools that makes it."""
        configs = " ".join(f"--config {name}={value}" for name, value in self.config.items())
        return (
            f"kafka-topics.sh --bootstrap-server {bootstrap} --create --if-not-exists"
            f" --topic {self.name} --partitions {self.partitions}"
            f" --replication-factor {self.replication} {configs}"
        )


def plan(*, prefix: str, partitions: int, replication: int) -> list[TopicPlan]:
    """All topics: those of the table with equal homes, their dead letters, the checkpoints."""
    planned: list[TopicPlan] = []
    for topic in topics.TOPICS:
        count = partitions if topic.partitions == "homes" else 1
        name = topics.full_name(topic, prefix)
        planned.append(
            TopicPlan(
                name=name, partitions=count, replication=replication,
                retention_ms=topic.retention_ms,
                # A record that its producer dates back may be deleted before it is heard; and by
                # its time a record is told from another one at its offset (`doubts`).
                broker_time=OTHERS in topic.producers, kept_here=OTHERS in topic.producers,
            )
        )  # fmt: skip
        if topic.dead_letters:
            planned.append(
                TopicPlan(
                    name=topics.dlq_name(topic, prefix), partitions=1, replication=replication,
                    retention_ms=DLQ_RETENTION_MS, max_bytes=MAX_REQUEST_BYTES, kept_here=True,
                )
            )  # fmt: skip
    checkpoints = f"{prefix}.{topics.CHECKPOINTS}"
    planned.append(
        TopicPlan(
            name=checkpoints,
            partitions=1,
            replication=replication,
            retention_ms=-1,
            kept_here=True,
        )
    )
    return planned


def describe(planned: Sequence[TopicPlan], *, bootstrap: str) -> list[str]:
    """The commands that `actalog topics apply --print` shows."""
    return [each.command(bootstrap) for each in planned]


async def provision(settings: KafkaSettings, planned: Sequence[TopicPlan]) -> list[str]:
    """Create what is missing, check what is there; the names of what was created.

    Raises:
        TopicsDiffer: a topic has another number of partitions (homes would not agree).
        TopicsNotCreated: the broker refused or does not answer.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.servers, **security(settings))
    try:
        await admin.start()
        there = await partitions_of(admin, [each.name for each in planned])
        new = [each for each in planned if each.name not in there]
        differ = [
            f"{each.name} has {there[each.name]}, wanted {each.partitions}"
            for each in planned
            if there.get(each.name, each.partitions) != each.partitions
        ]
        if differ:
            raise TopicsDiffer("; ".join(differ))
        created = await _create(admin, new) if new else []
    except (KafkaError, OSError) as error:
        raise TopicsNotCreated(f"ACTALOG_KAFKA: {settings.bootstrap}: {error}") from error
    finally:
        await admin.close()
    return created


async def differences(settings: KafkaSettings, planned: Sequence[TopicPlan]) -> list[str]:
    """What is not as planned; nothing is created.

    Raises:
        TopicsNotCreated: the broker does not answer.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.servers, **security(settings))
    try:
        await admin.start()
        there = await partitions_of(admin, [each.name for each in planned])
    except (KafkaError, OSError) as error:
        raise TopicsNotCreated(f"ACTALOG_KAFKA: {settings.bootstrap}: {error}") from error
    finally:
        await admin.close()
    return [
        f"{each.name} is missing"
        if each.name not in there
        else f"{each.name} has {there[each.name]} partitions, wanted {each.partitions}"
        for each in planned
        if there.get(each.name) != each.partitions
    ]


async def partitions_of(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, int]:
    """How many each of these topics has; those that are not there are left out."""
    there = set(await admin.list_topics()) & set(names)
    if not there:
        return {}
    told = await admin.describe_topics(sorted(there))
    return {each["topic"]: len(each["partitions"]) for each in told}


async def _create(admin: AIOKafkaAdminClient, new: Sequence[TopicPlan]) -> list[str]:
    """The names of those that nobody else has created meanwhile."""
    answer: Any = await admin.create_topics(
        [
            NewTopic(
                name=each.name, num_partitions=each.partitions,
                replication_factor=each.replication, topic_configs=each.config,
            )
            for each in new
        ]
    )  # fmt: skip
    for name, code, *_ in answer.topic_errors:
        error = for_code(code)
        if code != 0 and error is not TopicAlreadyExistsError:
            raise TopicsNotCreated(f"{name}: {error.__name__}")
    return [name for name, code, *_ in answer.topic_errors if code == 0]
