"""What a process says to itself is heard at once, and once, whenever its copy comes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from actalog_bus import early as module
from actalog_bus.dispatch import Dispatcher
from actalog_bus.early import Early, Near
from actalog_bus.ports import Delivery, Fault, Listen, Outgoing, Record
from actalog_bus.retry import Backoff
from actalog_bus.settings import MAX_BYTES
from actalog_core.errors import Transient

TOPIC = "t"


@dataclass(frozen=True)
class Put:
    """Where the broker put a record."""

    offset: int
    partition: int = 0


@dataclass
class Ground:
    """One subscription, and the broker's side of it."""

    heard: list[tuple[bytes, int]] = field(default_factory=list[tuple[bytes, int]])
    buried: list[bytes] = field(default_factory=list[bytes])
    hears: Callable[[Delivery], Awaitable[None]] | None = None
    open: bool = True

    def __post_init__(self) -> None:
        async def hear(delivery: Delivery) -> None:
            self.heard.append((delivery.record.value or b"", delivery.record.offset))
            if self.hears is not None:
                await self.hears(delivery)

        async def bury(record: Record, _: Fault) -> None:
            self.buried.append(record.value or b"")

        self.dispatcher = Dispatcher(
            hear=hear, lane=lambda record: (record.key or b"").decode(), bury=bury,
            backoff=Backoff(first_s=0.001, most_s=0.002),
        )  # fmt: skip
        self.early = Early(self.dispatcher, lambda: self.open)
        self.early.watch()

    def fetched(self, out: Outgoing, offset: int) -> None:
        """The copy of a record comes."""
        self.dispatcher.take(Record(out.topic, 0, offset, 7, out.key, out.value, out.headers))
        self.early.taken({(TOPIC, 0)})

    def committable(self) -> int | None:
        return self.dispatcher.commits().get((TOPIC, 0))


def out(value: bytes, *, id: bytes | None = None, key: bytes = b"k") -> Outgoing:
    return Outgoing(TOPIC, value, key, (("ce_id", id or value),), 0)


def handed(ground: Ground, record: Outgoing) -> module.Hearing:
    hearing = ground.early.expect(record)
    assert hearing is not None
    ground.early.begin(hearing)
    return hearing


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_it_is_heard_before_the_broker_has_it_and_its_offset_is_done_when_it_comes():
    ground, record = Ground(), out(b"a")
    hearing = handed(ground, record)
    await turns()
    assert ground.heard == [(b"a", -1)]
    assert ground.committable() is None

    ground.early.stored(hearing, record, Put(4))
    assert ground.committable() is None
    ground.fetched(record, 4)
    await turns()
    assert ground.heard == [(b"a", -1)]
    assert ground.committable() == 5
    assert ground.dispatcher.idle


async def test_a_copy_that_comes_before_the_acknowledgement_is_the_same_record():
    ground, record = Ground(), out(b"a")
    hearing = handed(ground, record)
    ground.fetched(record, 0)
    ground.early.stored(hearing, record, Put(0))
    await turns()
    assert ground.heard == [(b"a", 0)]  # it came before it was its turn
    assert ground.committable() == 1


async def test_an_offset_stays_open_while_what_was_handed_over_is_being_heard():
    go_on = asyncio.Event()

    async def waits(_: Delivery) -> None:
        await go_on.wait()

    ground, record = Ground(hears=waits), out(b"a")
    hearing = handed(ground, record)
    await turns()
    ground.early.stored(hearing, record, Put(0))
    ground.fetched(record, 0)
    assert ground.committable() == 0
    assert ground.dispatcher.heard_upto((TOPIC, 0)) == 0
    go_on.set()
    await turns()
    assert ground.committable() == 1


async def test_what_is_settled_before_it_comes_is_done_when_it_comes():
    go_on = asyncio.Event()

    async def settles(delivery: Delivery) -> None:
        delivery.settle()
        await go_on.wait()

    ground, record = Ground(hears=settles), out(b"a")
    hearing = handed(ground, record)
    await turns()
    ground.early.stored(hearing, record, Put(0))
    ground.fetched(record, 0)
    assert ground.committable() == 1
    go_on.set()
    await turns()
    assert ground.dispatcher.idle
    assert ground.early._before.unheard == 0


