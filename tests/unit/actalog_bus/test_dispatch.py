"""The dispatcher without a broker: lanes, limits, rebalances, stops."""

import asyncio
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from actalog_bus.dead import Fault, dead_letter
from actalog_bus.dispatch import Dispatcher
from actalog_bus.ports import Delivery, Hear, Record
from actalog_bus.ready import PRIORITY, priority_of
from actalog_bus.retry import Backoff
from actalog_core.errors import Permanent, Transient


def record(offset: int, *, key: str = "k", partition: int = 0) -> Record:
    return Record("t", partition, offset, 0, key.encode(), str(offset).encode(), ())


def by_key(said: Record) -> str:
    return (said.key or b"").decode()


def dispatcher(
    hear: Hear, *, limit: int = 8, buffer: int = 1_000, dead: list[Fault] | None = None
) -> Dispatcher:
    async def bury(said: Record, fault: Fault) -> None:
        (dead if dead is not None else []).append(fault)

    backoff = Backoff(first_s=0.001, most_s=0.002)
    return Dispatcher(
        hear=hear, lane=by_key, bury=bury, limit=limit, buffer=buffer, backoff=backoff
    )


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0)


@settings(max_examples=40, deadline=None)
@given(
    keys=st.lists(st.sampled_from("abcde"), min_size=1, max_size=60),
    limit=st.integers(1, 5),
    failing=st.sets(st.integers(0, 59)),
)
def test_all_is_heard_once_in_order_per_lane_whatever_fails_at_first(
    keys: list[str], limit: int, failing: set[int]
) -> None:
    async def run() -> None:
        heard: dict[str, list[int]] = {}
        sick, now = set(failing), 0

        async def hear(delivery: Delivery) -> None:
            nonlocal now
            now += 1
            assert now <= limit
            await asyncio.sleep(0)
            now -= 1
            offset = delivery.record.offset
            if offset in sick:
                sick.discard(offset)
                raise Transient("later")
            heard.setdefault(by_key(delivery.record), []).append(offset)

        mine = dispatcher(hear, limit=limit)
        for offset, key in enumerate(keys):
            mine.take(record(offset, key=key))
            if offset % 7 == 0:
                await asyncio.sleep(0)
        await until(lambda: mine.idle)
        assert sorted(o for lane in heard.values() for o in lane) == list(range(len(keys)))
        assert all(lane == sorted(lane) for lane in heard.values())
        assert mine.commits() == {("t", 0): len(keys)}

    asyncio.run(run())


async def test_work_that_comes_while_the_last_workers_end_is_not_forgotten() -> None:
    """Found by the conformance suite: ended workers counted towards the limit."""
    heard = 0

    async def hear(delivery: Delivery) -> None:
        nonlocal heard
        heard += 1

    mine = dispatcher(hear, limit=1)
    for offset in range(200):
        mine.take(record(offset, key=str(offset)))
        await asyncio.sleep(0)
    await until(lambda: heard == 200)


async def test_a_settled_record_lets_the_watermark_pass_and_keeps_its_lane() -> None:
    gate, begun = asyncio.Event(), list[int]()

    async def hear(delivery: Delivery) -> None:
        begun.append(delivery.record.offset)
        delivery.settle()
        await gate.wait()

    mine = dispatcher(hear)
    mine.take(record(0))
    mine.take(record(1))
    await until(lambda: begun == [0])
    assert mine.commits() == {("t", 0): 1}
    gate.set()
    await until(lambda: mine.idle)
    assert begun == [0, 1]


async def test_a_hot_lane_fills_only_the_share_of_its_partition() -> None:
    gate = asyncio.Event()

    async def hear(delivery: Delivery) -> None:
        if delivery.record.key == b"hot":
            await gate.wait()

    mine = dispatcher(hear, buffer=20)
    mine.take(record(0, key="cold", partition=1))
    for offset in range(10):
        mine.take(record(offset, key="hot"))
    assert mine.paused() == {("t", 0)}
    gate.set()
    await until(lambda: mine.idle)
    assert mine.paused() == set()


async def test_a_lost_partition_cancels_nothing_and_leaves_what_waits_to_the_next_owner() -> None:
    gate, heard = asyncio.Event(), list[int]()

    async def hear(delivery: Delivery) -> None:
        await gate.wait()
        heard.append(delivery.record.offset)

    mine = dispatcher(hear)
    mine.take(record(0))
    mine.take(record(1))
    await asyncio.sleep(0)
    mine.keep(())
    gate.set()
    await until(lambda: mine.idle)
    assert heard == [0]
    assert mine.commits() == {}


