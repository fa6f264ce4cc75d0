"""Acknowledgements of several records, waited for by one caller."""

import asyncio
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from actalog_bus import publisher
from actalog_bus.ports import Outgoing
from actalog_bus.publisher import NotAcknowledged, Publisher, TooLarge
from actalog_bus.settings import KafkaSettings

RECORDS = [Outgoing("t", b"x") for _ in range(3)]


class Slow:
    """A producer whose broker answers when a test says so."""

    def __init__(self) -> None:
        self.sent: list[asyncio.Future[object]] = []

    async def send(self, *_: Any, **__: Any) -> "asyncio.Future[object]":
        self.sent.append(asyncio.get_running_loop().create_future())
        return self.sent[-1]


async def acknowledged(slow: Slow, *, most_bytes: int = 10) -> None:
    producer = cast(AIOKafkaProducer, slow)
    await publisher._acknowledged(producer, RECORDS, most_bytes, 5)  # pyright: ignore[reportPrivateUsage]


async def begun(slow: Slow) -> "asyncio.Task[None]":
    task = asyncio.create_task(acknowledged(slow))
    await asyncio.sleep(0.01)
    assert len(slow.sent) == 3
    return task


async def test_the_first_refusal_is_raised_when_all_are_told():
    slow = Slow()
    task = await begun(slow)
    slow.sent[1].set_exception(KafkaError("no"))
    slow.sent[0].set_result(None)
    await asyncio.sleep(0.01)
    assert not task.done()
    slow.sent[2].set_result(None)
    with pytest.raises(KafkaError):
        await task


async def test_who_waits_no_more_leaves_nothing_unheard():
    slow = Slow()
    task = await begun(slow)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert all(one.cancelled() for one in slow.sent)


async def test_what_is_too_large_is_not_sent():
    slow = Slow()
    with pytest.raises(TooLarge):
        await acknowledged(slow, most_bytes=0)
    assert slow.sent == []


def publishing(slow: Slow, *, within_s: float) -> Publisher:
    made = Publisher(KafkaSettings(bootstrap="b", publish_timeout_s=within_s))
    made._producer = cast(AIOKafkaProducer, slow)  # pyright: ignore[reportPrivateUsage]
    return made


@pytest.mark.parametrize("answered", [0, 2])
async def test_what_is_not_acknowledged_in_time_is_told(answered: int):
    slow = Slow()
    task = asyncio.create_task(publishing(slow, within_s=0.05).publish_many(RECORDS))
    await asyncio.sleep(0.01)
    for one in slow.sent[:answered]:
        one.set_result(None)
    with pytest.raises(NotAcknowledged, match="t: KafkaTimeoutError"):
        await asyncio.wait_for(task, 2)
    assert all(one.done() for one in slow.sent)


async def test_nobody_waits_any_more_when_all_is_acknowledged():
    slow = Slow()
    task = asyncio.create_task(publishing(slow, within_s=5).publish_many(RECORDS))
    await asyncio.sleep(0.01)
    for number, one in enumerate(slow.sent):
        one.set_result(number)
    assert await task == [0, 1, 2]
    timers: list[asyncio.TimerHandle] = cast(Any, asyncio.get_running_loop())._scheduled
    assert all(one.cancelled() for one in timers)


class Full(Slow):
    """A producer that has no room for one record for a while."""

    def __init__(self, full: bytes) -> None:
        super().__init__()
        self.full, self.room, self.taken = full, asyncio.Event(), list[bytes]()

    async def send(self, *_: Any, value: bytes, **__: Any) -> "asyncio.Future[object]":
        if value == self.full:
            await self.room.wait()
        self.taken.append(value)
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done


@pytest.mark.parametrize("ordered", [True, False])
async def test_nothing_is_sent_between_records_that_wait_for_room(ordered: bool):
    full, order = Full(b"2"), asyncio.Lock() if ordered else None
    producer = cast(AIOKafkaProducer, full)
    tasks = [
        asyncio.create_task(
            publisher._acknowledged(
                producer, [Outgoing("t", one) for one in many], 10, 5, None, order
            )  # pyright: ignore[reportPrivateUsage]
        )
        for many in ([b"1", b"2", b"3"], [b"4", b"5"])
    ]
    await asyncio.sleep(0.01)
    full.room.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 1)
    assert (full.taken == sorted(full.taken)) == ordered
