"""A broker for one test, whatever kind it is, and buses on it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from actalog_bus.kafka import KafkaBus
from actalog_bus.memory import MemoryBus
from actalog_bus.ports import Hear, Listen, Record

AnyBus = KafkaBus | MemoryBus
PARTITIONS = 3


def by_key(record: Record) -> str:
    return (record.key or b"-").decode()


@dataclass
class Site:
    """A broker with one topic of its own, and buses that are processes on it."""

    make: Callable[[], AnyBus]
    topic: str
    buses: list[AnyBus] = field(default_factory=list[AnyBus])

    async def bus(
        self, hear: Hear | None = None, *, limit: int = 64, broadcast: bool = False,
        topic: str | None = None, awaited: asyncio.Event | None = None,
    ) -> AnyBus:  # fmt: skip
        bus = self.make()
        self.buses.append(bus)
        if hear is not None:
            topics = [topic or self.topic]
            bus.listen(
                Listen(
                    topics,
                    f"{topics[0]}.group",
                    hear,
                    by_key,
                    limit=limit,
                    broadcast=broadcast,
                    awaited=awaited,
                )
            )
        async with asyncio.timeout(30):
            await bus.start()
            while bus.ready():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return bus

    async def say(self, bus: AnyBus, value: str, *, key: str | None = None) -> None:
        await bus.publish(self.topic, value=value.encode(), key=key.encode() if key else None)


async def until(true: Callable[[], bool], *, within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
