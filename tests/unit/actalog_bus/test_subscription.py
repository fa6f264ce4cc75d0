"""What a member of a group goes on with after a rebalance, and what it hears again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError

from actalog_bus.dead import Fault
from actalog_bus.ports import Delivery, Listen, Record
from actalog_bus.settings import KafkaSettings
from actalog_bus.subscription import Subscription

HERE = TopicPartition("t", 0)


class Broker:
    """What the broker says was committed."""

    def __init__(self, committed: Mapping[TopicPartition, int | None], *, down: bool = False):
        self.offsets, self.down = committed, down

    async def committed(self, where: TopicPartition) -> int | None:
        if self.down:
            raise KafkaConnectionError
        return self.offsets.get(where)


def record(offset: int) -> Record:
    return Record("t", 0, offset, 0, None, b"", ())


async def subscription(*, heard: int, acknowledged: int | None) -> Subscription:
    """A member that has taken so many records, of which the broker knows."""

    async def bury(_: Record, __: Fault) -> None: ...

    async def hear(_: Delivery) -> None: ...

    listen = Listen(topics=["t"], group="g", hear=hear, lane=lambda record: "lane")
    made = Subscription(listen, settings=KafkaSettings(bootstrap="b"), bury=bury, number=0)
    for offset in range(heard):
        made.dispatcher.take(record(offset))
    if acknowledged is not None:
        made.dispatcher.committed({("t", 0): acknowledged})
    return made


async def goes_on(made: Subscription, broker: Broker) -> bool:
    """Whether what it knows is still known after it was assigned the partition again."""
    made._consumer = cast(Any, broker)
    await made.on_partitions_assigned([HERE])
    return ("t", 0) in made.dispatcher.acknowledged()


@pytest.mark.parametrize("known", [5, 7])
async def test_what_the_broker_knows_of_is_gone_on_with(known: int):
    made = await subscription(heard=8, acknowledged=5)
    assert await goes_on(made, Broker({HERE: known}))


@pytest.mark.parametrize("known", [None, 0, 4])
async def test_a_broker_that_knows_less_than_it_acknowledged_has_begun_anew(known: int | None):
    made = await subscription(heard=8, acknowledged=5)
    assert not await goes_on(made, Broker({HERE: known}))


async def test_where_nothing_was_committed_yet_it_is_heard_again():
    made = await subscription(heard=3, acknowledged=None)
    assert not await goes_on(made, Broker({HERE: None}))


async def test_a_broker_that_does_not_say_is_not_trusted():
    made = await subscription(heard=8, acknowledged=5)
    assert not await goes_on(made, Broker({HERE: 5}, down=True))


async def test_a_partition_that_is_new_needs_no_question():
    made = await subscription(heard=0, acknowledged=None)
    assert not await goes_on(made, Broker({}, down=True))
    assert made.ready() is None


async def test_only_a_loss_that_is_known_is_told():
    told: list[str] = []

    async def hears_of_it(known: int | None, broker: Broker) -> list[str]:
        made = await subscription(heard=8, acknowledged=known)
        made.listen = replace(made.listen, began_anew=lambda: told.append("anew"))
        await goes_on(made, broker)
        return told

    assert await hears_of_it(None, Broker({HERE: None})) == []
    assert await hears_of_it(5, Broker({HERE: 5}, down=True)) == []
    assert await hears_of_it(5, Broker({HERE: 6})) == []
    assert await hears_of_it(5, Broker({HERE: None})) == ["anew"]
