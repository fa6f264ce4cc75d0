from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from actalog_core import clock

moments = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.just(UTC))


@given(moments)
def test_a_time_survives_being_written(moment: datetime):
    assert clock.parse_time(clock.rfc3339(moment)) == moment


@given(st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5))])))
@example(datetime(1, 1, 1, tzinfo=UTC))
@example(datetime(2026, 1, 1, 1, 1, 1, 10, tzinfo=UTC))
def test_a_time_is_written_in_utc_with_six_digits(moment: datetime):
    assume(datetime.max.replace(tzinfo=UTC) - moment > timedelta(days=1))
    naive = moment.astimezone(UTC).replace(tzinfo=None)
    assert clock.rfc3339(moment) == naive.isoformat(timespec="microseconds") + "Z"


@given(moments, moments)
def test_texts_sort_as_times_do(one: datetime, other: datetime):
    assert (clock.rfc3339(one) < clock.rfc3339(other)) == (one < other)


@given(moments, moments)
def test_what_was_told_before_changes_no_time(one: datetime, other: datetime):
    told = [clock.rfc3339(each) for each in (one, one, other, one)]
    assert told == [clock.rfc3339(each + timedelta()) for each in (one, one, other, one)]


def test_a_time_without_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        clock.parse_time("2026-11-24T16:00:00")


def test_later_adds_milliseconds():
    assert clock.later("2026-11-24T16:00:00Z", 1500) == "2026-11-24T16:00:01.500000Z"