async def test_a_kept_partition_does_not_hear_again_what_is_fetched_again() -> None:
    heard = list[int]()

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.record.offset)

    mine = dispatcher(hear)
    for offset in (0, 1, 0, 1, 2):
        mine.keep({("t", 0)})
        mine.reads_from(("t", 0), 0)
        mine.take(record(offset))
    await until(lambda: mine.idle)
    assert heard == [0, 1, 2]


async def test_an_unexpected_error_is_tried_three_times_and_then_buried() -> None:
    dead = list[Fault]()

    async def hear(delivery: Delivery) -> None:
        raise ZeroDivisionError("oh")

    mine = dispatcher(hear, dead=dead)
    mine.take(record(0))
    await until(lambda: mine.idle)
    assert dead == [Fault("unexpected", "ZeroDivisionError: oh", 3)]
    assert mine.commits() == {("t", 0): 1}


async def test_a_hearing_whose_inside_was_cancelled_does_not_block_its_lane() -> None:
    dead = list[Fault]()

    async def hear(delivery: Delivery) -> None:
        raise asyncio.CancelledError

    mine = dispatcher(hear, dead=dead)
    mine.take(record(0))
    await until(lambda: mine.idle)
    assert len(dead) == 1


async def test_a_record_is_not_counted_as_heard_until_its_dead_letter_is_out() -> None:
    tries = 0

    async def hear(delivery: Delivery) -> None:
        raise Permanent("no")

    async def bury(said: Record, fault: Fault) -> None:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise Transient("the broker is away")

    mine = Dispatcher(hear=hear, lane=by_key, bury=bury, backoff=Backoff(first_s=0.001))
    mine.take(record(0))
    await until(lambda: tries == 1)
    assert mine.commits() == {("t", 0): 0}
    await until(lambda: mine.idle)
    assert mine.commits() == {("t", 0): 1}


async def test_a_drain_finishes_what_has_begun_and_begins_nothing() -> None:
    heard = list[int]()

    async def hear(delivery: Delivery) -> None:
        await asyncio.sleep(0.01)
        heard.append(delivery.record.offset)

    mine = dispatcher(hear, limit=1)
    mine.take(record(0))
    mine.take(record(1))
    await asyncio.sleep(0)
    await mine.drain(1)
    assert heard == [0]
    assert mine.commits() == {("t", 0): 1}


async def test_after_the_grace_a_drain_cancels_and_does_not_commit() -> None:
    async def hear(delivery: Delivery) -> None:
        await asyncio.sleep(3600)

    mine = dispatcher(hear)
    mine.take(record(0))
    await asyncio.sleep(0)
    await mine.drain(0.01)
    assert mine.commits() == {("t", 0): 0}


def test_a_record_that_dies_again_names_only_its_last_death() -> None:
    once = dead_letter(record(7), Fault("permanent", "a", 1))
    again = Record("t", 1, 9, 0, once.key, once.value, (*once.headers, ("h", b"\xff")))
    letter = dead_letter(again, Fault("unexpected", "b", 3))
    told = dict(letter.headers)
    assert letter.topic == "t.dlq"
    assert (told["dlq-source-offset"], told["dlq-error"], told["h"]) == (b"9", b"b", b"\xff")
    assert len(letter.headers) == len(told)


async def test_what_names_its_tries_is_given_up_after_so_many_and_an_outage_is_not() -> None:
    class NotThere(Transient):
        """It is not there."""

        tries = 3

    heard: list[int] = []
    dead: list[Fault] = []

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.record.offset)
        if delivery.record.offset == 0:
            raise NotThere("never")
        if heard.count(1) < 9:
            raise Transient("an outage")

    mine = dispatcher(hear, dead=dead)
    mine.take(record(0, key="a"))
    mine.take(record(1, key="b"))
    await until(lambda: mine.idle)
    assert (heard.count(0), heard.count(1)) == (3, 9)
    assert [(one.reason, one.attempts) for one in dead] == [("permanent", 3)]
    assert mine.commits() == {("t", 0): 2}


async def test_what_is_condemned_is_buried_in_its_turn_without_being_heard() -> None:
    told: list[str] = []

    async def hear(delivery: Delivery) -> None:
        told.append(f"heard {delivery.record.offset}")

    async def bury(said: Record, fault: Fault) -> None:
        told.append(f"buried {said.offset}: {fault.reason}")

    mine = Dispatcher(hear=hear, lane=by_key, bury=bury)
    mine.take(record(0))
    mine.take(record(1), Fault("killed", "its worker died", 3))
    mine.take(record(2))
    await until(lambda: mine.idle)
    assert told == ["heard 0", "buried 1: killed", "heard 2"]


