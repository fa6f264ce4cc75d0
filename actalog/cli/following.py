"""What other systems see: `actalog.results` and `actalog.stream`, from now on."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from actalog.cli.sending import NoBroker
from actalog_bus.security import security
from actalog_bus.settings import KafkaSettings
from actalog_contracts import topics

FETCH_WAIT_MS = 20  # the embedded broker does not wake a waiting fetch (protocol 16.4)


class Follower:
    """Messages as dictionaries; what is no JSON object is left out."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer

    async def messages(self) -> AsyncIterator[dict[str, Any]]:
        """For ever."""
        while True:
            found = cast(dict[Any, list[Any]], await self._consumer.getmany(timeout_ms=500))
            for records in found.values():
                for record in records:
                    told = _parsed(record.value)
                    if told is not None:
                        yield told


def _parsed(value: bytes | None) -> dict[str, Any] | None:
    try:
        told = json.loads(value or b"null")
    except ValueError:
        return None
    return cast(dict[str, Any], told) if isinstance(told, dict) else None


@asynccontextmanager
async def following(
    settings: KafkaSettings, *, prefix: str, streams: bool = True
) -> AsyncGenerator[Follower]:
    """Connected and at the end of every partition: what is published from now on is heard.

    Raises:
        NoBroker: nobody answers, or the topics are not there.
    """
    wanted = [topics.RESULTS, *([topics.STREAM] if streams else [])]
    names = [topics.full_name(topic, prefix) for topic in wanted]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.servers, group_id=None, enable_auto_commit=False,
        fetch_max_wait_ms=500 if settings.parked_fetch else FETCH_WAIT_MS, **security(settings),
    )  # fmt: skip
    try:
        try:
            await consumer.start()
            consumer.assign(await _partitions(consumer, names))
            await consumer.seek_to_end()
        except (KafkaError, OSError) as error:
            raise NoBroker(f"ACTALOG_KAFKA: {settings.bootstrap}: {error}") from error
        yield Follower(consumer)
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, names: Sequence[str]) -> list[TopicPartition]:
    # A consumer without subscription learns of no topic by itself.
    client = cast(Any, consumer)._client
    await client.set_topics(names)
    found: list[TopicPartition] = []
    for name in names:
        told = consumer.partitions_for_topic(name)
        if not told:
            raise NoBroker(f"there is no topic {name}; run `actalog topics apply`")
        found += [TopicPartition(name, number) for number in sorted(told)]
    return found
