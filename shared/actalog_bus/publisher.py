"""Publishing on aiokafka's producer: acknowledged by all, within a time."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol, cast

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
)

from actalog_bus.ports import Outgoing
from actalog_bus.security import security
from actalog_bus.settings import MAX_BYTES, MAX_REQUEST_BYTES, KafkaSettings
from actalog_core.errors import Permanent, Transient
from actalog_core.gathering import gathered

log = structlog.get_logger()


class Stored(Protocol):
    """Where the broker has put a record; its offset is negative if it does not say."""

    @property
    def partition(self) -> int: ...

    @property
    def offset(self) -> int: ...


class NotAcknowledged(Transient):
    """The broker did not acknowledge."""


class TooLarge(Permanent):
    """The broker will never take a record of this size."""


class Publisher:
    """One producer per process, rebuilt when its sequence is broken: aiokafka never rolls one
    back, so a refused batch would poison its partition for ever (aiokafka 1017)."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None
        self._rebuilding = asyncio.Lock()
        self._counts: dict[str, int] = {}  # aiokafka makes a set of them for each question
        self._learning: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect; raises KafkaError when the broker is not there."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.servers,
            acks="all",
            enable_idempotence=self._settings.idempotence,
            max_batch_size=262_144,
            max_request_size=MAX_REQUEST_BYTES,
            linger_ms=0,
            request_timeout_ms=self._settings.request_timeout_ms,
            **security(self._settings),
        )
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        producer.client.cluster.add_listener(self._forget_counts)
        self._producer = producer

    async def stop(self) -> None:
        """Flush within a time and disconnect."""
        producer, self._producer = self._producer, None
        self._counts.clear()
        if self._learning is not None:
            self._learning.cancel()
        if producer is not None:
            await _close(producer)

    def partitions(self, topic: str) -> int | None:
        """How many the broker told of; None when it has not told of the topic. It is asked then,
        so that whoever tries again is told of a topic that was made meanwhile."""
        if topic not in self._counts:
            producer = self._producer
            found = producer.client.cluster.partitions_for_topic(topic) if producer else None
            if not found:
                self._learn_soon()
                return None
            self._counts[topic] = len(found)
        return self._counts[topic]

    def _learn_soon(self) -> None:
        if self._learning is None or self._learning.done():
            self._learning = asyncio.create_task(self._learned())

    async def _learned(self) -> None:
        with contextlib.suppress(KafkaError, OSError):
            await self.learn()

    def _forget_counts(self, _cluster: object) -> None:
        self._counts.clear()

    async def learn(self) -> None:
        """Read of all topics what they are called, and keep to ours. (A broker that is asked for
        one by its name may make it.)"""
        if self._producer is not None:
            client: Any = self._producer.client
            known = cast(set[str], (await client.fetch_all_metadata()).topics())
            ours = [one for one in known if one.startswith(self._settings.prefix)]
            # Added, and not set: somebody may be waiting for one that was just made.
            await asyncio.gather(*(client.add_topic(one) for one in ours))

    async def publish_many(
        self, records: Sequence[Outgoing], *, most_bytes: int = MAX_BYTES,
        sent: Callable[[], None] | None = None, order: asyncio.Lock | None = None,
    ) -> list[Stored]:  # fmt: skip
        """See `Bus.publish_many`. `most_bytes` of a value; `sent` is called when all have left; who
        has the same `order` sends nothing between these. Where each record is now."""
        producer = self._producer
        if producer is None:
            raise NotAcknowledged("not connected")
        topic = records[-1].topic if records else ""
        within_s = self._settings.publish_timeout_s
        try:
            return await _acknowledged(producer, records, most_bytes, within_s, sent, order)
        except MessageSizeTooLargeError as error:
            raise TooLarge(topic) from error
        except (OutOfOrderSequenceNumber, ProducerFenced) as error:
            await self._rebuild(producer)
            raise NotAcknowledged(f"{topic}: {type(error).__name__}") from error
        except AssertionError as error:  # aiokafka's word for a partition that is not there
            raise Permanent(f"{topic} has no such partition") from error
        except KafkaError as error:
            raise NotAcknowledged(f"{topic}: {type(error).__name__}") from error

    async def _rebuild(self, broken: AIOKafkaProducer) -> None:
        async with self._rebuilding:
            if self._producer is not broken:
                return
            log.warning("the producer is rebuilt")
            with contextlib.suppress(KafkaError):
                await self.start()
                await _close(broken)
                await self.learn()  # a new one knows no topic but those it sends to


NO_ORDER = contextlib.nullcontext()


async def _acknowledged(
    producer: AIOKafkaProducer, records: Sequence[Outgoing], most_bytes: int, within_s: float,
    told: Callable[[], None] | None = None, order: asyncio.Lock | None = None,
) -> list[Stored]:  # fmt: skip
    """Send all, then wait for all: what was sent is waited for, whatever became of the next. The
    producer itself gives up what it cannot send."""
    sent: list[asyncio.Future[Stored]] = []
    stored: list[Stored] = []
    refused: list[Exception] = []
    try:
        async with order or NO_ORDER:  # it waits only where the producer is full
            for one in records:
                sent.append(await _send(producer, one, most_bytes))
    except Exception as error:  # noqa: BLE001 - raised below, once the others are told
        refused.append(error)
    # A time-out around it all would cost five times that, and each step of a run has one.
    late = asyncio.get_running_loop().call_later(within_s, _give_up, sent)
    try:
        if told is not None and not refused:
            await gathered()  # the producer's own task writes them
            told()
        for acknowledgement in sent:  # futures: waiting for one after the other costs no task
            try:
                stored.append(await acknowledgement)
            except Exception as error:  # noqa: BLE001 - the first is raised when all are told
                refused.append(error)
    except asyncio.CancelledError:  # nobody would hear of what becomes of the others
        for acknowledgement in sent:
            acknowledgement.cancel()
        raise
    finally:
        late.cancel()
    for error in refused:
        raise error
    return stored


def _give_up(sent: Sequence["asyncio.Future[Stored]"]) -> None:
    for acknowledgement in sent:
        if not acknowledgement.done():
            acknowledgement.set_exception(KafkaTimeoutError())


async def _send(
    producer: AIOKafkaProducer, record: Outgoing, most_bytes: int
) -> "asyncio.Future[Stored]":
    """Hand a record to the producer; what is returned is its acknowledgement."""
    if len(record.value or b"") > most_bytes:
        raise TooLarge(f"{record.topic}: {len(record.value or b'')} bytes")
    sending = cast(
        "Awaitable[asyncio.Future[Stored]]",
        producer.send(
            record.topic, value=record.value, key=record.key, partition=record.partition,
            headers=list(record.headers),
        ),
    )  # fmt: skip
    return await sending


async def _close(producer: AIOKafkaProducer) -> None:
    with contextlib.suppress(KafkaError, TimeoutError):
        async with asyncio.timeout(5):
            await producer.stop()
