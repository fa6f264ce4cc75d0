"""A message on `actalog.tasks`, sent as any producer would."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from actalog_bus.security import security
from actalog_bus.settings import KafkaSettings
from actalog_contracts import topics
from actalog_core.errors import Transient


class NoBroker(Transient):
    """The broker does not answer."""


class Sender:
    """Publishes JSON, keyed by its session where it names one."""

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self._producer, self._topic = producer, topic

    async def send(self, message: Mapping[str, Any]) -> None:
        """Returns when the broker has acknowledged."""
        session = message.get("session_id")
        key = session.encode() if isinstance(session, str) else None
        value = json.dumps(message, ensure_ascii=False).encode()
        try:
            await self._producer.send_and_wait(self._topic, value, key=key)
        except KafkaError as error:
            raise NoBroker(f"ACTALOG_KAFKA: {type(error).__name__}: {error}") from error


@asynccontextmanager
async def producing(settings: KafkaSettings, **more: Any) -> AsyncGenerator[AIOKafkaProducer]:
    """A connected producer; `more` are options of aiokafka's.

    Raises:
        NoBroker: nobody answers.
    """
    producer = AIOKafkaProducer(bootstrap_servers=settings.servers, **more, **security(settings))
    try:
        await producer.start()
    except (KafkaError, OSError) as error:
        await producer.stop()
        raise NoBroker(f"ACTALOG_KAFKA: {settings.bootstrap}: {error}") from error
    try:
        yield producer
    finally:
        await producer.stop()


@asynccontextmanager
async def sender(settings: KafkaSettings, *, prefix: str) -> AsyncGenerator[Sender]:
    """What sends tasks.

    Raises:
        NoBroker: nobody answers.
    """
    async with producing(settings) as producer:
        yield Sender(producer, topics.full_name(topics.TASKS, prefix))


async def send(message: Mapping[str, Any]) -> None:
    """One message to the platform that the settings name, or that runs here."""
    from actalog.cli.reach import Reach

    reach = Reach.from_env()
    async with sender(reach.kafka_settings(), prefix=reach.settings.topic_prefix) as out:
        await out.send(message)
