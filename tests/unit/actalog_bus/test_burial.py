"""What is published of a record that is given up, in which order, and how long one waits to try again."""

import random
from collections.abc import Sequence

import pytest

from actalog_bus.burial import bury_over
from actalog_bus.dead import MOST_BYTES_KEPT
from actalog_bus.ports import Delivery, Fault, Listen, Outgoing, Record
from actalog_bus.publisher import NotAcknowledged, TooLarge
from actalog_bus.retry import Backoff

FAULT = Fault("permanent", "it is broken", 1)
REPLIES, LETTERS = "actalog.replies", "actalog.tools.commands.dlq"
NAMED = b'{"tenant_id": "t", "run_no": 7, "run_id": "r", "session_id": "s", "call_id": "c"}'


class Grave:
    """A broker that takes values up to so many bytes, or none."""

    def __init__(self, *, most: int = 10_000_000, away: bool = False) -> None:
        self.most, self.away = most, away
        self.published: list[Outgoing] = []
        self.told: list[str] = []

    async def publish(self, records: Sequence[Outgoing]) -> None:
        for one in records:
            if self.away:
                raise NotAcknowledged(one.topic)
            if len(one.value or b"") > self.most:
                raise TooLarge(one.topic)
            self.published.append(one)

    async def hear(self, _: Delivery) -> None: ...

    async def buried(self, record: Record, fault: Fault) -> None:
        self.told.append(f"{record.offset} {fault.reason} behind {len(self.published)}")

    async def bury(self, value: bytes | None, *, broadcast: bool = False) -> list[str]:
        listen = Listen(
            topics=["actalog.tools.commands"], group="g", hear=self.hear, lane=lambda _: "k",
            broadcast=broadcast, buried=self.buried,
        )  # fmt: skip
        record = Record("actalog.tools.commands", 0, 5, 0, b"k", value, ())
        await bury_over(self.publish, listen, record, FAULT)
        return [one.topic for one in self.published]


async def test_the_letter_goes_first_then_word_to_its_run_then_who_listens_is_told():
    grave = Grave()
    assert await grave.bury(NAMED) == [LETTERS, REPLIES]
    assert grave.told == ["5 permanent behind 2"]


@pytest.mark.parametrize("value", [b"no message", b"[]", b"{}", b"", None])
async def test_what_names_no_run_has_its_letter_alone(value: bytes | None):
    grave = Grave()
    assert await grave.bury(value) == [LETTERS]
    assert grave.published[0].value == value
    assert len(grave.told) == 1


async def test_of_what_nobody_takes_whole_the_beginning_is_kept_and_its_run_is_told():
    grave = Grave(most=MOST_BYTES_KEPT)
    value = NAMED + b" " * (MOST_BYTES_KEPT + 1)
    assert await grave.bury(value) == [LETTERS, REPLIES]
    letter = grave.published[0]
    assert letter.value == value[:MOST_BYTES_KEPT]
    assert ("dlq-cut-from-bytes", str(len(value)).encode()) in letter.headers


async def test_without_a_letter_nobody_is_told_of_one():
    grave = Grave(away=True)
    with pytest.raises(NotAcknowledged):
        await grave.bury(NAMED)
    assert (grave.published, grave.told) == ([], [])


async def test_what_is_heard_as_a_broadcast_has_no_letters():
    """Each replica hears it, and what it was about is in the log."""
    grave = Grave()
    assert await grave.bury(NAMED, broadcast=True) == []
    assert grave.told == []


def test_one_waits_longer_each_time_up_to_a_bound_and_never_less_than_half_of_it():
    backoff = Backoff(first_s=0.05, most_s=3.0, dice=random.Random(1))
    for attempt in (*range(1, 8), 40, 5_000):
        ceiling = min(3.0, 0.05 * 2 ** min(attempt - 1, 20))
        waits = [backoff.delay_s(attempt) for _ in range(200)]
        assert ceiling / 2 <= min(waits) < 0.6 * ceiling
        assert 0.9 * ceiling < max(waits) <= ceiling
