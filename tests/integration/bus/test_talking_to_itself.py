"""One process with all partitions hears what it says before Kafka brings it, and once; what others
say comes between, and nothing is taken for another log."""

import asyncio
import uuid
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest

from actalog_bus import early
from actalog_bus.kafka import KafkaBus
from actalog_bus.offsets import stands
from actalog_bus.ports import Delivery, Listen, Outgoing
from actalog_bus.provision import TopicPlan, provision
from actalog_bus.settings import KafkaSettings
from actalog_core.errors import Transient
from actalog_testing.apache_kafka import ApacheKafka

KEYS, EACH = 6, 40


@dataclass
class Place:
    """A broker with one topic of three partitions, and a group of its own: where other tests' members
    are not forgotten yet, the broker takes no offset from who is none."""

    settings: KafkaSettings
    topic: str
    heard: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])  # value, offset
    anew: list[str] = field(default_factory=list[str])
    failing: set[str] = field(default_factory=set[str])
    buses: list[KafkaBus] = field(default_factory=list[KafkaBus])

    async def bus(
        self, *, counted: bool = True, begun: bool = True
    ) -> KafkaBus:  # fmt: skip
        """A process that hears everything; `begun`: from its first word on."""

        async def hear(delivery: Delivery) -> None:
            value = (delivery.record.value or b"").decode()
            self.heard.append((value, delivery.record.offset))
            if value in self.failing:
                self.failing.discard(value)
                raise Transient("not now")

        made = KafkaBus(self.settings)
        self.buses.append(made)
        made.listen(
            Listen(
                topics=[self.topic], group=self.topic, hear=hear,
                lane=lambda record: (record.key or b"").decode(),
                counted=[self.topic] if counted else (),
                began_anew=lambda: self.anew.append("") if self.heard else None,
            )
        )  # fmt: skip
        await made.start()
        async with asyncio.timeout(20):
            while begun and any(one._assigned for one in made._running):  # pyright: ignore[reportPrivateUsage] # noqa: ASYNC110
                await asyncio.sleep(0.01)
        return made

    def out(self, key: int, number: int, *, named: bool = True) -> Outgoing:
        value = f"{key}.{number}".encode()
        return Outgoing(
            self.topic, value, str(key).encode(), (("ce_id", value),) if named else (), key % 3
        )

    async def all_heard(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len({value for value, _ in self.heard}) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        await asyncio.sleep(0.6)  # their copies have come by then


@pytest.fixture(
    params=[
        pytest.param("embedded", marks=pytest.mark.kafka),
        pytest.param("apache", marks=[pytest.mark.kafka, pytest.mark.apache]),
    ]
)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    settings = KafkaSettings(bootstrap="", mode="assigned", session_timeout_ms=6_000)
    if request.param == "apache":
        node: ApacheKafka = request.getfixturevalue("apache_kafka")
        settings = replace(settings, bootstrap=node.bootstrap)
    else:
        settings = replace(
            settings, bootstrap=request.getfixturevalue("embedded_broker"), idempotence=False,
            parked_fetch=False, keeps_marks=False,
        )  # fmt: skip
    topic = f"t{uuid.uuid4().hex[:8]}"
    plan = [TopicPlan(name=topic, partitions=3, replication=1, retention_ms=3_600_000)]
    await provision(settings, plan)
    made = Place(settings, topic)
    yield made
    for bus in made.buses:
        await bus.stop(1)


@pytest.mark.parametrize("begun", [True, False])
@pytest.mark.parametrize("counted", [True, False])
async def test_each_record_is_heard_once_and_in_its_order_whoever_said_it(
    place: Place, counted: bool, begun: bool
):
    bus = await place.bus(counted=counted, begun=begun)
    other = KafkaBus(place.settings)  # says something and hears nothing
    place.buses.append(other)
    await other.start()

    for key in range(KEYS):  # one after the other: see actalog_bus.holes
        await (other if key == 5 else bus).publish_many([place.out(key, 0)])

    async def say(of: KafkaBus, key: int) -> None:
        for number in range(1, EACH):
            # Every seventh has no name: it is heard when it comes, and what follows waits for it.
            await of.publish_many([place.out(key, number, named=number % 7 != 3)])
            await asyncio.sleep(0.002 * (number % 3))

    await asyncio.gather(*(say(other if key == 5 else bus, key) for key in range(KEYS)))
    await place.all_heard(KEYS * EACH)
    assert Counter(value for value, _ in place.heard).most_common(1)[0][1] == 1
    assert place.anew == []
    order: dict[str, list[int]] = defaultdict(list)
    for value, _ in place.heard:
        key, _, number = value.partition(".")
        order[key].append(int(number))
    assert all(numbers == sorted(numbers) for numbers in order.values())
    early = sum(offset < 0 for _, offset in place.heard)
    assert early > 0
    assert all(offset >= 0 for value, offset in place.heard if value.startswith("5."))


async def test_whoever_starts_again_hears_nothing_twice(
    place: Place, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(early, "SETTLE_S", 60.0)  # however slow this machine is
    bus = await place.bus()
    for number in range(EACH):
        await bus.publish_many([place.out(number % KEYS, number)])
    await bus.stop(60)
    assert len(place.heard) == EACH
    told = await stands(place.settings, place.topic, [place.topic])
    assert [told[place.topic, at].committed for at in range(3)] == [14, 13, 13]
    again = await place.bus()
    await again.publish_many([place.out(0, EACH)])
    await place.all_heard(EACH + 1)
    assert len(place.heard) == EACH + 1


async def test_what_fails_is_heard_again_when_it_comes(place: Place):
    bus = await place.bus()
    place.failing = {f"{number % KEYS}.{number}" for number in range(0, EACH, 5)}
    expected = EACH + len(place.failing)
    for number in range(EACH):
        await bus.publish_many([place.out(number % KEYS, number)])
    await place.all_heard(EACH)
    async with asyncio.timeout(20):
        while len(place.heard) < expected:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    await asyncio.sleep(0.6)
    assert len(place.heard) == expected
    assert place.anew == []


async def test_a_process_that_dies_leaves_its_records_to_the_next(place: Place):
    bus = await place.bus()
    for number in range(EACH):
        await bus.publish_many([place.out(number % KEYS, number)])
    await bus.crash()
    heard, place.heard = place.heard, []
    assert len(heard) == EACH
    await place.bus()
    await place.all_heard(1)
    assert all(offset >= 0 for _, offset in place.heard)  # nothing is lost, some come again
