"""A record that is to be seen only after the one behind it is heard all the same."""

import struct
from types import SimpleNamespace
from typing import Any

from aiokafka import TopicPartition

from actalog_bus.fetched import BASE_AT, LAST_DELTA_AT
from actalog_bus.holes import WAITS_S, Holes
from actalog_bus.ports import Sealed

HERE, THERE = TopicPartition("t", 0), TopicPartition("t", 1)


class Log:
    """Gives what it has from where it is read."""

    def __init__(self, *offsets: int) -> None:
        self.has, self.at, self.now = set(offsets), 0, 0.0
        self.holes = Holes(self.seek, lambda: self.now)

    def seek(self, at: TopicPartition, offset: int) -> None:
        assert at == HERE
        self.at = offset

    def poll(self) -> list[int]:
        found = [offset for offset in sorted(self.has) if offset >= self.at]
        if not found:
            return []
        self.at = found[-1] + 1
        told = self.holes.whole({HERE: [_record(offset) for offset in found]})
        return [one.offset for one in told.get(HERE, [])]


def _record(offset: int, value: bytes = b"") -> Any:
    return SimpleNamespace(offset=offset, value=value)


def test_what_is_missing_is_waited_for_and_what_is_behind_it_comes_after_it():
    log = Log(0, 1, 3, 4)
    log.holes.reads_from(HERE, 0)
    assert log.poll() == [0, 1]
    assert log.poll() == []
    log.has.add(2)
    assert log.poll() == [2, 3, 4]
    assert log.poll() == []


def test_what_does_not_come_is_given_up():
    log = Log(1, 2, 5)
    log.holes.reads_from(HERE, 0)
    assert log.poll() == []
    log.now += WAITS_S
    assert log.poll() == [1, 2]
    assert log.poll() == []  # another hole has its own time
    log.now += WAITS_S / 2
    assert log.poll() == []
    log.now += WAITS_S / 2
    assert log.poll() == [5]


def test_a_hole_that_was_seen_before_and_is_seen_again_has_its_time_anew():
    log = Log(0, 2)
    log.holes.reads_from(HERE, 0)
    assert log.poll() == [0]
    log.has.add(1)
    assert log.poll() == [1, 2]
    log.now += 10 * WAITS_S
    log.has.add(4)
    assert log.poll() == []


def test_where_nothing_is_known_any_offset_may_be_the_first():
    log = Log(7, 9)
    assert log.poll() == [7]


def test_what_is_read_again_is_no_hole():
    log = Log(0, 1, 2)
    assert log.poll() == [0, 1, 2]
    log.holes.reads_from(HERE, 2)
    log.at = 2
    assert log.poll() == [2]
    log.has.add(3)
    log.at = 1  # not asked for: it is passed on, for others to judge
    assert log.poll() == [1, 2, 3]


def test_one_partition_waits_for_no_other():
    log = Log()
    for at in (HERE, THERE):
        log.holes.reads_from(at, 0)
    told = log.holes.whole({HERE: [_record(1)], THERE: [_record(0), _record(1)]})
    assert {at: [one.offset for one in records] for at, records in told.items()} == {THERE: [0, 1]}


def test_a_batch_that_was_given_up_as_one_record_is_as_long_as_it_is():
    log, batch = Log(), bytearray(61)
    struct.pack_into(">q", batch, BASE_AT, 4)
    struct.pack_into(">i", batch, LAST_DELTA_AT, 2)
    sealed = _record(4, Sealed(bytes(batch), "it is broken"))
    told = log.holes.whole({HERE: [sealed, _record(7)]})
    assert [one.offset for one in told[HERE]] == [4, 7]
