"""How much the dispatcher takes of each partition before it is fetched no more."""

import asyncio

from actalog_bus.dispatch import Dispatcher
from actalog_bus.ports import Delivery, Fault, Record


class Slow:
    """Hears as many records as it may."""

    def __init__(self, *, buffer: int, buffer_bytes: int = 1_000_000) -> None:
        self.may = asyncio.Semaphore(0)
        self.heard: list[bytes | None] = []
        self.mine = Dispatcher(
            hear=self.hear, lane=lambda _: "k", bury=self.bury, limit=8, buffer=buffer,
            buffer_bytes=buffer_bytes,
        )  # fmt: skip

    async def hear(self, delivery: Delivery) -> None:
        await self.may.acquire()
        self.heard.append(delivery.record.value)

    async def bury(self, record: Record, fault: Fault) -> None:
        raise AssertionError(fault)

    def take(self, *offsets: int, partition: int = 0, value: bytes | None = b"x") -> None:
        for offset in offsets:
            self.mine.take(Record("t", partition, offset, 0, b"k", value, ()))

    async def hears(self, more: int) -> None:
        """So many, and no more."""
        upto = len(self.heard) + more
        for _ in range(more):
            self.may.release()
        async with asyncio.timeout(5):
            while len(self.heard) < upto:  # noqa: ASYNC110
                await asyncio.sleep(0)
        await asyncio.sleep(0)


async def test_a_full_partition_is_fetched_again_when_half_of_its_share_is_heard():
    slow = Slow(buffer=10)
    slow.take(*range(9))
    assert slow.mine.paused() == set()
    slow.take(9)
    assert slow.mine.paused() == {("t", 0)}
    await slow.hears(4)
    assert slow.mine.paused() == {("t", 0)}  # else it would be paused and resumed at each record
    await slow.hears(1)
    assert slow.mine.paused() == set()
    await slow.hears(5)


async def test_of_more_partitions_than_the_buffer_has_places_each_has_one():
    slow = Slow(buffer=1)
    for partition in range(3):
        slow.take(0, partition=partition)
    assert slow.mine.paused() == {("t", partition) for partition in range(3)}
    await slow.hears(3)
    assert slow.mine.paused() == set()


async def test_a_record_without_a_value_is_heard_as_others_are():
    """A tombstone, or what somebody sends by mistake."""
    slow = Slow(buffer=10)
    slow.take(0, value=None)
    slow.take(1)
    await slow.hears(2)
    assert slow.heard == [None, b"x"]
    assert slow.mine.commits() == {("t", 0): 2}


async def test_a_partition_that_is_full_of_bytes_is_fetched_again_when_half_of_them_are_heard():
    """Else it would be deaf once it had heard so many in all."""
    slow = Slow(buffer=1_000, buffer_bytes=400)
    for again in range(5):
        slow.take(*range(4 * again, 4 * again + 4), value=b"x" * 100)
        assert slow.mine.paused() == {("t", 0)}
        await slow.hears(1)
        assert slow.mine.paused() == {("t", 0)}
        await slow.hears(1)
        assert slow.mine.paused() == set()
        await slow.hears(2)
