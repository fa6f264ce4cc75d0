"""One suite for every bus: in memory, on the embedded broker, on Apache Kafka."""

import asyncio

import pytest

from actalog_bus.ports import Delivery, Hear, Listen, Outgoing
from actalog_core.errors import Permanent, Transient
from tests.integration.bus.site import PARTITIONS, Site, by_key, until


async def test_records_of_a_lane_are_heard_in_order_and_lanes_side_by_side(site: Site) -> None:
    heard: dict[str, list[int]] = {}
    now = most = 0

    async def hear(delivery: Delivery) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.005)
        now -= 1
        heard.setdefault(by_key(delivery.record), []).append(int(delivery.record.value or b""))

    bus = await site.bus(hear)
    for number in range(60):
        await site.say(bus, str(number), key=f"k{number % 6}")
    await until(lambda: sum(map(len, heard.values())) == 60)
    assert all(numbers == sorted(numbers) for numbers in heard.values())
    assert most > 1


async def test_what_a_dead_process_had_not_finished_is_heard_by_the_next(site: Site) -> None:
    begun: list[bytes | None] = []

    async def hang(delivery: Delivery) -> None:
        begun.append(delivery.record.value)
        await asyncio.sleep(3600)

    first = await site.bus(hang)
    await site.say(first, "a", key="a")
    await site.say(first, "b", key="b")
    await until(lambda: len(begun) == 2)
    await first.crash()

    again: set[bytes | None] = set()

    async def hear(delivery: Delivery) -> None:
        again.add(delivery.record.value)

    await site.bus(hear)
    await until(lambda: again == {b"a", b"b"})


async def test_a_settled_record_is_not_heard_again_although_its_work_was_lost(site: Site) -> None:
    begun: list[bytes | None] = []

    async def hang(delivery: Delivery) -> None:
        begun.append(delivery.record.value)
        if delivery.record.value == b"claimed":
            delivery.settle()
        await asyncio.sleep(3600)

    first = await site.bus(hang)
    await site.say(first, "claimed", key="one")
    await site.say(first, "open", key="two")
    await until(lambda: len(begun) == 2)
    await asyncio.sleep(0.6)  # the commit
    await first.crash()

    again: list[bytes | None] = []

    async def hear(delivery: Delivery) -> None:
        again.append(delivery.record.value)

    second = await site.bus(hear)
    await site.say(second, "last", key="one")
    await until(lambda: {b"open", b"last"} <= set(again))
    assert b"claimed" not in again


async def test_a_transient_failure_holds_up_its_own_lane_only(site: Site) -> None:
    heard: list[bytes | None] = []
    down = True

    async def hear(delivery: Delivery) -> None:
        if delivery.record.key == b"sick" and down:
            raise Transient("later")
        heard.append(delivery.record.value)

    bus = await site.bus(hear)
    await site.say(bus, "s1", key="sick")
    await site.say(bus, "s2", key="sick")
    for number in range(9):
        await site.say(bus, str(number), key=f"k{number}")
    await until(lambda: len(heard) == 9)
    assert b"s1" not in heard
    down = False
    await until(lambda: len(heard) == 11)
    assert heard[-2:] == [b"s1", b"s2"]


async def test_keyless_records_and_any_partition_are_heard(site: Site) -> None:
    heard: set[tuple[int, bytes | None]] = set()

    async def hear(delivery: Delivery) -> None:
        heard.add((delivery.record.partition, delivery.record.value))

    bus = await site.bus(hear)
    for number in range(PARTITIONS):
        await bus.publish(site.topic, value=b"x", key=b"same", partition=number)
    await site.say(bus, "keyless")
    await until(lambda: len(heard) == PARTITIONS + 1)
    assert {at for at, value in heard if value == b"x"} == set(range(PARTITIONS))
    assert bus.partitions(site.topic) == PARTITIONS


