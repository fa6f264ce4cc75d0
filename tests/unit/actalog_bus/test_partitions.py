"""Partitions that come and go under a dispatcher, and records that are on their way then."""

import asyncio
import pickle

from actalog_bus.dispatch import Dispatcher
from actalog_bus.ports import Delivery, Fault, Hear, Record
from actalog_bus.retry import Backoff
from actalog_bus.watermark import Stamp
from actalog_core.errors import Transient

WHERE = ("t", 0)


def record(offset: int, ms: int = 0) -> Record:
    return Record(*WHERE, offset, ms, b"k", b"x", ())


async def nothing(_: Delivery) -> None: ...


async def bury(_: Record, fault: Fault) -> None:
    raise AssertionError(fault)


def dispatcher(hear: Hear = nothing, *, buffer: int = 1_000) -> Dispatcher:
    return Dispatcher(
        hear=hear, lane=lambda _: "k", bury=bury, buffer=buffer, backoff=Backoff(first_s=0.0001)
    )


async def all_heard(mine: Dispatcher) -> None:
    async with asyncio.timeout(5):
        while not mine.idle:  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_nothing_is_known_of_a_partition_before_its_first_record() -> None:
    mine = dispatcher()
    assert not mine.known(record(0))
    mine.reads_from(WHERE, 7)
    assert (mine.last(WHERE), mine.stamp(WHERE), mine.heard_upto(WHERE)) == (None, None, None)
    assert mine.commits() == {}
    assert mine.began_anew() == set()


async def test_what_the_broker_has_taken_is_not_committed_again() -> None:
    mine = dispatcher()
    mine.take(record(0))
    await all_heard(mine)
    assert mine.commits() == {WHERE: 1}
    mine.committed({WHERE: 1})
    assert (mine.commits(), mine.acknowledged()) == ({}, {WHERE: 1})
    mine.take(record(1))
    await all_heard(mine)
    assert mine.commits() == {WHERE: 2}


async def test_a_partition_that_goes_while_its_commit_is_on_its_way_is_nobody_s_fault() -> None:
    mine = dispatcher(buffer=1)
    mine.take(record(0))
    assert mine.paused() == {WHERE}
    mine.keep(())
    mine.committed({WHERE: 1})
    assert (mine.acknowledged(), mine.paused()) == ({}, set())
    await all_heard(mine)


async def test_6_1_a_record_that_was_settled_goes_on_here_when_its_partition_has_gone() -> None:
    """Its offset was committed: nobody else hears it."""
    heard: list[int] = []
    gate = asyncio.Event()

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.record.offset)
        delivery.settle()
        if len(heard) == 1:
            await gate.wait()
            raise Transient("the log is away")

    mine = dispatcher(hear)
    mine.take(record(0))
    mine.take(record(1))
    await asyncio.sleep(0)
    assert mine.commits() == {WHERE: 1}
    mine.keep(())
    gate.set()
    await all_heard(mine)
    assert heard == [0, 0]  # and the next is its new owner's


async def test_6_1_a_settled_record_is_told_at_once_and_only_once() -> None:
    told: list[int | None] = []
    gate = asyncio.Event()

    async def hear(delivery: Delivery) -> None:
        delivery.settle()
        await gate.wait()
        delivery.settle()

    mine = Dispatcher(
        hear=hear, lane=lambda said: str(said.offset), bury=bury, limit=2_000,
        progress=lambda: told.append(mine.heard_upto(WHERE)),
    )  # fmt: skip
    for offset in range(1_000):
        mine.take(record(offset))
    await asyncio.sleep(0)
    assert told == list(range(1, 1_001))  # while all of them are being heard
    gate.set()
    await all_heard(mine)
    assert len(told) == 1_000
    (share,) = mine._shares.values()  # pyright: ignore[reportPrivateUsage]
    assert len(pickle.dumps(share.mark)) < 1_000  # nothing of them is kept


async def test_16_3_where_another_has_heard_until_the_last_of_his_is_known_and_not_heard() -> None:
    heard: list[int] = []

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.record.offset)

    mine = dispatcher(hear)
    mine.resume(WHERE, Stamp(4, 40))
    mine.reads_from(WHERE, 4)
    assert (mine.commits(), mine.acknowledged()) == ({}, {WHERE: 5})
    assert mine.last(WHERE) == 4
    for offset in (4, 5):
        mine.take(record(offset, 10 * offset))
    await all_heard(mine)
    assert heard == [5]
    assert mine.began_anew() == set()


async def test_16_3_another_record_at_the_last_offset_of_another_s_means_another_log() -> None:
    """It need not be later: clocks of producers differ."""
    for ms in (39, 41):
        mine = dispatcher()
        mine.resume(WHERE, Stamp(4, 40))
        mine.reads_from(WHERE, 4)
        mine.take(record(4, ms))
        assert mine.began_anew() == {WHERE}


async def test_16_3_another_record_at_our_last_offset_means_another_log() -> None:
    mine = dispatcher()
    for offset in (4, 5):
        mine.take(record(offset, 40))
    await all_heard(mine)
    mine.reads_from(WHERE, 5)
    mine.take(record(5, 40))
    assert mine.began_anew() == set()
    mine.take(record(5, 39))
    assert mine.began_anew() == {WHERE}


async def test_16_3_a_record_before_where_we_read_comes_only_of_another_log() -> None:
    """Also with the time of the one that was there: many are published within a millisecond."""
    mine = dispatcher()
    for offset in (4, 5):
        mine.take(record(offset, 40))
    await all_heard(mine)
    mine.take(record(5, 40))
    assert mine.began_anew() == {WHERE}


async def test_a_kept_partition_is_not_set_back_to_what_was_committed() -> None:
    """After a rebalance it is told where to resume as all are; it has heard more by then."""
    heard: list[int] = []

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.record.offset)

    mine = dispatcher(hear)
    for offset in range(6):
        mine.take(record(offset, offset))
    await all_heard(mine)
    mine.keep({WHERE})
    mine.resume(WHERE, Stamp(2, 2))
    mine.reads_from(WHERE, 2)
    assert (mine.last(WHERE), mine.commits()) == (5, {WHERE: 6})
    for offset in range(2, 7):
        mine.take(record(offset, offset))
    await all_heard(mine)
    assert heard == list(range(7))
