"""What a member of a group goes on with after a rebalance, and what it hears again."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import IllegalStateError, KafkaConnectionError
from aiokafka.structs import OffsetAndMetadata

from actalog_bus.dead import Fault
from actalog_bus.doubts import Doubts
from actalog_bus.marks import OffsetMarks
from actalog_bus.ports import Delivery, Listen, Record
from actalog_bus.settings import KafkaSettings
from actalog_bus.subscription import POLL_LIMIT_S, Subscription
from actalog_bus.watermark import Beside
from actalog_bus.wiring import checked
from actalog_core.errors import Transient

HERE, OTHER, GONE = (TopicPartition("t", n) for n in range(3))


class Broker:
    """What the broker says was committed, to a consumer that has no connection."""

    def __init__(self, committed: Mapping[TopicPartition, int | None], *, down: bool = False):
        self.offsets, self.down = committed, down
        self.positions: dict[TopicPartition, int] = {}
        self.begun: list[tuple[TopicPartition, ...]] = []
        self._coordinator = self
        self._client = SimpleNamespace(
            _conns=dict[object, object](),
            cluster=SimpleNamespace(partitions_for_topic=lambda _topic: {0, 1}),  # pyright: ignore
        )

    def seek(self, where: TopicPartition, offset: int) -> None:
        self.positions[where] = offset

    async def seek_to_beginning(self, *partitions: TopicPartition) -> None:
        self.begun.append(partitions)
        self.positions |= dict.fromkeys(partitions, 0)

    async def fetch_committed_offsets(
        self, wanted: Sequence[TopicPartition]
    ) -> Mapping[TopicPartition, OffsetAndMetadata]:
        if self.down:
            raise KafkaConnectionError
        told = {where: self.offsets.get(where) for where in wanted}
        return {at: OffsetAndMetadata(-1 if n is None else n, "") for at, n in told.items()}


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
    consumer = cast(Any, broker)
    await made.on_partitions_assigned([HERE])
    doubts = Doubts(
        consumer, made.dispatcher, topics=["t"], group="g", told_of_changes=False,
        forget=made._forget, tell=made.listen.began_anew,
    )  # fmt: skip
    await doubts.resume([HERE])
    return made.dispatcher.heard_upto(("t", 0)) is not None


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


async def test_a_broker_that_does_not_say_is_asked_again():
    made = await subscription(heard=8, acknowledged=5)
    with pytest.raises(KafkaConnectionError):  # and it is asked again before anything is taken
        await goes_on(made, Broker({HERE: 5}, down=True))
    assert made.ready() is None


@pytest.mark.parametrize(("known", "position"), [(None, 0), (3, 3)])
async def test_it_is_heard_from_where_the_broker_says(known: int | None, position: int):
    made, broker = await subscription(heard=8, acknowledged=5), Broker({HERE: known})
    assert not await goes_on(made, broker)
    assert broker.positions == {HERE: position}


async def test_what_nobody_has_heard_is_begun_all_at_once():
    """Each time the consumer waits for a fetch that is parked at the broker: a platform that was
    new heard nothing for half a second of each of its partitions."""
    made, broker = await subscription(heard=0, acknowledged=None), Broker({OTHER: 3})
    doubts = Doubts(
        cast(Any, broker), made.dispatcher, topics=["t"], group="g", told_of_changes=False,
        forget=made._forget,
    )  # fmt: skip
    assert await doubts.resume([HERE, OTHER, GONE])
    assert broker.begun == [(HERE, GONE)]
    assert broker.positions == {HERE: 0, OTHER: 3, GONE: 0}


async def test_what_was_fetched_meanwhile_waits_and_is_fetched_again():
    made = await subscription(heard=8, acknowledged=5)
    found: Any = {HERE: ["of the old log"]}
    assert await made._of_now(found) is found
    await made.on_partitions_revoked([HERE])
    waiting = asyncio.ensure_future(made._of_now(found))
    await asyncio.sleep(0)
    assert not waiting.done()
    await made.on_partitions_assigned([HERE])
    assert await waiting == {}
    assert made.ready() is None


async def test_only_a_loss_that_is_known_is_told():
    told: list[str] = []

    async def hears_of_it(known: int | None, broker: Broker) -> list[str]:
        made = await subscription(heard=8, acknowledged=known)
        made.listen = replace(made.listen, began_anew=lambda: told.append("anew"))
        await goes_on(made, broker)
        return told

    assert await hears_of_it(None, Broker({HERE: None})) == []
    with pytest.raises(KafkaConnectionError):
        await hears_of_it(5, Broker({HERE: 5}, down=True))
    assert told == []
    assert await hears_of_it(5, Broker({HERE: 6})) == []
    assert await hears_of_it(5, Broker({HERE: None})) == ["anew"]


@pytest.mark.parametrize(
    ("known", "anew"),
    [({HERE: 3}, False), ({OTHER: 3}, False), ({}, True), ({OTHER: 0}, False)],
    ids=["ours", "only another's", "nothing", "another's that has heard nothing"],
)
async def test_16_3_whoever_is_assigned_what_nobody_has_committed_has_lost_nothing_by_that(
    known: Mapping[TopicPartition, int], anew: bool
):
    """Nothing may have come there yet: a conductor would look at every open run for that."""
    made, told = await subscription(heard=0, acknowledged=None), list[str]()
    made.listen = replace(made.listen, began_anew=lambda: told.append("anew"))
    broker = Committing([])
    broker.offsets = known
    made._consumer = cast(Any, broker)
    await made.on_partitions_assigned([HERE])
    doubts = Doubts(
        cast(Any, broker), made.dispatcher, topics=["t"], group="g", told_of_changes=False,
        forget=made._forget, tell=made.listen.began_anew,
    )  # fmt: skip
    await made._begin(doubts)
    assert (told == ["anew"]) == anew
    assert made._assigned == set()


class Committing(Broker):
    """Notes what it is told, and when."""

    def __init__(self, told: list[str]) -> None:
        super().__init__({HERE: None})
        self.told = told

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset({HERE})

    async def commit(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        self.told.append(f"commit {offsets[HERE]}")


async def marked(told: list[str], *, away: bool) -> None:
    made = await subscription(heard=3, acknowledged=None)

    async def marking(offsets: Mapping[tuple[str, int], int]) -> None:
        if away:
            raise Transient("no database")
        told.append(f"mark {offsets['t', 0]}")

    made.listen = replace(made.listen, marking=marking)
    await made.dispatcher.drain(1)
    made._consumer = cast(Any, Committing(told))
    await made._commit()


async def test_the_database_knows_what_was_heard_before_the_broker_does():
    told: list[str] = []
    await marked(told, away=False)
    assert [one.split()[0] for one in told] == ["mark", "commit"]


async def test_what_the_database_does_not_know_is_not_committed():
    told: list[str] = []
    await marked(told, away=True)
    assert told == []


async def test_offsets_are_committed_also_after_what_nobody_thought_of():
    made, told = await subscription(heard=3, acknowledged=None), list[str]()
    fails = [RuntimeError("nobody thought of it"), ValueError()]

    async def marking(_: Mapping[tuple[str, int], int]) -> None:
        if fails:
            raise fails.pop()

    made.listen = replace(made.listen, marking=marking)
    made._settings = replace(made._settings, commit_every_s=0)
    made._consumer = cast(Any, Committing(told))
    committing = asyncio.create_task(made._commits())
    made._progress.set()
    async with asyncio.timeout(2):
        while not told:  # noqa: ASYNC110
            await asyncio.sleep(0)
    committing.cancel()
    assert told[0].startswith("commit")


class Strict(Committing):
    """As aiokafka, which commits nothing when one partition is not its own."""

    async def commit(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        if set(offsets) - self.assignment():
            raise IllegalStateError
        self.told += [f"{at.partition}: {offset}" for at, (offset, _) in offsets.items()]


async def test_what_is_somebody_elses_by_now_keeps_nothing_from_being_committed():
    made, told = await subscription(heard=3, acknowledged=None), list[str]()
    made.dispatcher.take(Record("t", 1, 7, 0, None, b"", ()))
    await asyncio.sleep(0.01)
    await made.dispatcher.drain(1)
    made._consumer = cast(Any, Strict(told))
    await made._commit()
    assert told == ["0: 3"]


class Counting(Committing):
    """Notes how many are said to have begun, and came no further: one had before us."""

    async def fetch_committed_offsets(
        self, wanted: Sequence[TopicPartition]
    ) -> Mapping[TopicPartition, OffsetAndMetadata]:
        return {at: OffsetAndMetadata(0, str(Beside(None, 1))) for at in wanted}

    async def commit(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        self.told += [str(Beside.of(beside).began) for _, beside in offsets.values()]


async def test_who_loses_a_partition_in_order_has_not_died_there():
    """Else the record of a long call would be buried with the third rebalance."""
    told = list[str]()

    async def bury(_: Record, __: Fault) -> None: ...

    async def takes_long(_: Delivery) -> None:
        await asyncio.sleep(3_600)

    listen = Listen(topics=["t"], group="g", hear=takes_long, lane=lambda record: "lane")
    made = Subscription(listen, settings=KafkaSettings(bootstrap="b"), bury=bury, number=0)
    made._consumer = made.marks.consumer = cast(Any, Counting(told))
    assert made.suspicion is not None
    await made.suspicion.admit({("t", 0): [record(0)]})
    assert told == ["2"]
    await made.on_partitions_revoked([HERE])
    assert told == ["2", "0"]
    await made.crash()


async def test_who_loses_a_partition_commits_what_it_has_heard_before_another_begins():
    made, told = await subscription(heard=3, acknowledged=None), list[str]()
    made._consumer = cast(Any, Strict(told))
    await asyncio.sleep(0.01)
    await made.on_partitions_revoked([HERE])
    assert told == ["0: 3"]
    assert made.dispatcher.acknowledged() == {("t", 0): 3}
    await made._commit()
    assert told == ["0: 3"]  # and not again


async def test_of_what_is_somebody_elses_by_now_nothing_is_kept():
    made = await subscription(heard=1, acknowledged=None)
    assert made.suspicion is not None
    others = Record("t", 1, 7, 0, None, b"", ())
    for _ in range(2):
        await made.suspicion.admit({("t", 0): [record(1)], ("t", 1): [others]})
        assert made.suspicion._known == {("t", 0), ("t", 1)}
        await made.on_partitions_assigned([HERE])
        assert list(made.dispatcher.acknowledged()) == [("t", 0)]
        assert made.suspicion._known == {("t", 0)}
    made._forget(("t", 0))  # another log stands there
    assert made.dispatcher.acknowledged() == {}
    assert made.suspicion._known == set()


async def test_who_stops_in_order_has_not_died_where_it_was():
    made, told = await subscription(heard=0, acknowledged=None), list[str]()
    made._consumer = made.marks.consumer = cast(Any, Counting(told))
    assert made.suspicion is not None
    await made.suspicion.admit({("t", 0): [record(0)]})
    assert told == ["2"]
    await made.stop(1)
    assert told[-1] == "0"


async def test_it_is_ready_once_it_has_joined_and_for_as_long_as_it_polls():
    made = await subscription(heard=0, acknowledged=None)
    assert "has not joined" in (made.ready() or "")
    await made.on_partitions_assigned([])
    assert made.ready() is None
    made._polled_at -= POLL_LIMIT_S + 1
    assert "does not poll" in (made.ready() or "")


class Away(Committing):
    """A broker that fails in each of these ways, one after the other."""

    def __init__(self, told: list[str]) -> None:
        super().__init__(told)
        self.fails: list[Exception] = [KafkaConnectionError(), TimeoutError(), IllegalStateError()]

    async def fetch_committed_offsets(
        self, wanted: Sequence[TopicPartition]
    ) -> Mapping[TopicPartition, OffsetAndMetadata]:
        raise self.fails[0]

    async def commit(self, offsets: Mapping[TopicPartition, tuple[int, str]]) -> None:
        self.told.append("tried")
        raise self.fails[0]


async def test_a_death_that_cannot_be_counted_now_holds_nobody_up():
    """Whoever waited for that would hear nothing while the broker is away."""
    told = list[str]()
    marks = OffsetMarks(lambda _: None)
    assert await marks.read([("t", 0)]) == {}  # not connected yet
    await marks.write({("t", 0): (1, 1)})
    marks.consumer = cast(Any, broker := Away(told))
    while broker.fails:
        assert await marks.read([("t", 0)]) == {}
        await marks.write({("t", 0): (1, 1)})
        broker.fails.pop(0)
    assert told == ["tried"] * 3


async def test_15_a_mark_that_the_database_does_not_know_is_not_committed_either():
    told, away = list[str](), True

    async def marking(offsets: Mapping[tuple[str, int], int]) -> None:
        if away:
            raise Transient("no database")
        told.append(f"mark {offsets['t', 0]}")

    marks = OffsetMarks(lambda _: None, marking)
    marks.consumer = cast(Any, Committing(told))
    await marks.write({("t", 0): (4, 1)})
    assert told == []
    away = False
    await marks.write({("t", 0): (4, 1)})
    assert [one.split()[0] for one in told] == ["mark", "commit"]


@pytest.mark.parametrize(
    "wrong",
    [{"_enable_auto_commit": True}, {"_group_id": None}, {"_isolation_level": "read_uncommitted"}],
)
def test_a_consumer_that_would_break_the_promise_is_not_used(wrong: dict[str, Any]):
    right = {"_enable_auto_commit": False, "_group_id": "g", "_isolation_level": "read_committed"}
    checked(SimpleNamespace(**right), group="g")
    with pytest.raises(RuntimeError, match="the consumer of g would"):
        checked(SimpleNamespace(**right | wrong), group="g")
