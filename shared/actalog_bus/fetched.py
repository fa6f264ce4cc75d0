"""What was fetched of a partition, kept with its bytes, so that a batch can be looked at again."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiokafka.record.memory_records import MemoryRecords

BASE_AT, LENGTH_AT, LAST_DELTA_AT = 0, 8, 23  # in a batch of Kafka's format 2
OVERHEAD = 12  # bytes before what its length counts
AT_ONCE_BYTES = 64 * 1_048_576  # unpacked of one partition's records before they are handed on

AnyRecords: Any = MemoryRecords


@dataclass(slots=True)
class Unpacked:
    """How many bytes were unpacked, by all consumers of this process."""

    bytes: int = 0


unpacked = Unpacked()


class Measure:
    """Of one partition, no more is unpacked at once: what is left is fetched again."""

    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began: int | None = None

    def begin(self) -> None:
        if self._began is None:
            self._began = unpacked.bytes

    def full(self) -> bool:
        return self._began is not None and unpacked.bytes - self._began >= AT_ONCE_BYTES


class Kept(AnyRecords):
    """aiokafka's batches of one answer."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.raw, self._measure = raw, Measure()

    def has_next(self) -> bool:
        batches: Any = super()
        return batches.has_next() and not self._measure.full()

    def next_batch(self) -> Any:
        self._measure.begin()
        batches: Any = super()
        return batches.next_batch()


def batches(raw: bytes) -> Iterator[bytes]:
    """One after the other; the broker cuts off the last."""
    at = 0
    while at + OVERHEAD <= len(raw):
        end = at + OVERHEAD + struct.unpack_from(">i", raw, at + LENGTH_AT)[0]
        if end > len(raw):
            return
        yield raw[at:end]
        at = end


def base_offset(batch: bytes) -> int:
    """Of its first record."""
    base: int = struct.unpack_from(">q", batch, BASE_AT)[0]
    return base


def next_offset(batch: bytes) -> int:
    """The first behind it."""
    delta: int = struct.unpack_from(">i", batch, LAST_DELTA_AT)[0]
    return base_offset(batch) + delta + 1
