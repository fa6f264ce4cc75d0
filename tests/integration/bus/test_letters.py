"""Dead letters on every bus."""

import asyncio

import pytest

from actalog_bus.kafka import KafkaBus
from actalog_bus.memory import MemoryBus
from actalog_bus.ports import Delivery, Outgoing, Record
from actalog_core.errors import Permanent
from tests.integration.bus.site import Site, until


async def test_poison_goes_to_the_dead_letters_and_good_messages_pass(site: Site) -> None:
    heard: set[bytes | None] = set()
    dead: list[Record] = []

    async def hear(delivery: Delivery) -> None:
        if delivery.record.value == b"\xff poison":
            raise Permanent("no such thing")
        heard.add(delivery.record.value)

    async def bury(delivery: Delivery) -> None:
        dead.append(delivery.record)

    bus = await site.bus(hear)
    await site.bus(bury, topic=f"{site.topic}.dlq")
    await bus.publish(site.topic, value=b"\xff poison", key=b"k", headers=(("h", b"\xfe"),))
    for number in range(5):
        await site.say(bus, str(number), key="k")
    await until(lambda: len(heard) == 5 and len(dead) == 1)
    letter = dead[0]
    assert (letter.key, letter.value, letter.header("h")) == (b"k", b"\xff poison", b"\xfe")
    assert letter.header("dlq-reason") == b"permanent"
    assert letter.header("dlq-source-topic") == site.topic.encode()
    assert letter.header("dlq-source-offset") == b"0"
    assert letter.header("dlq-attempts") == b"1"
    assert b"no such thing" in (letter.header("dlq-error") or b"")


async def test_a_letter_of_the_largest_record_that_others_may_send_is_kept_whole(site: Site):
    """The broker takes a little more than we send ourselves: it must not stop a partition."""
    dead: list[Record] = []
    heard: list[bytes | None] = []

    async def hear(delivery: Delivery) -> None:
        if delivery.record.key == b"large":
            raise Permanent("too large for us")
        heard.append(delivery.record.value)

    async def bury(delivery: Delivery) -> None:
        dead.append(delivery.record)

    value = b"x" * 1_040_000
    bus = await site.bus(hear)
    await site.bus(bury, topic=f"{site.topic}.dlq")
    if isinstance(bus, MemoryBus):
        bus.broker.append(site.topic, value, b"large", (), None)
    else:
        records = [Outgoing(site.topic, value, b"large")]
        await bus._publisher.publish_many(  # pyright: ignore[reportPrivateUsage]
            records, most_bytes=1_048_576
        )
    await site.say(bus, "next", key="large2")
    await until(lambda: len(dead) == 1 and heard == [b"next"])
    assert dead[0].header("dlq-error") == b"Permanent: Can never succeed. too large for us"
    if dead[0].header("dlq-cut-from-bytes") is None:
        assert dead[0].value == value
    else:
        assert dead[0].header("dlq-cut-from-bytes") == b"1040000"
        assert dead[0].value == value[:900_000]


async def test_what_cannot_be_heard_as_a_broadcast_is_dropped_and_the_next_is_heard(site: Site):
    heard: list[bytes | None] = []
    dead: list[Record] = []

    async def hear(delivery: Delivery) -> None:
        if delivery.record.value == b"poison":
            raise Permanent("no delta")
        heard.append(delivery.record.value)

    async def bury(delivery: Delivery) -> None:
        dead.append(delivery.record)

    bus = await site.bus(hear, broadcast=True)
    await site.bus(bury, topic=f"{site.topic}.dlq")
    await site.say(bus, "poison", key="k")
    await site.say(bus, "next", key="k")
    await until(lambda: heard == [b"next"])
    await asyncio.sleep(0.2)
    assert dead == []


async def test_a_message_that_kills_its_worker_three_times_is_buried_by_the_fourth(site: Site):
    bus = site.make()
    if isinstance(bus, KafkaBus) and not bus.settings.keeps_marks:
        pytest.skip("the embedded broker keeps nothing beside an offset")
    if isinstance(bus, MemoryBus):
        pytest.skip("in memory a killed worker is the whole process")
    deaths, heard, dead = 0, list[bytes | None](), list[Record]()
    died = asyncio.Event()

    async def hear(delivery: Delivery) -> None:
        if died.is_set():
            await asyncio.Event().wait()
        if delivery.record.value == b"poison":
            died.set()
            await asyncio.Event().wait()
        heard.append(delivery.record.value)

    async def bury(delivery: Delivery) -> None:
        dead.append(delivery.record)

    await site.bus(bury, topic=f"{site.topic}.dlq")
    worker = await site.bus(hear)
    for value in ("before", "poison", "after"):
        await site.say(worker, value, key="k")
    while True:
        await until(lambda: died.is_set() or len(dead) == 1)
        if dead:
            break
        deaths += 1
        assert deaths < 6
        await worker.crash()
        died.clear()
        worker = await site.bus(hear)
    assert deaths in (3, 4)  # the first may be blamed on the record before it
    assert dead[0].header("dlq-reason") == b"killed"
    await until(lambda: set(heard) == {b"before", b"after"})
