"""What the dispatcher knows of the log that a partition's records are of (protocol 16.3)."""

import asyncio

from actalog_bus.dispatch import Dispatcher
from actalog_bus.ports import Delivery, Fault, Record
from actalog_bus.watermark import Stamp

WHERE = ("t", 0)


class Heard:
    """A dispatcher, and what was heard once it may be."""

    def __init__(self) -> None:
        self.values: list[bytes | None] = []
        self.may = asyncio.Event()
        self.mine = Dispatcher(
            hear=self.hear, lane=lambda _: "k", bury=self.bury, limit=8, buffer=100
        )

    async def bury(self, record: Record, fault: Fault) -> None:
        raise AssertionError(fault)

    async def hear(self, delivery: Delivery) -> None:
        await self.may.wait()
        self.values.append(delivery.record.value)

    async def all(self) -> None:
        self.may.set()
        async with asyncio.timeout(5):
            while not self.mine.idle:  # noqa: ASYNC110
                await asyncio.sleep(0)

    def take(self, offset: int, ms: int, value: bytes = b"x") -> None:
        self.mine.take(Record(*WHERE, offset, ms, b"k", value, ()))


async def test_16_3_a_log_that_was_forgotten_is_heard_anew_whoever_asks_about_it_when() -> None:
    heard = Heard()
    heard.take(0, 10, b"old")
    heard.take(0, 20, b"new")
    heard.mine.forget(WHERE)
    heard.take(0, 20, b"new")
    assert heard.mine.began_anew() == set()
    await heard.all()
    assert heard.values == [b"old", b"new"]


async def test_beside_a_commit_stands_the_last_record_before_it_also_if_another_heard_it() -> None:
    heard = Heard()
    assert heard.mine.stamp(WHERE) is None
    heard.mine.resume(WHERE, Stamp(4, 40))
    heard.take(5, 50)
    assert heard.mine.stamp(WHERE) == Stamp(4, 40)
    await heard.all()
    assert heard.mine.stamp(WHERE) == Stamp(5, 50)
