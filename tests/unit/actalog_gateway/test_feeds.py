"""What lies in a gateway on its way to clients is bounded, and what was taken no longer counts."""

import pytest

from actalog_gateway.feeds import Dropped, Feed, Recent, Told


def told(seq: int) -> Told:
    return Told(seq, "run.started.v1", "", "{}", {})


async def test_who_reads_may_be_told_any_amount():
    feed = Feed(most=2, most_bytes=10)
    for seq in range(50):
        feed.offer(told(seq), 6)
        item = await feed.next(1)
        assert isinstance(item, Told)
        assert item.seq == seq


@pytest.mark.parametrize("size", [1, 6])
async def test_who_does_not_read_is_dropped(size: int):
    feed = Feed(most=2, most_bytes=10)
    for seq in range(3 if size == 1 else 2):
        feed.offer(told(seq), size)
    with pytest.raises(Dropped):
        await feed.next(1)


def test_of_all_that_is_being_written_the_oldest_is_let_go():
    recent = Recent(most_bytes=30, of_one=25)
    for session in (b"a", b"b", b"c"):
        recent.put(session, b"x" * 10)
    recent.put(b"a", b"y" * 5)  # the oldest is `b` now
    assert recent.of(b"b") == []
    assert recent.of(b"a") == [b"x" * 10, b"y" * 5]
    assert recent.of(b"c") == [b"x" * 10]
    recent.put(b"a", b"z" * 11)  # too much of one
    assert recent.of(b"a") == []
    assert recent.bytes == 10


def test_what_the_log_has_makes_room():
    recent = Recent(most_bytes=30, of_one=30)
    recent.put(b"kept", b"x" * 10)
    for _ in range(10):
        recent.put(b"s", b"x" * 20)
        recent.forget(b"s")
        recent.forget(b"s")  # twice is not too much
    assert recent.of(b"kept") == [b"x" * 10]
    assert recent.bytes == 10
