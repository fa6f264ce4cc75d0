"""A bus that keeps what it hears, and settings of a platform in one process."""

import asyncio
from collections.abc import Callable

from actalog_bus.kafka import KafkaBus
from actalog_bus.ports import Delivery, Listen, Record
from actalog_bus.settings import KafkaSettings


def lane(record: Record) -> str:
    return str(record.key)


def embedded(bootstrap: str) -> KafkaSettings:
    return KafkaSettings(
        bootstrap=bootstrap, mode="assigned", idempotence=False, parked_fetch=False,
        publish_timeout_s=5,
    )  # fmt: skip


async def until_len(heard: list[str], count: int) -> None:
    async with asyncio.timeout(60):
        while len(set(heard)) < count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def listener(
    bus: KafkaBus, topic: str, *, began_anew: Callable[[], None] | None = None
) -> list[str]:
    heard: list[str] = []

    async def hear(delivery: Delivery) -> None:
        await asyncio.sleep(0.005)
        heard.append((delivery.record.value or b"").decode())

    bus.listen(Listen([topic], f"{topic}.g", hear, lane, began_anew=began_anew))
    return heard
