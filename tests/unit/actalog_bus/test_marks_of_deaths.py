"""What a worker writes beside offsets: of its own partitions alone, and never behind what is heard."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from actalog_bus.dispatch import Dispatcher
from actalog_bus.ports import Delivery, Fault, Record
from actalog_bus.positions import Partition
from actalog_bus.suspicion import MOST_WAITING, WARY_FOR, Suspicion

AT, OTHER = ("t", 0), ("t", 1)
Written = dict[Partition, tuple[int, int]]


@dataclass
class Worker:
    """`stood`: what is committed beside offsets. What is above `upto` waits."""

    stood: Written = field(default_factory=Written)
    upto: int = 100
    read_of: list[Partition] = field(default_factory=list[Partition])
    written: list[Written] = field(default_factory=list[Written])
    heard: list[int] = field(default_factory=list[int])

    def __post_init__(self) -> None:
        self.dispatcher = Dispatcher(
            hear=self.hear, lane=lambda one: str(one.offset), bury=self.bury, limit=8,
            progress=lambda: self.suspicion.progressed(),
        )  # fmt: skip
        self.suspicion = Suspicion(self.dispatcher, self)

    async def read(self, partitions: Collection[Partition]) -> Mapping[Partition, tuple[int, int]]:
        self.read_of += partitions
        return self.stood

    async def write(self, marks: Mapping[Partition, tuple[int, int]]) -> None:
        self.written.append(dict(marks))

    async def hear(self, delivery: Delivery) -> None:
        while delivery.record.offset > self.upto:  # noqa: ASYNC110
            await asyncio.sleep(0)
        self.heard.append(delivery.record.offset)

    async def bury(self, record: Record, fault: Fault) -> None:
        raise AssertionError(fault)

    async def admit(self, *offsets: int, at: Partition = AT) -> None:
        records = [Record(*at, offset, 0, b"k", b"", ()) for offset in offsets]
        await self.suspicion.admit({at: records})
        for _ in range(20):
            await asyncio.sleep(0)

    def keep(self, *partitions: Partition) -> None:
        self.suspicion.keep(partitions)
        self.dispatcher.keep(partitions)


async def test_a_partition_is_asked_about_once_for_as_long_as_it_is_ours():
    worker = Worker()
    await worker.admit(0)
    await worker.admit(0, at=OTHER)
    worker.keep(AT)
    await worker.admit(1)
    assert worker.read_of == [AT, OTHER]
    worker.keep()
    worker.keep(AT)  # another had it meanwhile, and may have died
    await worker.admit(1)
    assert worker.read_of == [AT, OTHER, AT]
    worker.suspicion.forget(AT)
    worker.dispatcher.forget(AT)
    await worker.admit(0)
    assert worker.read_of == [AT, OTHER, AT, AT]


async def test_who_leaves_in_order_commits_what_it_has_heard_and_no_death():
    worker = Worker(upto=1)
    await worker.admit(0, 1, 2)
    assert worker.written == [{AT: (0, 1)}]
    await worker.suspicion.part()
    assert worker.written[1:] == [{AT: (2, 0)}]
    await worker.dispatcher.drain(0)


async def test_who_leaves_in_order_commits_nothing_where_it_has_done_so_or_is_not_the_owner():
    for leave in ("committed", "lost", "another log"):
        worker = Worker()
        await worker.admit(0)
        if leave == "committed":
            worker.suspicion.committed([AT])
        elif leave == "lost":
            worker.keep()
        else:
            worker.suspicion.forget(AT)
        await worker.suspicion.part()
        assert worker.written == [{AT: (0, 1)}], leave


async def test_what_waits_its_turn_in_a_partition_that_went_to_another_is_left_to_it():
    worker = Worker(stood={AT: (0, 1), OTHER: (10, 1)}, upto=-1)
    await worker.admit(0, 1, 2)
    await worker.admit(10, 11, at=OTHER)
    assert set(worker.suspicion.wary) == {AT, OTHER}
    worker.keep(OTHER)
    worker.upto = 100
    for _ in range(50):
        await asyncio.sleep(0)
    assert sorted(worker.heard) == [0, 10, 11]
    assert worker.written[2:] == [{OTHER: (11, 1)}]
    assert list(worker.suspicion.wary) == [OTHER]


async def test_a_death_at_a_record_that_is_gone_makes_nobody_wary():
    worker = Worker(stood={AT: (4, 2)})
    await worker.admit(5, 6)
    assert list(worker.suspicion.wary) == []
    assert worker.written == [{AT: (5, 1)}]
    assert worker.heard == [5, 6]


async def test_behind_a_death_each_record_is_marked_before_it_is_heard():
    worker = Worker(stood={AT: (5, 1)}, upto=6)
    await worker.admit(5, 6, 7)
    assert worker.written == [{AT: (5, 2)}, {AT: (6, 1)}, {AT: (7, 1)}]
    assert worker.heard == [5, 6]
    await worker.suspicion.part()
    assert worker.written[3:] == [{AT: (7, 0)}]
    await worker.dispatcher.drain(0)


async def test_one_at_a_time_holds_for_records_that_come_one_by_one_and_after_a_silence():
    worker = Worker(stood={AT: (5, 1)}, upto=5)
    for offset in (5, 6, 7):
        await worker.admit(offset)
    assert worker.heard == [5]
    assert worker.written == [{AT: (5, 2)}, {AT: (6, 1)}]  # 7 has not begun
    worker.upto = 100
    await worker.admit(8)
    assert worker.heard == [5, 6, 7, 8]
    await worker.admit(9)  # there was nothing to do meanwhile
    assert worker.heard == [5, 6, 7, 8, 9]
    worker.keep()  # and it goes when nothing waits
    assert list(worker.suspicion.wary) == []


async def test_far_enough_behind_a_death_records_are_heard_as_everywhere():
    worker = Worker(stood={AT: (0, 1)}, upto=10_000)
    await worker.admit(*range(WARY_FOR + 1))
    for _ in range(10 * WARY_FOR):
        await asyncio.sleep(0)
    assert worker.heard == list(range(WARY_FOR + 1))
    assert list(worker.suspicion.wary) == []
    written = len(worker.written)
    await worker.admit(*range(WARY_FOR + 1, WARY_FOR + 50))
    assert worker.heard[-1] == WARY_FOR + 49
    assert len(worker.written) == written == WARY_FOR + 1


async def test_of_a_partition_heard_one_at_a_time_no_more_is_fetched_than_can_wait():
    worker = Worker(stood={AT: (0, 1)}, upto=-1)
    await worker.admit(*range(MOST_WAITING))
    assert worker.suspicion.full() == set()  # the first is being heard
    await worker.admit(MOST_WAITING)
    assert worker.suspicion.full() == {AT}
    await worker.dispatcher.drain(0)
    worker.keep()


async def test_what_waits_its_turn_begins_no_more_when_it_is_parted_with():
    """By a rebalance, whose next owner asks how many have begun there; or by another log."""
    for leave in ("part", "another log"):
        worker = Worker(stood={AT: (5, 1)}, upto=5)
        await worker.admit(5, 6, 7)
        if leave == "part":
            await worker.suspicion.part()
            await worker.suspicion.part()
            assert worker.written[2:] == [{AT: (6, 0)}]  # once
        else:
            worker.suspicion.forget(AT)
            worker.dispatcher.forget(AT)
        worker.upto = 100
        for _ in range(50):
            await asyncio.sleep(0)
        assert worker.heard == [5, 6]
        assert list(worker.suspicion.wary) == []
        await worker.admit(8)
        assert worker.read_of == [AT, AT]
