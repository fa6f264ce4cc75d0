"""The law of the watermark, as properties."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actalog_bus.watermark import Beside, Stamp, Watermark


@given(st.sets(st.integers(0, 60), min_size=1), st.data())
def test_what_may_be_committed_is_never_past_an_unfinished_offset(
    offsets: set[int], data: st.DataObject
) -> None:
    mark = Watermark()
    taken = sorted(offsets)
    for offset in taken:
        assert mark.take(offset)
    before = mark.offset
    unfinished = set(taken)
    for offset in data.draw(st.permutations(taken)):
        mark.finish(offset)
        unfinished.discard(offset)
        assert mark.offset == (min(unfinished) if unfinished else taken[-1] + 1)
        assert mark.offset is not None
        assert before is not None
        assert mark.offset >= before
        before = mark.offset
    assert mark.span == 0


@given(st.lists(st.integers(0, 30)))
def test_an_offset_is_taken_once_however_often_it_is_fetched(fetched: list[int]) -> None:
    mark = Watermark()
    taken = [offset for offset in fetched if mark.take(offset)]
    assert taken == sorted(set(taken))


def test_nothing_may_be_committed_before_anything_was_taken() -> None:
    assert Watermark().offset is None


def test_a_commit_names_the_last_record_before_it() -> None:
    mark = Watermark()
    for offset, at_ms in ((4, 40), (5, 30), (9, 90)):
        mark.take(offset, at_ms)
    mark.finish(9)
    mark.finish(4)
    assert (mark.offset, mark.done) == (5, Stamp(4, 40))
    mark.finish(5)
    assert (mark.offset, mark.done) == (10, Stamp(9, 90))
    assert Stamp.of(str(Stamp(9, 90))) == Stamp(9, 90)


@pytest.mark.parametrize(
    "text", ["", "9", "@", "a@b", "-1@5", "5@b", "5@\u00b2", "5@1@2", "some text"]
)
def test_what_another_tool_wrote_beside_an_offset_says_nothing(text: str) -> None:
    assert Stamp.of(text) is None
    assert Beside.of(text) == Beside()


def test_what_is_finished_takes_no_room_however_long_a_partition_is() -> None:
    """The one thing here that would grow for as long as a process lives."""
    sizes: list[int] = []
    mark = Watermark()
    for offset in range(4_000):
        mark.take(offset)
        mark.finish(offset)
        sizes.append(len(pickle.dumps(mark)))
    assert sizes[-1] < 2 * sizes[0]


def test_what_stands_beside_an_offset_is_read_as_it_was_written() -> None:
    told = [Beside(), Beside(Stamp(9, 90)), Beside(Stamp(9, 90), 2), Beside(None, 3)]
    assert [Beside.of(str(one)) for one in told] == told
    assert [Beside.of(text) for text in ("of another tool", "7", "#", "a#b")] == [Beside()] * 4
