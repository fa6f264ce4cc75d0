"""Acknowledgements of several records, waited for by one caller."""

import asyncio
from typing import Any, cast

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from actalog_bus import publisher
from actalog_bus.ports import Outgoing
from actalog_bus.publisher import TooLarge

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
    await publisher._acknowledged(producer, RECORDS, most_bytes)  # pyright: ignore[reportPrivateUsage]


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
            publisher._acknowledged(producer, [Outgoing("t", one) for one in many], 10, None, order)  # pyright: ignore[reportPrivateUsage]
        )
        for many in ([b"1", b"2", b"3"], [b"4", b"5"])
    ]
    await asyncio.sleep(0.01)
    full.room.set()
    await asyncio.wait_for(asyncio.gather(*tasks), 1)
    assert (full.taken == sorted(full.taken)) == ordered
