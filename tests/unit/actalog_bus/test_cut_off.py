"""A log that lost its newest records gives their offsets again (protocol 16.3)."""

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any, cast

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from actalog_bus.dispatch import Dispatcher
from actalog_bus.doubts import Doubts
from actalog_bus.ports import Delivery, Fault, Record
from actalog_bus.records import Found, heard

HERE, OTHER = TopicPartition("t", 0), TopicPartition("t", 1)


def fetched(where: TopicPartition, *times: int, first: int = 0) -> list[Any]:
    made = cast(Any, ConsumerRecord)
    return [
        made(where.topic, where.partition, first + n, ms, 0, b"k", b"v", None, 1, 1, ())
        for n, ms in enumerate(times)
    ]


class Consumer:
    """Says what was committed, where logs end, and over which connection it hears."""

    def __init__(self, ends: dict[TopicPartition, int], committed: str = "") -> None:
        self.ends, self.committed = ends, committed
        self.positions: dict[TopicPartition, int] = {}
        self.listeners: list[Any] = []
        self._coordinator = self
        self._client = SimpleNamespace(
            _conns={}, cluster=SimpleNamespace(
                add_listener=self.listeners.append, partitions_for_topic=lambda topic: {0, 1}  # pyright: ignore
            )
        )  # fmt: skip
        self.connects()

    def connects(self) -> None:
        self._client._conns = {(0, 0): object()}

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self.ends)

    def seek(self, where: TopicPartition, offset: int) -> None:
        self.positions[where] = offset

    async def seek_to_beginning(self, *where: TopicPartition) -> None:
        self.positions |= dict.fromkeys(where, 0)

    async def end_offsets(self, wanted: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return {at: self.ends[at] for at in wanted}

    async def position(self, where: TopicPartition) -> int:
        return self.positions[where]

    async def fetch_committed_offsets(self, wanted: Any) -> dict[TopicPartition, Any]:
        return {at: OffsetAndMetadata(3, self.committed) for at in wanted}


class Place:
    """A dispatcher of two partitions whose first three records were taken, and its doubts."""

    def __init__(self, consumer: Consumer, *, took: int = 3, tells: bool = True) -> None:
        async def hear(_: Delivery) -> None: ...

        async def bury(_: Record, __: Fault) -> None: ...

        self.told: list[str] = []
        self.mine = Dispatcher(hear=hear, lane=lambda _: "k", bury=bury)
        self.consumer = consumer
        self.doubts = Doubts(
            cast(Any, consumer), self.mine, topics=["t"], group="g", told_of_changes=tells,
            forget=self.mine.forget, tell=lambda: self.told.append("anew"),
        )  # fmt: skip
        for where in (HERE, OTHER) if took else ():
            self.poll({where: fetched(where, 10, 20, 30)})

    def poll(self, found: Found) -> Found:
        """As a subscription does; where it reads from then, as the broker is told."""
        sure = self.doubts.sure(found)
        for where, records in sure.items():
            self.consumer.positions[where] = records[-1].offset + 1
            for one in records:
                self.mine.take(heard(one))
        return sure

    async def look(self, *, fetched: bool = True) -> None:
        self.doubts._looked_at -= 2
        await self.doubts.look(fetched=fetched)


async def test_what_comes_over_a_new_connection_waits_until_our_last_record_was_seen_again():
    place = Place(Consumer({HERE: 3, OTHER: 3}))
    place.consumer.connects()  # the newest two are lost; three others have come
    place.consumer.ends = {HERE: 4, OTHER: 3}
    assert place.poll({HERE: fetched(HERE, 70, first=3)}) == {}
    assert place.consumer.positions == {HERE: 2, OTHER: 2}
    place.poll({HERE: fetched(HERE, 60, 70, first=2)})
    assert place.mine.began_anew() == {("t", 0)}
    await place.look()
    assert (place.consumer.positions[HERE], place.told) == (0, ["anew"])
    assert (place.mine.began_anew(), place.mine.last(("t", 0))) == (set(), None)  # it is heard anew


async def test_a_log_that_is_the_same_is_gone_on_with():
    place = Place(Consumer({HERE: 4, OTHER: 3}))
    place.consumer.connects()
    assert place.poll({HERE: fetched(HERE, 40, first=3)}) == {}
    place.poll({HERE: fetched(HERE, 30, 40, first=2), OTHER: fetched(OTHER, 30, first=2)})
    await place.look()
    assert (place.mine.began_anew(), place.told) == (set(), [])
    assert place.mine.last(("t", 0)) == 3
    assert place.consumer.positions == {HERE: 3, OTHER: 2}  # our last ones are looked at once more
    again = {HERE: fetched(HERE, 50, first=4)}
    assert place.poll(again) == again  # it is asked once


async def test_a_change_that_the_broker_tells_of_counts_as_a_new_connection():
    place = Place(Consumer({HERE: 3, OTHER: 3}))
    for tell in place.consumer.listeners:
        tell(None)
    assert place.poll({HERE: fetched(HERE, 40, first=3)}) == {}


async def test_a_consumer_that_was_set_back_has_found_another_end():
    """The log ended before its position, so it begins anew: whatever the times say."""
    place = Place(Consumer({HERE: 2, OTHER: 3}))
    place.poll({HERE: fetched(HERE, 10, 5)})
    assert place.mine.began_anew() == {("t", 0)}
    await place.look()
    assert place.consumer.positions[HERE] == 0


async def test_that_it_was_set_back_is_not_forgotten_with_what_is_fetched_again():
    """Also where nobody is asked for ends (the embedded broker)."""
    place = Place(Consumer({HERE: 2, OTHER: 3}), tells=False)
    place.consumer.connects()
    assert place.poll({HERE: fetched(HERE, 10, 5)}) == {}
    await place.look()
    assert (place.consumer.positions[HERE], place.told) == (0, ["anew"])


async def test_where_our_last_record_would_be_the_next_one_it_is_lost():
    """Nothing comes there until somebody publishes: its end is asked for."""
    place = Place(Consumer({HERE: 3, OTHER: 3}))
    place.consumer.connects()
    place.consumer.ends = {HERE: 2, OTHER: 4}
    assert place.poll({OTHER: fetched(OTHER, 40, first=3)}) == {}
    await place.look()
    assert (place.consumer.positions[HERE], place.told) == (0, ["anew"])


async def test_what_was_committed_may_lie_behind_the_end():
    place = Place(Consumer({HERE: 2}, committed="2@30"), took=0)
    await place.doubts.resume([HERE])
    assert place.consumer.positions == {HERE: 2}
    await place.look()
    assert (place.consumer.positions, place.told) == ({HERE: 0}, ["anew"])


async def test_a_commit_without_a_stamp_lies_behind_the_end_when_what_comes_is_before_it():
    place = Place(Consumer({HERE: 1}), took=0)
    await place.doubts.resume([HERE])
    place.poll({HERE: fetched(HERE, 10)})
    assert place.mine.began_anew() == {("t", 0)}
    await asyncio.sleep(0)


async def test_what_is_sent_back_of_a_partition_of_which_nothing_was_taken_is_fetched_again():
    """Else it would be lost: the consumer has handed it out."""
    place = Place(Consumer({HERE: 3, OTHER: 9}), took=0)
    place.poll({HERE: fetched(HERE, 10, 20, 30)})
    place.consumer.connects()
    place.consumer.positions[OTHER] = 9
    assert place.poll({OTHER: fetched(OTHER, 10, 20, first=7)}) == {}
    assert place.consumer.positions[OTHER] == 7
    found = {OTHER: fetched(OTHER, 10, 20, first=7)}
    assert place.poll(found) == found
    assert (place.mine.last(("t", 1)), place.mine.began_anew()) == (8, set())


async def test_a_silent_partition_is_asked_for_its_end_once_over_each_new_connection():
    """The embedded broker tells of no changes; and its ends are not to be asked for at all times."""
    place = Place(Consumer({HERE: 3, OTHER: 3}), tells=False)
    await place.look()  # records came over this connection
    place.consumer.ends = {HERE: 2, OTHER: 3}
    await place.look(fetched=False)
    assert place.told == []
    place.consumer.connects()
    await place.doubts.look(fetched=False)  # it has looked just now
    assert place.told == []
    await place.look(fetched=False)
    assert (place.consumer.positions[HERE], place.told) == (0, ["anew"])
    await place.look(fetched=False)
    assert place.told == ["anew"]