@pytest.mark.parametrize("comes_first", [False, True])
async def test_what_fails_is_heard_again_with_its_offset(comes_first: bool):
    failing = [Transient("not now"), Transient("not now")]
    came = asyncio.Event()

    async def fails(_: Delivery) -> None:
        if comes_first:
            await came.wait()
        if failing:
            raise failing.pop()

    ground, record = Ground(hears=fails), out(b"a")
    hearing = handed(ground, record)
    await turns()
    ground.early.stored(hearing, record, Put(0))
    ground.fetched(record, 0)
    came.set()
    await asyncio.sleep(0.05)
    assert [value for value, _ in ground.heard] == [b"a"] * 3
    assert ground.heard[-1] == (b"a", 0)
    assert ground.committable() == 1
    assert ground.buried == []


async def test_what_cannot_be_heard_is_buried_with_its_offset_and_not_before():
    async def fails(_: Delivery) -> None:
        raise ValueError("never")

    ground, record = Ground(hears=fails), out(b"a")
    hearing = handed(ground, record)
    await asyncio.sleep(0.05)
    assert ground.buried == []
    assert ground.dispatcher.idle
    ground.early.stored(hearing, record, Put(0))
    ground.fetched(record, 0)
    await asyncio.sleep(0.05)
    assert ground.buried == [b"a"]
    assert ground.committable() == 1


async def test_what_the_broker_may_not_have_is_heard_again_if_it_comes():
    ground, record = Ground(), out(b"a")
    ground.early.lost(handed(ground, record), record)
    await turns()
    ground.fetched(record, 0)
    await turns()
    assert ground.heard == [(b"a", -1), (b"a", 0)]


async def test_what_must_leave_first_is_heard_once_wherever_it_comes_from():
    ground, one, two = Ground(), out(b"a"), out(b"b")
    first, second = ground.early.expect(one), ground.early.expect(two)
    assert first is not None
    assert second is not None
    await turns()
    assert ground.heard == []
    ground.fetched(one, 0)  # before we have been told that it left
    ground.early.begin(first)
    ground.early.begin(second)
    ground.early.stored(first, one, Put(0))
    ground.early.stored(second, two, Put(1))
    ground.fetched(two, 1)
    await turns()
    assert ground.heard == [(b"a", 0), (b"b", 1)]
    assert ground.committable() == 2


async def test_what_was_never_sent_is_not_heard():
    ground, record = Ground(), out(b"a")
    hearing = ground.early.expect(record)
    ground.early.lost(hearing, record)
    assert hearing is not None
    ground.early.begin(hearing)
    await turns()
    assert ground.heard == []
    assert ground.early._before.unheard == 0


async def test_a_repeat_has_a_copy_of_its_own():
    ground, record = Ground(), out(b"a")
    first, second = handed(ground, record), handed(ground, record)
    ground.early.stored(first, record, Put(0))
    ground.early.stored(second, record, Put(1))
    ground.fetched(record, 0)
    ground.fetched(record, 1)
    await turns()
    assert len(ground.heard) == 2
    ground.fetched(record, 2)  # somebody else says the same
    await turns()
    assert ground.heard[2:] == [(b"a", 2)]


async def test_an_old_copy_that_is_fetched_again_is_not_taken_for_the_new_one():
    ground, record = Ground(), out(b"a")
    ground.fetched(record, 0)
    await turns()
    hearing = handed(ground, record)
    ground.dispatcher.reads_from((TOPIC, 0), 0)
    ground.fetched(record, 0)
    ground.early.stored(hearing, record, Put(1))
    ground.fetched(record, 1)
    await turns()
    assert len(ground.heard) == 2
    assert ground.committable() == 2


@pytest.mark.parametrize("put_first", [False, True])
async def test_what_one_key_says_keeps_its_order(put_first: bool):
    ground, one, two, other = Ground(open=False), out(b"a"), out(b"b"), out(b"c", key=b"other")
    assert ground.early.expect(one) is None
    assert ground.early.hurry.is_set()
    ground.open = True
    assert ground.early.expect(two) is None  # the first has not come
    assert ground.early.expect(other) is not None
    if put_first:
        ground.early.stored(None, one, Put(0))
    ground.fetched(one, 0)
    if not put_first:
        ground.early.stored(None, one, Put(0))
    ground.early.stored(None, two, Put(1))
    assert ground.early.expect(out(b"d")) is None
    ground.fetched(two, 1)
    assert ground.early.hurry.is_set()
    ground.early.lost(None, out(b"d"))
    assert not ground.early.hurry.is_set()
    assert ground.early.expect(out(b"e")) is not None
    assert ground.early.alone()


