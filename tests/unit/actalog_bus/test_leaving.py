"""What a hearing leaves goes on beside the next of its lane, and its offset waits for it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from actalog_bus.dispatch import Dispatcher
from actalog_bus.ports import Delivery, Fault, Hear, Record
from actalog_bus.retry import Backoff
from actalog_core.errors import Permanent, Transient

WHERE = ("t", 0)


@dataclass
class Ground:
    """Every record leaves work; `ends` says of an offset and attempt how it ends."""

    ends: Callable[[int, int], Exception | None] = lambda _offset, _attempt: None
    heard: list[int] = field(default_factory=list[int])
    buried: list[int] = field(default_factory=list[int])
    gates: dict[int, asyncio.Event] = field(default_factory=dict[int, asyncio.Event])

    def __post_init__(self) -> None:
        async def hear(delivery: Delivery) -> None:
            offset = delivery.record.offset
            self.heard.append(offset)
            delivery.leave(self.work(offset, self.heard.count(offset)))

        async def bury(record: Record, _: Fault) -> None:
            self.buried.append(record.offset)

        self.dispatcher = Dispatcher(
            hear=hear, lane=lambda _: "one", bury=bury, limit=1, tries=2,
            backoff=Backoff(first_s=0.001, most_s=0.001),
        )  # fmt: skip

    async def work(self, offset: int, attempt: int) -> None:
        await self.gates.setdefault(offset, asyncio.Event()).wait()
        if (error := self.ends(offset, attempt)) is not None:
            raise error

    def take(self, *offsets: int) -> None:
        for offset in offsets:
            self.dispatcher.take(Record(*WHERE, offset, 0, b"k", b"x", ()))

    async def go_on(self, *offsets: int) -> None:
        for offset in offsets:
            self.gates.setdefault(offset, asyncio.Event()).set()
        await asyncio.sleep(0.03)

    def committable(self) -> int | None:
        return self.dispatcher.commits().get(WHERE)


async def test_the_next_of_a_lane_is_heard_and_no_offset_is_done_before_its_work():
    ground = Ground()
    ground.take(0, 1, 2)
    await ground.go_on()
    assert ground.heard == [0, 1, 2]
    assert ground.committable() == 0
    await ground.go_on(1)
    assert ground.committable() == 0
    assert not ground.dispatcher.idle
    await ground.go_on(0)
    assert ground.committable() == 2
    await ground.go_on(2)
    assert ground.committable() == 3
    assert ground.dispatcher.idle


async def test_what_is_held_of_a_partition_is_bounded_by_what_is_not_done():
    ground = Ground()
    ground.dispatcher._buffer = 4
    ground.take(0, 1, 2, 3)
    await ground.go_on()
    assert ground.heard == [0, 1, 2, 3]
    assert ground.dispatcher.paused() == {WHERE}
    await ground.go_on(0, 1)
    assert ground.dispatcher.paused() == set()


async def test_where_the_work_fails_the_record_is_heard_again_behind_the_others():
    ground = Ground(
        ends=lambda offset, attempt: Transient("no") if (offset, attempt) == (0, 1) else None
    )
    ground.take(0, 1)
    await ground.go_on(1)
    ground.gates[0].set()
    while ground.dispatcher._left:  # noqa: ASYNC110
        await asyncio.sleep(0)
    assert not ground.dispatcher.idle
    await ground.go_on(0)
    assert ground.heard == [0, 1, 0]
    assert ground.committable() == 2
    assert ground.dispatcher.idle


@pytest.mark.parametrize(
    ("error", "times"), [(Permanent("never"), 1), (ValueError("odd"), 2)], ids=["permanent", "odd"]
)
async def test_what_cannot_be_done_is_buried(error: Exception, times: int):
    ground = Ground(ends=lambda offset, _: error if offset == 0 else None)
    ground.take(0, 1)
    await ground.go_on(0, 1)
    assert ground.heard.count(0) == times
    assert ground.buried == [0]
    assert ground.committable() == 2
    assert ground.dispatcher.idle


async def test_what_was_cancelled_from_within_is_heard_again():
    def once(offset: int, attempt: int) -> Exception | None:
        if attempt == 1:
            raise asyncio.CancelledError
        return None

    ground = Ground(ends=once)
    ground.take(0)
    await ground.go_on(0)
    assert ground.heard == [0, 0]
    assert ground.committable() == 1


async def test_who_ends_waits_for_what_was_left():
    ground = Ground()
    ground.take(0, 1)
    await ground.go_on()
    ending = asyncio.create_task(ground.dispatcher.drain(10))
    await asyncio.sleep(0.01)
    assert not ending.done()
    await ground.go_on(0, 1)
    await asyncio.wait_for(ending, 1)
    assert ground.committable() == 2


async def test_what_does_not_end_in_time_is_cancelled_and_its_offset_stays():
    ground = Ground()
    ground.take(0, 1)
    await ground.go_on(0)
    await asyncio.wait_for(ground.dispatcher.drain(0.01), 1)
    assert ground.committable() == 1
    await ground.go_on(1)
    assert ground.heard == [0, 1]
    assert ground.committable() == 1


async def test_what_fails_while_a_process_ends_is_left_to_the_next():
    ground = Ground(ends=lambda _offset, _attempt: Transient("no"))
    ground.take(0)
    await ground.go_on()
    ending = asyncio.create_task(ground.dispatcher.drain(10))
    await ground.go_on(0)
    await asyncio.wait_for(ending, 1)
    assert ground.heard == [0]
    assert ground.committable() == 0


def hearing(hear: Hear) -> Dispatcher:
    """Of one record, which is tried again at once and never given up."""

    async def bury(_: Record, fault: Fault) -> None:
        raise AssertionError(fault)

    made = Dispatcher(
        hear=hear, lane=lambda _: "one", bury=bury, backoff=Backoff(first_s=0.001, most_s=0.001)
    )
    made.take(Record(*WHERE, 0, 0, b"k", b"x", ()))
    return made


async def test_a_hearing_that_fails_although_it_left_something_is_heard_again():
    done: list[int] = []

    async def work(attempt: int) -> None:
        done.append(attempt)

    async def hear(delivery: Delivery) -> None:
        delivery.leave(work(len(done)))
        await asyncio.sleep(0)
        if len(done) < 2:
            raise Transient("no")

    dispatcher = hearing(hear)
    await asyncio.sleep(0.05)
    assert done == [0, 1]
    assert dispatcher.commits() == {WHERE: 1}


@pytest.mark.parametrize("ends", [True, False])
async def test_an_attempt_that_comes_to_nothing_takes_with_it_what_it_left(ends: bool):
    lefts: list[asyncio.Task[None]] = []

    async def works() -> None:
        await asyncio.Event().wait()

    async def hear(delivery: Delivery) -> None:
        if lefts:
            return
        lefts.append(delivery.leave(works()))
        if ends:
            await asyncio.Event().wait()
        raise Transient("no")

    dispatcher = hearing(hear)
    await asyncio.sleep(0.03)
    await dispatcher.drain(0.01)
    await asyncio.wait_for(asyncio.wait(lefts), 1)
    assert lefts[0].cancelled()
    assert dispatcher.commits() == ({WHERE: 0} if ends else {WHERE: 1})
