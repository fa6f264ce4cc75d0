"""A header's name that is no UTF-8, in what was fetched from a broker."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.record import default_records

from actalog_bus import header_names

Builder: Any = getattr(default_records, "_DefaultRecordBatchBuilderPy")  # noqa: B009
COMMITTED = 1  # isolation


class Latin(str):
    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return super().encode("latin-1")


def batch(base: int, names: list[str], *, codec: int = 0, producer: int = -1) -> bytes:
    """A record for each name, with it and a value as its headers."""
    builder = Builder(2, codec, producer >= 0, producer, 0, 0, 1_000_000)
    for at, name in enumerate(names):
        key = None if at % 2 else b"key"
        builder.append(at, 7, key, b"\xe9 %d" % (base + at), [(name, None), ("b", b"\xe9")])
    told = bytearray(builder.build())
    told[:8] = base.to_bytes(8, "big")  # no part of what the checksum is of
    return bytes(told)


def read(raw: bytes, *, begin: int = 0, aborted: Any = None) -> list[Any]:
    header_names.mend()
    header_names.mend()  # once is enough, and twice is not too much
    library: Any = fetcher
    records = library.MemoryRecords(raw)
    told = library.PartitionRecords(
        TopicPartition("t", 0), records, aborted, begin, None, None, True, COMMITTED
    )
    return [(one.offset, one.value, [name for name, _ in one.headers]) for one in told]


@pytest.mark.parametrize("codec", [0, 1, 2, 3, 4])
def test_each_record_is_read_once_with_names_that_can_be_read(codec: int):
    odd = Latin("caf\xe9")
    first = batch(0, ["a", "ä"], codec=codec)
    raw = first + batch(2, ["a", odd, "ä", odd], codec=codec) + batch(6, [odd, "z"], codec=codec)
    names = ["a", "ä", "a", "caf?", "ä", "caf?", "caf?", "z"]
    assert read(raw + raw[:30]) == [
        (at, b"\xe9 %d" % at, [name, "b"]) for at, name in enumerate(names)
    ]
    assert [offset for offset, *_ in read(raw[len(first) :], begin=4)] == [4, 5, 6, 7]


def test_what_was_taken_back_stays_taken_back():
    odd = Latin("\xe9")
    raw = batch(0, ["a"], producer=5) + batch(1, [odd], producer=6) + batch(2, [odd], producer=5)
    raw += batch(3, ["z"], producer=6)
    assert [offset for offset, *_ in read(raw, aborted=[(5, 0)])] == [1, 3]
