"""What the dispatcher does with a record that it gives up, and with one that it cannot place."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from structlog.testing import capture_logs

from actalog_bus.dispatch import Dispatcher
from actalog_bus.ports import Delivery, Fault, Record, Sealed
from actalog_bus.retry import Backoff
from actalog_core.errors import Permanent, Transient


@dataclass(frozen=True)
class Noted(Backoff):
    """Waits for almost nothing, and remembers after which try it was asked for."""

    asked: list[int] = field(default_factory=list[int])

    def delay_s(self, attempt: int) -> float:
        self.asked.append(attempt)
        return 0.0001


@dataclass
class Graves:
    """Takes dead letters, after these failures."""

    fails: list[Exception] = field(default_factory=list[Exception])
    dead: list[tuple[Record, Fault]] = field(default_factory=list[tuple[Record, Fault]])

    async def bury(self, said: Record, fault: Fault) -> None:
        if self.fails:
            raise self.fails.pop(0)
        self.dead.append((said, fault))


def record(offset: int, *, partition: int = 0, value: bytes = b"x") -> Record:
    return Record("t", partition, offset, 0, b"k", value, ())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_a_dead_letter_is_tried_again_whatever_fails_at_it_and_keeps_its_reason() -> None:
    """What was given up once is not heard again, and not given up for another reason."""
    heard: list[int] = []

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.record.offset)
        raise Permanent("no")

    graves = Graves([Transient("away"), ZeroDivisionError(), Permanent("too large"), OSError()])
    waits = Noted()
    mine = Dispatcher(hear=hear, lane=lambda _: "k", bury=graves.bury, backoff=waits)
    with capture_logs() as told:
        mine.take(record(0))
        await until(lambda: mine.idle)
    assert heard == [0]
    assert [fault for _, fault in graves.dead] == [
        Fault("permanent", f"Permanent: {Permanent('no')}", 1)
    ]
    assert waits.asked == [2, 3, 4, 5]  # longer each time: the broker may be away for hours
    assert [one["event"] for one in told] == ["dead letter"] + ["will be heard again"] * 4


async def test_who_names_the_reason_of_a_failure_is_believed() -> None:
    class Refused(Permanent):
        """It is refused."""

        reason = "refused"

    async def hear(_: Delivery) -> None:
        raise Refused("as it is")

    graves = Graves()
    mine = Dispatcher(hear=hear, lane=lambda _: "k", bury=graves.bury)
    mine.take(record(0))
    await until(lambda: mine.idle)
    assert [fault.reason for _, fault in graves.dead] == ["refused"]


async def test_a_batch_that_cannot_be_unpacked_is_buried_unheard_and_says_why() -> None:
    heard: list[int] = []

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.record.offset)

    graves = Graves()
    mine = Dispatcher(hear=hear, lane=lambda _: "k", bury=graves.bury)
    mine.take(record(0, value=Sealed(b"\0bytes", "3 records in a batch: it is broken")))
    mine.take(record(3))
    await until(lambda: mine.idle)
    assert heard == [3]
    ((said, fault),) = graves.dead
    assert (said.value, fault.reason) == (b"\0bytes", "permanent")
    assert "3 records in a batch: it is broken" in fault.error
    assert mine.commits() == {("t", 0): 4}


async def test_what_has_no_lane_is_heard_in_the_order_of_its_partition() -> None:
    """Whoever hears it says what is wrong with it; a partition with such records stops no other."""
    heard: list[tuple[int, int]] = []
    gate = asyncio.Event()

    def lane(_: Record) -> str:
        raise ValueError("it is no message")

    async def hear(delivery: Delivery) -> None:
        if delivery.record.partition == 0:
            await gate.wait()
        heard.append((delivery.record.partition, delivery.record.offset))

    mine = Dispatcher(hear=hear, lane=lane, bury=Graves().bury)
    for partition in (0, 1):
        for offset in (0, 1):
            mine.take(record(offset, partition=partition))
    await until(lambda: len(heard) == 2)
    gate.set()
    await until(lambda: mine.idle)
    assert heard == [(1, 0), (1, 1), (0, 0), (0, 1)]
