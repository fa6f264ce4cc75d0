from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actalog_core import clock

moments = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC))


@given(moments)
def test_a_time_survives_being_written(moment: datetime):
    assert clock.parse_time(clock.rfc3339(moment)) == moment


@given(moments, moments)
def test_texts_sort_as_times_do(one: datetime, other: datetime):
    assert (clock.rfc3339(one) < clock.rfc3339(other)) == (one < other)


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        clock.parse_time("2026-11-24T16:00:00")


def test_later_adds_milliseconds():
    assert clock.later("2026-11-24T16:00:00Z", 1500) == "2026-11-24T16:00:01.500000Z"
