"""The end of a process, in the middle of hearings."""

import asyncio

import pytest

from actalog_bus.dispatch import Dispatcher
from actalog_bus.ports import Delivery, Fault, Hear, Record
from actalog_bus.retry import Backoff
from actalog_core.errors import Transient

WHERE = ("t", 0)


def dispatcher(hear: Hear, *, lane: str | None = None, limit: int = 8) -> Dispatcher:
    async def bury(_: Record, fault: Fault) -> None:
        raise AssertionError(fault)

    return Dispatcher(
        hear=hear, lane=lambda said: lane or str(said.offset), bury=bury, limit=limit,
        backoff=Backoff(first_s=0.01, most_s=0.01),
    )  # fmt: skip


def record(offset: int) -> Record:
    return Record(*WHERE, offset, 0, b"k", b"x", ())


async def test_what_is_cancelled_has_ended_when_a_drain_is_over() -> None:
    """What it stands on (the log, the bus) is closed next."""
    ended: list[int] = []

    async def hear(delivery: Delivery) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            ended.append(delivery.record.offset)

    mine = dispatcher(hear)
    for offset in range(3):
        mine.take(record(offset))
    await asyncio.sleep(0)
    await mine.drain(0)
    assert sorted(ended) == [0, 1, 2]
    assert mine.commits() == {WHERE: 0}


@pytest.mark.parametrize("while_drained", [True, False])
async def test_what_waits_to_be_tried_again_is_not_begun_by_who_ends(while_drained: bool) -> None:
    heard: list[int] = []
    gate = asyncio.Event()

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.record.offset)
        if while_drained:
            await gate.wait()
        raise Transient("later")

    mine = dispatcher(hear, lane="k")
    mine.take(record(0))
    await asyncio.sleep(0)
    draining = asyncio.create_task(mine.drain(1))
    await asyncio.sleep(0)
    gate.set()
    await draining
    mine.take(record(1))  # what a poll that ends has still brought
    await asyncio.sleep(0.05)
    assert heard == [0]
    assert mine.commits() == {WHERE: 0}


def test_a_loop_that_ends_without_a_drain_is_not_held_up() -> None:
    """It cancels what is left once: a hearing that took that for a failure would go on."""
    heard: list[int] = []

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.record.offset)
        await asyncio.sleep(3600)

    async def process() -> None:
        mine = dispatcher(hear, limit=1)
        mine.take(record(0))
        mine.take(record(1))
        await asyncio.sleep(0)

    asyncio.run(process())
    assert heard == [0]
