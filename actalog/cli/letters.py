"""Dead letters as they lie in `<topic>.dlq`, and what became of each."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from actalog.cli.sending import NoBroker, producing
from actalog_bus.dead import about
from actalog_bus.offsets import BrokerSilent, partitions
from actalog_bus.ports import Outgoing, Record
from actalog_bus.records import heard
from actalog_bus.security import security
from actalog_bus.settings import MAX_REQUEST_BYTES, KafkaSettings
from actalog_contracts import topics
from actalog_core.errors import OptionWrong
from actalog_log.letters import Fate, LetterId, Letters

QUIET_S = 0.5  # the embedded broker may tell an end that comes too early


@dataclass(frozen=True)
class Letter:
    """`name` is its topic without the prefix, its partition and offset."""

    name: str
    record: Record
    fate: Fate | None

    @property
    def id(self) -> LetterId:
        at = self.record
        return LetterId(at.topic, at.partition, at.offset, at.timestamp_ms)

    @property
    def told(self) -> dict[str, str]:
        """What its headers say of its death."""
        return dict(about(self.record))

    def named(self) -> dict[str, Any]:
        """The ids that its message names, as far as it can be read."""
        try:
            body: Any = orjson.loads(self.record.value or b"")
        except orjson.JSONDecodeError:
            body = None
        found = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
        subject = (self.record.header("ce_subject") or b"").decode("utf-8", "replace")
        kind = (self.record.header("ce_type") or b"").decode("utf-8", "replace")
        named = {"run_id": subject or None, "type": kind or None, "tenant_id": "default"}
        for name in ("run_id", "type", "tenant_id", "session_id"):
            if isinstance(found.get(name), str):
                named[name] = found[name]
        return named


def dead_topics(prefix: str, only: str | None = None) -> Sequence[str]:
    """Full names of all topics with dead letters, or of the one that `only` names in any form.

    Raises:
        OptionWrong: there is no such topic.
    """
    known = [topics.dlq_name(one, prefix) for one in topics.TOPICS if one.dead_letters]
    if only is None:
        return known
    for name in known:
        short = name.removeprefix(f"{prefix}.")
        if only.removesuffix(topics.DLQ_SUFFIX) in (
            short.removesuffix(topics.DLQ_SUFFIX), name.removesuffix(topics.DLQ_SUFFIX)
        ):  # fmt: skip
            return [name]
    shown = ", ".join(name.removeprefix(f"{prefix}.") for name in known)
    raise OptionWrong(f"--topic {only}: no such topic has dead letters; there are {shown}.")


class Reader:
    """Reads dead letters, oldest first of each topic. No group: reading moves nothing."""

    def __init__(
        self, consumer: AIOKafkaConsumer, settings: KafkaSettings, fates: Letters, prefix: str
    ) -> None:
        self._consumer, self._settings = consumer, settings
        self._fates, self._prefix = fates, prefix

    async def every(self, names: Sequence[str]) -> list[Letter]:
        """All letters of these topics.

        Raises:
            NoBroker: it does not answer.
        """
        try:
            records = await self._records(names)
        except (KafkaError, BrokerSilent) as error:
            raise NoBroker(f"ACTALOG_KAFKA: {type(error).__name__}: {error}") from error
        fates = {
            id: fate for topic in names for id, fate in (await self._fates.fates(topic)).items()
        }
        found: list[Letter] = []
        for record in records:
            topic = record.topic.removeprefix(f"{self._prefix}.")
            letter = Letter(f"{topic}/{record.partition}/{record.offset}", record, None)
            found.append(replace(letter, fate=fates.get(letter.id)))
        return found

    async def _records(self, names: Sequence[str]) -> list[Record]:
        consumer = self._consumer
        # A consumer without subscription learns of no topic by itself.
        parts = await partitions(self._settings, names)
        if not parts:
            return []
        consumer.assign(parts)
        await consumer.seek_to_beginning(*parts)
        found: list[Record] = []
        while True:
            ends = cast("dict[TopicPartition, int]", await consumer.end_offsets(parts))
            batch = cast(Any, await consumer.getmany(timeout_ms=int(QUIET_S * 1_000)))
            for records in batch.values():
                found += map(heard, records)
            at_end = all([await consumer.position(at) >= end for at, end in ends.items()])
            if at_end and not batch:
                return sorted(found, key=lambda one: (one.topic, one.partition, one.offset))


@asynccontextmanager
async def reader(settings: KafkaSettings, fates: Letters, *, prefix: str) -> AsyncGenerator[Reader]:
    """A connected reader.

    Raises:
        NoBroker: nobody answers.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.servers, group_id=None, enable_auto_commit=False,
        auto_offset_reset="earliest", fetch_max_wait_ms=100, **security(settings),
    )  # fmt: skip
    try:
        await consumer.start()
    except (KafkaError, OSError) as error:
        await consumer.stop()
        raise NoBroker(f"ACTALOG_KAFKA: {settings.bootstrap}: {error}") from error
    try:
        yield Reader(consumer, settings, fates, prefix)
    finally:
        await consumer.stop()


@asynccontextmanager
async def again(settings: KafkaSettings) -> AsyncGenerator["Again"]:
    """What sends letters again."""
    async with producing(settings, acks="all", max_request_size=MAX_REQUEST_BYTES) as producer:
        yield Again(producer)


class Again:
    """Publishes records as they are."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def publish(self, record: Outgoing) -> None:
        """Returns when the broker has acknowledged.

        Raises:
            NoBroker: it did not.
        """
        try:
            async with asyncio.timeout(15):
                await self._producer.send_and_wait(
                    record.topic, record.value, key=record.key, headers=list(record.headers)
                )
        except (KafkaError, TimeoutError) as error:
            raise NoBroker(f"ACTALOG_KAFKA: {type(error).__name__}: {error}") from error
