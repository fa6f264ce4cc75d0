"""The bus on Kafka."""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial

from aiokafka.errors import KafkaConnectionError, KafkaError, UnknownError

from actalog_bus import connections, header_names, unpacking
from actalog_bus.burial import bury_over
from actalog_bus.compressed import publish_compressed
from actalog_bus.departures import Departures
from actalog_bus.dispatch import Bury
from actalog_bus.early import Near
from actalog_bus.ports import Headers, Listen, Outgoing
from actalog_bus.publisher import Publisher, TooLarge
from actalog_bus.settings import MAX_LETTER_BYTES, KafkaSettings
from actalog_bus.subscription import Subscription
from actalog_bus.wiring import Consumers
from actalog_core.errors import Transient
from actalog_core.waiting import Waiting


class TopicUnknown(Transient):
    """The broker does not know this topic (yet)."""


class KafkaBus:
    """`Bus` on Apache Kafka or the embedded broker. Topics must exist (`provision`)."""

    def __init__(self, settings: KafkaSettings) -> None:
        connections.mend()
        header_names.mend()
        unpacking.mend()
        self.settings = settings
        self._listens: list[Listen] = []
        self._running: list[Subscription] = []
        self._publisher = Publisher(settings)
        self._near, self._departures = Near(), Departures()
        self._order = asyncio.Lock()  # of what one run tells while it goes on
        self._consumers: Consumers | None = None
        self._missing: str | None = "bus: not started"

    async def publish(
        self,
        topic: str,
        *,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        """See `Bus.publish`."""
        await self.publish_many([Outgoing(topic, value, key, headers, partition)])

    async def publish_many(self, records: Sequence[Outgoing]) -> None:
        """See `Bus.publish_many`."""
        near = self._near
        handed = near.expect(records)
        try:
            await self._departures.turn(waits=near.begun(handed, records))
            sent = partial(near.sent, handed) if near.waits(handed) else None
            order = self._order if handed else None
            stored = await self._publisher.publish_many(records, sent=sent, order=order)
        except BaseException:
            near.lost(handed, records)
            raise
        near.stored(handed, records, stored)

    def near(self, topic: str) -> bool:
        """See `Bus.near`."""
        return topic in self._near

    def listen(self, listen: Listen) -> None:
        """See `Bus.listen`."""
        self._listens.append(listen)

    def partitions(self, topic: str) -> int:
        """See `Bus.partitions`.

        Raises:
            TopicUnknown: the broker has not told of it.
        """
        count = self._publisher.partitions(topic)
        if count is None:
            raise TopicUnknown(topic)
        return count

    async def start(self) -> None:
        """Wait for the broker and the topics, then begin to hear. Again after `stop`, too."""
        await self._connected()
        await self._topics_there()
        waiting = Waiting()
        while True:
            try:
                await self._begin_to_hear()
                break
            except (KafkaError, OSError) as error:  # it went away meanwhile
                await self._hear_nothing(0)
                self._missing = self._away(error)
            await waiting.pause(self._missing)
        waiting.over()
        self._missing = None

    async def stop(self, grace_s: float = 10.0) -> None:
        """See `Bus.stop`."""
        self._missing = "bus: stopped"
        await self._hear_nothing(grace_s)
        await self._publisher.stop()

    async def crash(self) -> None:
        """Stop as a killed process does, for tests: nothing is finished, nothing committed."""
        self._near.clear()
        running, self._running = self._running, []
        for subscription in running:
            await subscription.crash()
        await self._hear_nothing(0)
        await self._publisher.stop()

    def ready(self) -> str | None:
        """See `Bus.ready`."""
        told = (subscription.ready() for subscription in self._running)
        return self._missing or next((what for what in told if what), None)

    async def _begin_to_hear(self) -> None:
        self._consumers = Consumers.of(self.settings)
        await self._consumers.start()
        for number, listen in enumerate(self._listens):
            bury = self.bury_of(listen)
            subscription = Subscription(listen, settings=self.settings, bury=bury, number=number)
            self._running.append(subscription)
            counts = {topic: self.partitions(topic) for topic in listen.topics}
            await subscription.start(self._consumers, counts)
            if self.settings.mode == "assigned":
                self._near.add(listen, subscription.early)

    async def _hear_nothing(self, grace_s: float) -> None:
        self._near.clear()
        self._departures.go()
        running, self._running = self._running, []
        await asyncio.gather(*(subscription.stop(grace_s) for subscription in running))
        consumers, self._consumers = self._consumers, None
        if consumers is not None:
            await consumers.stop()

    def _away(self, error: Exception) -> str:
        if isinstance(error, OSError | KafkaConnectionError):
            return f"bus: no broker at {self.settings.servers}"
        # What an embedded broker says to a producer that numbers what it sends.
        embedded = isinstance(error, UnknownError)
        hint = "; the embedded broker serves `actalog up` alone" if embedded else ""
        return f"bus: the broker at {self.settings.servers} refuses: {error!r}{hint}"

    async def _connected(self) -> None:
        """Protocol 16.2: a broker that is not there is waited for."""
        waiting = Waiting()
        while True:
            try:
                await self._publisher.start()
                return waiting.over()
            except (KafkaError, OSError) as error:
                self._missing = self._away(error)
            await waiting.pause(self._missing)

    async def _topics_there(self) -> None:
        wanted = {topic for listen in self._listens for topic in listen.topics}
        waiting = Waiting()
        while True:
            with contextlib.suppress(KafkaError):
                await self._publisher.learn()
            missing = sorted(t for t in wanted if self._publisher.partitions(t) is None)
            if not missing:
                return waiting.over()
            self._missing = f"bus: no topic {', '.join(missing)}"
            await waiting.pause(self._missing)

    def bury_of(self, listen: Listen) -> Bury:
        """How a subscription gives records up."""
        return partial(bury_over, self._publish_letters, listen)

    async def _publish_letters(self, records: Sequence[Outgoing]) -> None:
        try:
            await self._publisher.publish_many(records, most_bytes=MAX_LETTER_BYTES)
        except TooLarge:
            await publish_compressed(records, self.settings)