async def test_a_broadcast_is_heard_by_every_process_from_now_on(site: Site) -> None:
    heard: list[tuple[str, bytes | None]] = []

    def ear(name: str) -> Hear:
        async def hear(delivery: Delivery) -> None:
            heard.append((name, delivery.record.value))

        return hear

    bus = await site.bus()
    await site.say(bus, "before", key="k")
    await site.bus(ear("one"), broadcast=True)
    await site.bus(ear("two"), broadcast=True)
    await site.say(bus, "after", key="k")
    await until(lambda: len(heard) >= 2)
    assert sorted(heard) == [("one", b"after"), ("two", b"after")]


async def test_what_nobody_waits_for_comes_too(site: Site) -> None:
    heard, awaited = list[bytes | None](), asyncio.Event()

    async def hear(delivery: Delivery) -> None:
        heard.append(delivery.record.value)

    bus = await site.bus()
    await site.bus(hear, broadcast=True, awaited=awaited)
    for number in range(5):
        await site.say(bus, f"{number}", key="k")
    await until(lambda: len(heard) == 5, within_s=5)
    awaited.set()
    await site.say(bus, "now", key="k")
    await until(lambda: heard[-1] == b"now", within_s=5)


async def test_a_stop_finishes_what_is_being_heard_and_commits_it(site: Site) -> None:
    begun, heard = asyncio.Event(), list[bytes | None]()

    async def slow(delivery: Delivery) -> None:
        begun.set()
        await asyncio.sleep(0.3)
        heard.append(delivery.record.value)

    first = await site.bus(slow)
    await site.say(first, "one", key="k")
    await begun.wait()
    await first.stop()
    assert heard == [b"one"]
    second = await site.bus(slow)
    await site.say(second, "two", key="k")
    await until(lambda: heard[-1] == b"two")
    assert heard == [b"one", b"two"]


async def test_a_record_that_is_too_large_is_refused_for_good(site: Site) -> None:
    bus = await site.bus()
    with pytest.raises(Permanent):
        await bus.publish(site.topic, value=b"x" * 1_100_000)


async def test_a_full_buffer_loses_nothing(site: Site) -> None:
    heard = set[bytes | None]()
    gate = asyncio.Event()

    async def hear(delivery: Delivery) -> None:
        await gate.wait()
        heard.add(delivery.record.value)

    bus = await site.bus(hear, limit=8)
    count = 6_000
    for start in range(0, count, 500):
        await asyncio.gather(
            *(site.say(bus, str(n), key=f"k{n % 50}") for n in range(start, start + 500))
        )
    await asyncio.sleep(0.3)
    gate.set()
    await until(lambda: len(heard) == count)


async def test_many_records_are_sent_at_once_and_keep_their_order(site: Site):
    heard: list[str] = []

    async def hear(delivery: Delivery) -> None:
        heard.append((delivery.record.value or b"").decode())

    bus = await site.bus(hear)
    await bus.publish_many([Outgoing(site.topic, b"%d" % n, b"one") for n in range(50)])
    await bus.publish_many([])
    await until(lambda: len(heard) == 50)
    assert heard == [str(n) for n in range(50)]


async def test_what_comes_behind_a_record_that_is_too_large_is_not_sent(site: Site):
    heard: list[str] = []

    async def hear(delivery: Delivery) -> None:
        heard.append((delivery.record.value or b"").decode())

    bus = await site.bus(hear)
    records = [Outgoing(site.topic, value, b"one") for value in (b"1", b"x" * 2_000_000, b"2")]
    with pytest.raises(Permanent):
        await bus.publish_many(records)
    await bus.publish(site.topic, value=b"3", key=b"one")
    await until(lambda: heard[-1:] == ["3"])
    assert heard == ["1", "3"]


async def test_a_subscription_is_told_when_partitions_are_assigned(site: Site):
    told: list[str] = []

    async def hear(delivery: Delivery) -> None:
        told.append("heard")

    bus = site.make()
    site.buses.append(bus)
    bus.listen(Listen([site.topic], "g", hear, by_key, assigned=lambda: told.append("assigned")))
    await bus.start()
    await site.say(bus, "x", key="k")
    await until(lambda: "heard" in told)
    assert told[0] == "assigned"
