"""FastStream, and only here: it makes the consumers and keeps their life cycle.

Subscribers have no handler and MANUAL acknowledgement; their consumers are polled by us, since
FastStream's own policies commit past unfinished records.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.abc import ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka import TopicPartition as Assigned
from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from actalog_bus.fetch_sessions import keep_sessions
from actalog_bus.places import shared_with_nobody
from actalog_bus.security import security
from actalog_bus.settings import KafkaSettings

SASL = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
QUIET_MS, BUSY_MS, PARKED_MS = 50, 5, 500


def _secured(settings: KafkaSettings) -> BaseSecurity | None:
    told = security(settings)
    if not told:
        return None
    context, ssl = told.get("ssl_context"), "SSL" in settings.security_protocol
    if "sasl_mechanism" not in told:
        return BaseSecurity(ssl_context=context, use_ssl=ssl)
    return SASL[told["sasl_mechanism"]](
        username=settings.sasl_username or "",
        password=settings.sasl_password or "",
        ssl_context=context,
        use_ssl=ssl,
    )


@dataclass
class Consumers:
    """The consumers of one process."""

    broker: KafkaBroker

    @classmethod
    def of(cls, settings: KafkaSettings) -> "Consumers":
        broker = KafkaBroker(
            settings.servers.split(","),  # it takes a text for one address
            security=_secured(settings),
            consumer_only=True,
            # The answer to who joins a group waits for the other members, at most a session.
            request_timeout_ms=settings.request_timeout_ms + settings.session_timeout_ms,
            allow_auto_create_topics=False,
            apply_types=False,
            logger=None,
        )
        return cls(broker)

    async def open(
        self,
        settings: KafkaSettings,
        *,
        group: str | None,
        topics: Sequence[str] = (),
        partitions: Sequence[TopicPartition] = (),
        listener: ConsumerRebalanceListener | None = None,
        number: int = 0,
    ) -> AIOKafkaConsumer:
        """A started consumer: of a group by topics, or of partitions by assignment."""
        place = settings.instance if topics and group else None
        subscriber = self.broker.subscriber(
            *topics,
            partitions=[Assigned(topic=p.topic, partition=p.partition) for p in partitions],
            group_id=group,
            group_instance_id=f"{group}.{place}.{number}" if place else None,
            ack_policy=AckPolicy.MANUAL,
            auto_offset_reset="earliest" if group else "latest",
            # What a producer took back before it was committed was never said.
            isolation_level="read_committed",
            partition_assignment_strategy=(RangePartitionAssignor,),
            session_timeout_ms=settings.session_timeout_ms,
            # By its answer a member learns that another has gone, and its share has to be taken.
            heartbeat_interval_ms=max(200, settings.session_timeout_ms // 20),
            fetch_max_wait_ms=PARKED_MS if settings.parked_fetch else QUIET_MS,
            listener=listener,
        )
        await subscriber.start()
        consumer = subscriber.consumer
        assert consumer is not None
        checked(consumer, group=group)
        keep_sessions(consumer)
        if place:
            shared_with_nobody(consumer, group=str(group), instance=place)
        return consumer

    async def start(self) -> None:
        """Connect."""
        await self.broker.start()

    async def stop(self) -> None:
        """Leave the groups and disconnect."""
        await self.broker.stop()


def checked(consumer: Any, *, group: str | None) -> None:
    """The effective configuration is the one that keeps our promise."""
    if consumer._enable_auto_commit or consumer._group_id != group:
        raise RuntimeError(f"the consumer of {group} would commit what was not heard")
    if consumer._isolation_level != "read_committed":
        raise RuntimeError(f"the consumer of {group} would hear what was taken back")


async def committed(
    consumer: Any, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, tuple[int, str]]:
    """(offset, metadata) of what was committed. aiokafka's own method tells the offset alone."""
    found = await consumer._coordinator.fetch_committed_offsets(list(partitions))
    return {at: (one.offset, one.metadata or "") for at, one in found.items()}


def position(consumer: Any, partition: TopicPartition) -> int | None:
    """From where the next fetch of a partition will be; None while that is not known."""
    subscribed = consumer._subscription.subscription
    assigned = subscribed.assignment if subscribed is not None else None
    if assigned is None or partition not in assigned.tps:
        return None
    state = assigned.state_value(partition)
    return state.position if state.has_valid_position else None


def set_fetch_wait(consumer: Any, wait_ms: int) -> None:
    """How long the broker may hold the next fetch (protocol 16.4). aiokafka has no setter."""
    consumer._fetcher._fetch_max_wait_ms = wait_ms


def connections(consumer: Any) -> frozenset[object]:
    """The open connections over which records are fetched: another set means that a broker may
    have been started anew. aiokafka tells nobody when it connects again."""
    known = consumer._client._conns
    return frozenset(one for (_, group), one in known.items() if not group)


def metadata_changes(consumer: Any, tell: Callable[[object], None]) -> None:
    """`tell` is called when the broker has told of topics and leaders: at times, and after errors
    of a partition."""
    consumer._client.cluster.add_listener(tell)


def unknown(consumer: Any, topics: Sequence[str]) -> bool:
    """Whether the broker knew nothing of one of these topics when it was asked last."""
    cluster = consumer._client.cluster
    return any(cluster.partitions_for_topic(topic) is None for topic in topics)


def told_partitions(consumer: Any, topics: Sequence[str]) -> set[TopicPartition]:
    """All that the broker has told of."""
    found = consumer._client.cluster.partitions_for_topic
    return {TopicPartition(topic, at) for topic in topics for at in found(topic) or ()}


async def refresh_metadata(consumer: Any) -> None:
    """Ask the broker for its topics now."""
    await consumer._client.force_metadata_update()
