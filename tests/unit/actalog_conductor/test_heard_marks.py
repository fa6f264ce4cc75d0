"""Marks of what was heard: they go up, and back once with a broker that lost its data."""

import pytest

from actalog_conductor.heard_marks import HeardMarks
from actalog_core.errors import Transient
from actalog_log.memory import MemoryLog

ONE, TWO = ("tasks", 0), ("tasks", 1)


async def nothing() -> None: ...


def heard(log: MemoryLog) -> dict[int, int]:
    return {partition: offset for (_, _, partition), offset in log.heard.items()}


async def test_marks_go_up_alone_until_the_broker_begins_anew():
    log = MemoryLog()
    marks = HeardMarks(log, "g", nothing)
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
    log, failing, asked = MemoryLog(), [Transient("not now")], list[dict[int, int]]()

    async def ask_again() -> None:
        if failing:
            raise failing.pop()
        asked.append(heard(log))

    marks = HeardMarks(log, "g", ask_again)
    marks.broker_began_anew()
    with pytest.raises(Transient):
        await marks.note({ONE: 5})
    assert heard(log) == {}
    await marks.note({ONE: 5})
    assert asked == [{}]
    assert heard(log) == {0: 5}
