"""What becomes of records that the broker does not acknowledge."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from actalog_bus.ports import Outgoing
from actalog_bus.publisher import NotAcknowledged, Publisher, TooLarge
from actalog_bus.settings import KafkaSettings

RECORDS = [Outgoing("t", b"1"), Outgoing("t", b"2")]


class Producer:
    """Takes records and acknowledges what `answers` says, in the order of sending."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.sent: list[asyncio.Future[object]] = []

    async def send(self, _topic: str, **_: Any) -> "asyncio.Future[object]":
        made: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self.sent.append(made)
        answer = self.answers.pop(0) if self.answers else None
        if isinstance(answer, KafkaError):
            made.set_exception(answer)
        elif answer is not None:
            made.set_result(answer)
        return made


def publisher(producer: Producer, *, within_s: float = 5) -> Publisher:
    made = Publisher(KafkaSettings(bootstrap="b", publish_timeout_s=within_s))
    made._producer = cast(Any, producer)
    return made


async def test_what_is_acknowledged_is_told_in_order():
    assert await publisher(Producer("a", "b")).publish_many(RECORDS) == ["a", "b"]
    handles = cast(Any, asyncio.get_running_loop())._scheduled
    assert not [one for one in handles if not one.cancelled()]  # nothing is waited for any more


@pytest.mark.parametrize("answers", [(), ("a",)])
async def test_what_is_not_acknowledged_in_time_is_told(answers: tuple[str, ...]):
    producer = Producer(*answers)
    with pytest.raises(NotAcknowledged, match="t: KafkaTimeoutError"):
        await asyncio.wait_for(publisher(producer, within_s=0.02).publish_many(RECORDS), 2)
    assert all(one.done() for one in producer.sent)


@pytest.mark.parametrize(
    ("refused", "told"),
    [(KafkaTimeoutError, NotAcknowledged), (MessageSizeTooLargeError, TooLarge)],
)
async def test_all_are_waited_for_before_the_first_refusal_is_told(
    refused: Callable[[], KafkaError], told: type[Exception]
):
    producer = Producer(refused())
    publishing = asyncio.create_task(publisher(producer).publish_many(RECORDS))
    await asyncio.sleep(0.01)
    assert not publishing.done()
    producer.sent[1].set_result("b")
    with pytest.raises(told):
        await publishing


async def test_who_is_cancelled_leaves_nothing_behind():
    producer = Producer("a")
    publishing = asyncio.create_task(publisher(producer).publish_many(RECORDS))
    await asyncio.sleep(0.01)
    publishing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await publishing
    assert [one.cancelled() for one in producer.sent] == [False, True]