async def test_what_is_fetched_again_is_known_and_a_log_that_began_anew_is_heard_from_its_start() -> (
    None
):
    heard: list[bytes | None] = []
    waits = asyncio.Event()

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.record.value)
        if delivery.record.value == b"last of old":
            await waits.wait()

    def at(offset: int, ms: int, value: bytes) -> Record:
        return Record("t", 0, offset, ms, b"k", value, ())

    mine = dispatcher(hear)
    old = [at(0, 10, b"old"), at(1, 30, b"old"), at(2, 20, b"last of old")]
    for _ in range(2):
        mine.reads_from(("t", 0), 0)
        for told in old:
            mine.take(told)
    assert mine.last(("t", 0)) == 2
    assert mine.began_anew() == set()
    # Another log: at an offset that is known, later than anything; nothing more is taken of it.
    mine.take(at(0, 31, b"new"))
    mine.take(at(3, 32, b"too far"))
    assert mine.began_anew() == {("t", 0)}
    mine.forget(("t", 0))
    assert (mine.began_anew(), mine.last(("t", 0))) == (set(), None)
    for told in [at(0, 31, b"new"), at(1, 32, b"newer")]:
        mine.take(told)
    waits.set()  # what was taken of the old one is heard all the same
    await until(lambda: mine.idle)
    assert heard == [b"old", b"old", b"last of old", b"new", b"newer"]
    assert mine.commits() == {("t", 0): 2}
    # At the last offset another time is enough: it need not be later.
    mine.take(at(1, 5, b"another"))
    assert mine.began_anew() == {("t", 0)}
    # A partition that went to somebody else is nobody's doubt any more.
    mine.keep(())
    assert mine.began_anew() == set()


async def test_large_records_fill_a_partition_by_their_bytes() -> None:
    """A poller that fetches for ever, and hearers that never end: what is held stays bounded."""
    block, bound, one_poll = b"x" * 100_000, 4_000_000, 10

    async def hear(_: Delivery) -> None:
        await asyncio.Event().wait()

    async def bury(_: Record, __: Fault) -> None: ...

    made = Dispatcher(hear=hear, lane=by_key, bury=bury, limit=4, buffer_bytes=bound)
    offsets = {0: 0, 1: 0}
    for _ in range(500):
        for partition in (0, 1):
            if ("t", partition) in made.paused():
                continue
            for _ in range(one_poll):
                at = offsets[partition]
                made.take(Record("t", partition, at, 0, str(at % 7).encode(), block, ()))
                offsets[partition] += 1
        await asyncio.sleep(0)
    held = sum(offsets.values()) * len(block)
    assert bound <= held <= bound + 2 * one_poll * len(block)
    await made.drain(0)


async def test_a_flood_of_one_session_lets_the_others_through() -> None:
    heard: list[str] = []

    async def hear(delivery: Delivery) -> None:
        await asyncio.sleep(0)
        heard.append(by_key(delivery.record))

    made = dispatcher(hear, limit=4)
    for offset in range(500):
        made.take(record(offset, key="flood"))
    for offset in range(500, 520):
        made.take(record(offset, key=f"s{offset}"))
    await until(lambda: made.idle)
    last = max(at for at, key in enumerate(heard) if key != "flood")
    assert last < 60
    assert heard.count("flood") == 500


def of(level: object, offset: int) -> Record:
    headers = () if level == 0 else ((PRIORITY, str(level).encode()),)
    return Record("t", 0, offset, 0, f"k{offset}".encode(), str(level).encode(), headers)


async def test_where_more_waits_than_may_be_heard_the_higher_goes_first() -> None:
    heard: list[str] = []

    async def hear(delivery: Delivery) -> None:
        await asyncio.sleep(0)
        heard.append((delivery.record.value or b"").decode())

    made = dispatcher(hear, limit=2)
    levels = [0] * 40 + [5] * 40 + [-1] * 40
    for offset, level in enumerate(levels):
        made.take(of(level, offset))
    await until(lambda: made.idle)
    assert sorted(map(int, heard)) == sorted(levels)
    middle = {level: [at for at, told in enumerate(heard) if told == level] for level in set(heard)}
    mean = {level: sum(places) / len(places) for level, places in middle.items()}
    assert mean["5"] < mean["0"] < mean["-1"]
    assert middle["-1"][0] < middle["5"][-1]  # and yet nobody waits for all others
    assert middle["0"][-1] > middle["5"][-1]


def test_nonsense_is_no_priority() -> None:
    assert [priority_of(of(said, 1)) for said in ("x", "", 1.5, 99, -99, 3)] == [0, 0, 0, 9, -9, 3]
