"""Marks of what was heard: they go up, and back once with a broker that lost its data."""

import pytest

from actalog_conductor.heard_marks import HeardMarks, OpenRunsFirst
from actalog_log.memory import MemoryLog

ONE, TWO = ("tasks", 0), ("tasks", 1)


def heard(log: MemoryLog) -> dict[int, int]:
    return {partition: offset for (_, _, partition), offset in log.heard.items()}


async def test_marks_go_up_alone_until_the_broker_begins_anew():
    log = MemoryLog()
    marks = HeardMarks(log, "g", lambda: True)
    await marks.note({ONE: 1_000, TWO: 500})
    await marks.note({ONE: 3})
    assert heard(log) == {0: 1_000, 1: 500}
    marks.broker_began_anew()
    await marks.note({ONE: 5})
    assert heard(log) == {0: 5, 1: 500}
    await marks.note({ONE: 4, TWO: 2})
    assert heard(log) == {0: 5, 1: 2}
    await marks.note({ONE: 9, TWO: 1})
    assert heard(log) == {0: 9, 1: 2}
    marks.broker_began_anew()
    await marks.note({ONE: 1})
    assert heard(log) == {0: 1, 1: 2}


async def test_nothing_counts_as_heard_before_what_was_lost_is_asked_again():
    log, looked = MemoryLog(), False
    marks = HeardMarks(log, "g", lambda: looked)
    marks.broker_began_anew()
    with pytest.raises(OpenRunsFirst):
        await marks.note({ONE: 5})
    assert heard(log) == {}
    looked = True
    await marks.note({ONE: 5})
    assert heard(log) == {0: 5}
