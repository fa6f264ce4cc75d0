"""Another fault of aiokafka, mended where it is: what it does with a header's name that is no UTF-8.

Brokers do not look at names, and producers in C and Go write what bytes they like. aiokafka raises
in the middle of its partition's records, for ever: one such record would hold up all behind it.
The rest of what was fetched is read once more by its slower reader, with "?" for such bytes.
"""

import struct
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Self

import structlog
from aiokafka.consumer import fetcher
from aiokafka.record import default_records
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import decode_varint

log = structlog.get_logger()
LENGTH_AT, LAST_DELTA_AT, OVERHEAD = 8, 23, 12  # bytes, of a batch in Kafka's format 2

PlainBatch: Any = getattr(default_records, "_DefaultRecordBatchPy")  # noqa: B009
AnyRecords: Any = MemoryRecords
Next = Callable[[Any], Any]


class Kept(AnyRecords):
    """What was fetched, with its bytes."""

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
        self.raw = raw


class Forgiving(PlainBatch):
    """A batch whose headers have names that can be read."""

    def __iter__(self) -> Self:
        batch: Any = self
        batch._maybe_uncompress()
        rename(batch._buffer, batch._pos, batch._num_records)
        return self


class Rest:
    """The batches that hold an offset or come behind it."""

    def __init__(self, raw: bytes, offset: int) -> None:
        self._left = [one for one in _batches(raw) if _next_offset(one) > offset]

    def has_next(self) -> bool:
        return bool(self._left)

    def next_batch(self) -> Forgiving:
        return Forgiving(self._left.pop(0))


def rename(buffer: bytearray, at: int, records: int) -> None:
    """Put "?" for each byte beyond ASCII in the names that are no UTF-8, of the records of a batch
    which begin there."""
    for _ in range(records):
        size, at = decode_varint(buffer, at)
        end = at + size
        at += 1  # attributes
        for _ in ("time", "offset"):
            _, at = decode_varint(buffer, at)
        for _ in ("key", "value"):
            size, at = decode_varint(buffer, at)
            at += max(size, 0)
        headers, at = decode_varint(buffer, at)
        for _ in range(headers):
            size, at = decode_varint(buffer, at)
            buffer[at : at + size] = _readable(bytes(buffer[at : at + size]))
            size, at = decode_varint(buffer, at + size)
            at += max(size, 0)
        at = end


def _readable(name: bytes) -> bytes:
    try:
        name.decode("utf-8")
    except UnicodeDecodeError:
        return bytes(one if one < 128 else ord("?") for one in name)
    return name


def _batches(raw: bytes) -> Iterator[bytes]:
    at = 0
    while at + OVERHEAD <= len(raw):
        end = at + OVERHEAD + struct.unpack_from(">i", raw, at + LENGTH_AT)[0]
        if end > len(raw):
            return  # the broker cuts off the last
        yield raw[at:end]
        at = end


def _next_offset(batch: bytes) -> int:
    base: int = struct.unpack_from(">q", batch)[0]
    delta: int = struct.unpack_from(">i", batch, LAST_DELTA_AT)[0]
    return base + delta + 1


def forgiving(following: Next) -> Next:
    """`PartitionRecords.__next__`, which goes on where a name cannot be read."""

    @wraps(following)
    def found(records: Any) -> Any:
        try:
            return following(records)
        except UnicodeDecodeError:
            log.warning("a header's name is no UTF-8", at=str(records._tp))
            records._records = Rest(records._records.raw, records.next_fetch_offset)
            records._records_iterator = records._unpack_records()
            return following(records)

    return found


def mend() -> None:
    """For every consumer of this process, once."""
    library: Any = fetcher
    if library.MemoryRecords is not Kept:
        library.MemoryRecords = Kept
        library.PartitionRecords.__next__ = forgiving(library.PartitionRecords.__next__)
