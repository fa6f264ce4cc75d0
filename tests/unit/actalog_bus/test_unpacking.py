"""What batches unpack to, and what becomes of one that unpacks to too much or to nothing."""

import gzip
import struct
from collections.abc import Callable
from typing import Any

import cramjam
import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record import default_records
from hypothesis import given
from hypothesis import strategies as st

from actalog_bus import fetched, header_names, unpacking
from actalog_bus.ports import Sealed
from actalog_bus.unpacking import CannotUnpack, Room

MOST = 10_000
NAMES = ("gzip", "snappy", "lz4", "zstd")
Builder: Any = getattr(default_records, "_DefaultRecordBatchBuilderPy")  # noqa: B009


def java_snappy(data: bytes) -> bytes:
    head = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
    blocks = [cramjam.snappy.compress_raw(data[at : at + 999]) for at in range(0, len(data), 999)]
    return head + b"".join(struct.pack(">i", len(one)) + bytes(one) for one in blocks)


PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gzip members": lambda data: gzip.compress(data[:7]) + gzip.compress(data[7:]) + b"\0\0",
    "snappy": lambda data: bytes(cramjam.snappy.compress_raw(data)),
    "snappy of Java": java_snappy,
    "lz4": lambda data: bytes(cramjam.lz4.compress(data)),
    "zstd": lambda data: bytes(cramjam.zstd.compress(data)),
}  # fmt: skip


def unpack(name: str, payload: bytes) -> bytes:
    return getattr(Room(MOST), name.split()[0])(memoryview(payload))


@pytest.mark.parametrize("name", PACK)
@given(data=st.binary(max_size=MOST))
def test_what_was_packed_is_unpacked(name: str, data: bytes):
    assert unpack(name, PACK[name](data)) == data


@pytest.mark.parametrize("name", PACK)
def test_as_much_as_there_is_room_for_and_no_more(name: str):
    assert len(unpack(name, PACK[name](b"a" * MOST))) == MOST
    with pytest.raises(CannotUnpack, match=str(MOST)):
        unpack(name, PACK[name](b"a" * (MOST + 1)))


@pytest.mark.parametrize("name", PACK)
def test_what_is_broken_says_so(name: str):
    whole = PACK[name](bytes(range(256)) * 8)
    for broken in (whole[:-9], whole[:30], b"\xff" * 40):
        with pytest.raises(CannotUnpack, match="broken"):
            unpack(name, broken)


def batch(base: int, *values: bytes, codec: int) -> bytes:
    builder = Builder(2, codec, False, -1, 0, 0, 1_000_000)
    for at, value in enumerate(values):
        builder.append(at, 7, b"key", value, [])
    told = bytearray(builder.build())
    told[:8] = base.to_bytes(8, "big")  # no part of what the checksum is of
    return bytes(told)


def partition(raw: bytes, *, begin: int = 0) -> Any:
    library: Any = fetcher
    records = library.MemoryRecords(raw)
    return library.PartitionRecords(
        TopicPartition("t", 3), records, None, begin, None, None, True, 1
    )  # fmt: skip


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch):
    """aiokafka as it is mended, with less room."""
    library: Any = fetcher
    header_names.mend()
    unpacking.mend()
    unpacking.mend()  # once is enough, and twice is not too much
    room = Room(MOST)
    for module in unpacking.readers():
        for name in NAMES:
            monkeypatch.setattr(module, f"{name}_decode", getattr(room, name))
    return library


@pytest.mark.parametrize("codec", [1, 2, 3, 4])
def test_a_batch_that_is_too_large_stands_as_one_record_and_the_others_are_read(
    codec: int, small: object
):
    bomb, another = (batch(at, b"b" * MOST, b"c" * MOST, codec=codec) for at in (2, 4))
    first, last = batch(0, b"0", b"1", codec=codec), batch(6, b"6", codec=codec)
    told = partition(first + bomb + another[:30])  # the broker cuts off the last
    assert [one.offset for one in told] == [0, 1, 2]
    told = partition(first + bomb + another + last)
    heard = [(one.offset, one.value) for one in told]
    assert [offset for offset, _ in heard] == [0, 1, 2, 4, 6]
    assert (heard[0][1], heard[4][1]) == (b"0", b"6")
    sealed = heard[2][1]
    assert isinstance(sealed, Sealed)
    assert sealed == bomb
    assert "2 records" in sealed.said
    assert told.next_fetch_offset == 7


def test_of_a_batch_that_was_heard_in_part_the_rest_is_sealed(small: object):
    told = partition(batch(10, *[b"x" * MOST] * 3, codec=4), begin=11)
    sealed = next(told)
    assert (sealed.offset, sealed.timestamp, told.next_fetch_offset) == (11, 7, 13)
    assert next(told, None) is None


def test_a_partition_hands_over_what_it_has_before_it_unpacks_more(
    small: object, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(fetched, "AT_ONCE_BYTES", MOST)
    fetched_batches = [batch(at, b"x" * (MOST // 2), codec=4) for at in range(5)]
    begin, heard = 0, list[list[int]]()
    while begin < 5:
        told = partition(b"".join(fetched_batches[begin:]), begin=begin)
        heard.append([one.offset for one in told])
        begin = told.next_fetch_offset
    assert heard == [[0, 1], [2, 3], [4]]


def test_a_batch_of_very_many_gzip_members_is_given_up_at_once():
    """Each costs a copy of what is left: a megabyte of them would hold up everybody."""
    with pytest.raises(CannotUnpack, match="members"):
        unpack("gzip", gzip.compress(b"") * 50_000)
