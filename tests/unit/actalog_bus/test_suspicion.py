"""A message that kills its worker is found, whichever of many it is."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from actalog_bus.dispatch import Dispatcher
from actalog_bus.ports import Delivery, Fault, Record
from actalog_bus.positions import Partition
from actalog_bus.suspicion import Suspicion

AT = ("t", 0)


def record(offset: int) -> Record:
    return Record("t", 0, offset, 0, str(offset).encode(), b"", ())


@dataclass
class Broker:
    """One partition with its committed offset, and what stands beside it."""

    end: int
    offset: int = 0
    began: int = 0
    commits: int = 0
    heard: list[int] = field(default_factory=list[int])
    buried: list[tuple[int, Fault]] = field(default_factory=list[tuple[int, Fault]])

    async def read(self, partitions: Collection[Partition]) -> Mapping[Partition, tuple[int, int]]:
        return {AT: (self.offset, self.began)}

    async def write(self, marks: Mapping[Partition, tuple[int, int]]) -> None:
        self.commits += 1
        self.offset, self.began = marks[AT]


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Life:
    """One life of a worker: until it has heard everything, or a poison ends it."""

    broker: Broker
    poison: frozenset[int]
    limit: int = 8
    dead: asyncio.Event = field(default_factory=asyncio.Event)

    async def live(self, *, leaves: bool = False) -> bool:
        """True when it died."""

        async def hear(delivery: Delivery) -> None:
            if self.dead.is_set():
                await asyncio.Event().wait()
            if delivery.record.offset in self.poison:
                self.dead.set()
                await asyncio.Event().wait()
            await asyncio.sleep(0)
            self.broker.heard.append(delivery.record.offset)

        async def bury(said: Record, fault: Fault) -> None:
            self.broker.buried.append((said.offset, fault))

        dispatcher = Dispatcher(
            hear=hear, lane=lambda one: str(one.offset), bury=bury, limit=self.limit,
            progress=lambda: suspicion.progressed(),
        )  # fmt: skip
        suspicion = Suspicion(dispatcher, self.broker)
        await suspicion.admit({AT: [record(n) for n in range(self.broker.offset, self.broker.end)]})
        async with asyncio.timeout(5):
            while not self.dead.is_set():
                if dispatcher.heard_upto(AT) == self.broker.end:
                    break
                await asyncio.sleep(0)
        if not self.dead.is_set():
            if leaves:
                await suspicion.part()
            self.broker.offset, self.broker.began = self.broker.end, 0
        suspicion.keep(())
        dispatcher.keep(())
        await dispatcher.drain(0)
        return self.dead.is_set()


async def lives(broker: Broker, *poison: int) -> int:
    """How many workers died until all was heard."""
    deaths = 0
    while await Life(broker, frozenset(poison)).live():
        deaths += 1
        assert deaths < 20
    return deaths


async def test_the_first_record_that_kills_is_buried_after_three_deaths():
    broker = Broker(end=20)
    assert await lives(broker, 0) == 3
    ((offset, fault),) = broker.buried
    assert (offset, fault.reason, fault.attempts) == (0, "killed", 3)
    assert set(broker.heard) == set(range(1, 20))


async def test_of_many_that_are_heard_at_once_the_right_one_is_buried():
    broker = Broker(end=20)
    # The first death is blamed on nobody: then they are heard one at a time.
    assert await lives(broker, 6) == 4
    assert [offset for offset, _ in broker.buried] == [6]
    assert set(broker.heard) == set(range(20)) - {6}


async def test_several_poisons_are_all_found_and_nothing_else():
    broker = Broker(end=40)
    await lives(broker, 3, 4, 30)
    assert [offset for offset, _ in broker.buried] == [3, 4, 30]
    assert set(broker.heard) == set(range(40)) - {3, 4, 30}


async def test_who_leaves_in_order_has_not_died_there():
    broker = Broker(end=5)
    for _ in range(6):
        broker.offset, broker.began = 0, broker.began
        assert not await Life(broker, frozenset()).live(leaves=True)
    assert broker.buried == []


async def test_a_partition_costs_one_commit_however_much_is_heard():
    broker = Broker(end=500)
    assert not await Life(broker, frozenset()).live()
    assert broker.commits == 1
    assert broker.buried == []


async def test_a_death_somewhere_else_is_not_counted_where_it_stands_now():
    broker = Broker(end=20, offset=5, began=2)

    async def moved(_: Collection[Partition]) -> Mapping[Partition, tuple[int, int]]:
        return {AT: (4, 9)}  # of a record that is gone (retention)

    broker.read = moved  # type: ignore[method-assign]
    assert not await Life(broker, frozenset()).live()
    assert broker.buried == []
    assert sorted(broker.heard) == list(range(5, 20))


async def test_a_mark_that_cannot_be_written_holds_up_no_record():
    """Not even by an error that nobody foresaw: a driver's own, a broken connection's."""
    broker = Broker(end=8, began=1)
    write = broker.write

    async def failing(marks: Mapping[Partition, tuple[int, int]]) -> None:
        await write(marks)
        if broker.commits > 1:
            raise RuntimeError("a fault of whoever writes")

    broker.write = failing  # type: ignore[method-assign]
    assert not await Life(broker, frozenset()).live()
    assert broker.heard == list(range(8))
    assert broker.commits == 8
