"""Where a group stands on its topics, and what topics hold: for those who repair, not for services."""

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from actalog_bus.ports import Record
from actalog_bus.positions import Partition
from actalog_bus.provision import partitions_of
from actalog_bus.records import Found, heard
from actalog_bus.security import security
from actalog_bus.settings import KafkaSettings
from actalog_core.errors import Transient

ANSWER_S = 10.0
BEHIND_MS = 300
SILENT_S = 20.0  # no record and not at the end: the broker does not answer


class BrokerSilent(Transient):
    """The broker does not tell its offsets."""


class GroupIsAlive(Transient):
    """Services still hear: stop them first (a killed one leaves after its session time-out)."""


@dataclass(frozen=True, slots=True)
class Stand:
    """One partition: what a group has committed, its oldest record, and where the next will be."""

    committed: int | None
    first: int
    end: int


@asynccontextmanager
async def _consumer(
    settings: KafkaSettings, group: str | None, where: Sequence[TopicPartition]
) -> AsyncGenerator[AIOKafkaConsumer]:
    """A consumer of these partitions, which joins no group."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.servers, group_id=group, enable_auto_commit=False,
        auto_offset_reset="earliest", **security(settings),
    )  # fmt: skip
    try:
        await consumer.start()
        consumer.assign(list(where))
        yield consumer
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerSilent(f"{type(error).__name__}: {error}") from error
    finally:
        await consumer.stop()


async def partitions(settings: KafkaSettings, topics: Sequence[str]) -> list[TopicPartition]:
    """Those of these topics; topics that are not there are left out.

    Raises:
        BrokerSilent: it does not answer.
    """
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.servers, **security(settings))
    try:
        await admin.start()
        counts = await partitions_of(admin, list(topics))
    except (KafkaError, OSError) as error:
        raise BrokerSilent(f"{type(error).__name__}: {error}") from error
    finally:
        await admin.close()
    return [TopicPartition(topic, at) for topic, count in counts.items() for at in range(count)]


async def stands(
    settings: KafkaSettings, group: str, topics: Sequence[str]
) -> dict[Partition, Stand]:
    """All partitions of these topics; topics that are not there are left out.

    Raises:
        BrokerSilent: it does not answer.
    """
    where = await partitions(settings, topics)
    if not where:
        return {}
    async with _consumer(settings, group, where) as consumer, asyncio.timeout(ANSWER_S):
        first = cast(dict[TopicPartition, int], await consumer.beginning_offsets(where))
        ends = cast(dict[TopicPartition, int], await consumer.end_offsets(where))
        told: dict[Partition, Stand] = {}
        for one in where:
            committed = cast(int | None, await consumer.committed(one))
            told[one.topic, one.partition] = Stand(committed, first[one], ends[one])
    return told


async def commit(settings: KafkaSettings, group: str, offsets: Mapping[Partition, int]) -> None:
    """Set where a group that nobody is in goes on.

    Raises:
        GroupIsAlive: it has members.
        BrokerSilent: it does not answer.
    """
    where = {TopicPartition(*at): OffsetAndMetadata(n, "") for at, n in offsets.items()}
    if not where:
        return
    async with _consumer(settings, group, list(where)) as consumer:
        try:
            async with asyncio.timeout(ANSWER_S):
                await consumer.commit(cast(Any, where))
        except KafkaError as error:
            raise GroupIsAlive(f"{group} ({type(error).__name__})") from error


async def records(
    settings: KafkaSettings,
    topic: str,
    *,
    since_ms: int | None = None,
    begin: Mapping[Partition, int] | None = None,
) -> AsyncGenerator[Record]:
    """What a topic holds now, in order on each partition: from offsets, or from a time on.

    Raises:
        BrokerSilent: it does not answer.
    """
    where = await partitions(settings, [topic])
    async with _consumer(settings, None, where) as consumer:
        left = await _spans(consumer, where, since_ms, begin or {})
        while left:
            found = cast(Found, await consumer.getmany(*left, timeout_ms=int(SILENT_S * 1_000)))
            if not found:
                raise BrokerSilent(f"{topic} ends before its end")
            for at, many in found.items():
                for one in many:
                    yield heard(one)
                if many[-1].offset + 1 >= left.get(at, 0):
                    left.pop(at, None)
        # The embedded broker tells the end of a last batch too early.
        while found := cast(Found, await consumer.getmany(timeout_ms=BEHIND_MS)):
            for many in found.values():
                for one in many:
                    yield heard(one)


async def _spans(
    consumer: AIOKafkaConsumer, where: Sequence[TopicPartition], since_ms: int | None,
    begin: Mapping[Partition, int],
) -> dict[TopicPartition, int]:  # fmt: skip
    """Seek to where reading begins, in those with nothing to read as well: else they would be read
    from their beginning. The ends of those that have something."""
    async with asyncio.timeout(ANSWER_S):
        first = cast(dict[TopicPartition, int], await consumer.beginning_offsets(list(where)))
        ends = cast(dict[TopicPartition, int], await consumer.end_offsets(list(where)))
        times: dict[TopicPartition, Any] = {}
        if since_ms is not None and where:
            since = dict.fromkeys(where, since_ms)
            times = cast(dict[TopicPartition, Any], await consumer.offsets_for_times(since))
    left: dict[TopicPartition, int] = {}
    for at in where:
        asked = begin.get((at.topic, at.partition), 0)
        start = max(first[at], asked if asked <= ends[at] else 0)  # beyond: of an earlier broker
        if at in times:
            none = times[at] is None or times[at].timestamp < 0  # so the embedded broker says it
            start = ends[at] if none else max(start, times[at].offset)
        consumer.seek(at, start)
        if start < ends[at]:
            left[at] = ends[at]
    return left