@pytest.mark.parametrize(
    "record",
    [
        Outgoing(TOPIC, b"no id", b"k", (), 0),
        Outgoing(TOPIC, b"no partition", b"k", (("ce_id", b"i"),), None),
        out(b"x" * (MAX_BYTES + 1), id=b"i"),
    ],
    ids=["id", "partition", "size"],
)
async def test_what_cannot_be_known_again_is_heard_when_it_comes(record: Outgoing):
    assert Ground().early.expect(record) is None


async def test_what_is_heard_early_and_not_done_is_bounded(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST", 2)
    ground = Ground()
    told = [ground.early.expect(out(b"%d" % n, key=b"%d" % n)) for n in range(3)]
    assert [one is None for one in told] == [False, False, True]


async def test_another_log_has_nothing_that_was_handed_over():
    ground, record = Ground(), out(b"a")
    ground.early.stored(handed(ground, record), record, Put(0))
    ground.open = False
    assert ground.early.expect(out(b"b")) is None
    ground.early.stored(None, out(b"b"), Put(1))
    ground.early.forget((TOPIC, 0))
    ground.dispatcher.forget((TOPIC, 0))
    assert not ground.early.hurry.is_set()
    await turns()
    ground.fetched(record, 0)
    await turns()
    assert ground.heard == [(b"a", -1), (b"a", 0)]


async def test_a_record_of_others_is_heard_whatever_was_acknowledged_for_its_offset():
    ground, mine, theirs = Ground(), out(b"mine"), out(b"theirs")
    ground.early.stored(handed(ground, mine), mine, Put(0))
    ground.fetched(theirs, 0)
    ground.fetched(mine, 1)
    await turns()
    assert ground.heard == [(b"mine", -1), (b"theirs", 0), (b"mine", 1)]
    assert ground.committable() == 2
    await asyncio.wait_for(ground.early.settled(10), 1)


async def test_others_are_noticed():
    ground = Ground()
    assert ground.early.alone()
    ground.fetched(out(b"a"), 0)
    assert not ground.early.alone()


async def test_whoever_stops_waits_for_what_is_on_its_way():
    ground, record = Ground(), out(b"a")
    hearing = handed(ground, record)
    ending = asyncio.create_task(ground.early.settled(10))
    await turns()
    assert ground.early.hurry.is_set()
    assert not ending.done()
    ground.early.stored(hearing, record, Put(0))
    ground.fetched(record, 0)
    await asyncio.wait_for(ending, 1)
    await ground.early.settled(0.01)
    handed(ground, out(b"b"))
    await Ground().early.settled(10)


def test_near_are_the_topics_that_are_heard_here():
    near, ground = Near(), Ground()

    async def hear(_: Delivery) -> None: ...

    listen = Listen(topics=[TOPIC, "u"], group="g", hear=hear, lane=lambda _: "", counted=[TOPIC])
    near.add(listen, ground.early)
    assert TOPIC in near
    assert "v" not in near
    assert near.expect([Outgoing("v", b"")]) == []
    near.clear()
    assert TOPIC not in near


async def test_what_is_counted_elsewhere_is_heard_before_it_has_left():
    near, counted, other = Near(), Ground(), Ground()

    async def hear(_: Delivery) -> None: ...

    near.add(
        Listen(topics=[TOPIC], group="g", hear=hear, lane=lambda _: "", counted=[TOPIC]),
        counted.early,
    )
    near.add(Listen(topics=[TOPIC], group="h", hear=hear, lane=lambda _: ""), other.early)
    records = [out(b"a")]
    told = near.expect(records)
    await turns()
    assert (len(counted.heard), len(other.heard)) == (1, 0)
    near.sent(told)
    await turns()
    assert (len(counted.heard), len(other.heard)) == (1, 1)
    near.stored(told, records, [Put(0)])
    near.lost(near.expect(records), records)
    for ground in (counted, other):
        ground.fetched(records[0], 0)
        assert ground.committable() == 1
