"""A clock that is far from the database's counts for what it surely says."""

from datetime import UTC, datetime, timedelta

import pytest

from actalog_core.sure_clock import SureClock

NOW = datetime(2026, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("theirs", "surely", "latest"),
    [
        (NOW - HOUR, NOW - HOUR, NOW), (NOW + HOUR, NOW, NOW + HOUR),
        (NOW - timedelta(seconds=4), NOW, NOW), (None, NOW, NOW),
    ],
)  # fmt: skip
def test_the_earlier_time_has_come_and_the_later_one_is_granted(
    theirs: datetime | None, surely: datetime, latest: datetime
):
    clock = SureClock(lambda: NOW)
    clock.compare(theirs)
    assert (clock(), clock.latest()) == (surely, latest)
    assert clock.theirs() == (theirs if surely != latest else NOW)


def test_a_clock_that_was_set_right_counts_again():
    now = NOW + HOUR
    clock = SureClock(lambda: now)
    clock.compare(NOW)
    now = NOW
    clock.compare(NOW)
    assert clock() == clock.latest() == NOW
