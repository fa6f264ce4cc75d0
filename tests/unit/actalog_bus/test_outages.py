"""An outage is said once and its reason with it, not once for every record that waits."""

from typing import Any

from structlog.testing import capture_logs

from actalog_bus.outages import MOST, Outages
from actalog_bus.ports import Record
from actalog_core.errors import Transient


def record(offset: int) -> Record:
    return Record("t", 2, offset, 0, b"k", b"v", ())


def warned(told: list[Any]) -> list[tuple[str, int, int]]:
    return [(one["error"], one["offset"], one["more"]) for one in told]


def test_the_reason_is_said_with_the_first_record_and_later_how_many_met_it():
    now = 100.0
    outages = Outages(lambda: now)
    gone, slow = Transient("PostgreSQL: connection refused"), Transient("PostgreSQL: no answer")
    with capture_logs() as told:
        for offset in range(200):
            outages.met(record(offset), gone, attempts=1)
        outages.met(record(200), slow, attempts=1)
        now += 5.0
        outages.met(record(7), gone, attempts=3)
        now += 5.0
        outages.met(record(8), gone, attempts=4)
    refused = "Transient: May succeed when tried again. PostgreSQL: connection refused"
    answerless = "Transient: May succeed when tried again. PostgreSQL: no answer"
    assert warned(told) == [
        (refused, 0, 0), (answerless, 200, 0), (refused, 7, 199), (refused, 8, 0),
    ]  # fmt: skip
    assert (told[0]["topic"], told[0]["partition"]) == ("t", 2)


def test_reasons_without_end_are_not_kept_without_end():
    outages = Outages(lambda: 0.0)
    with capture_logs() as told:
        for number in range(10 * MOST):
            outages.met(record(number), Transient(str(number)), attempts=1)
    assert len(told) == 10 * MOST
    assert len(outages._said) <= MOST  # pyright: ignore[reportPrivateUsage]
