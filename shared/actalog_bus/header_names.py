"""Another fault of aiokafka, mended where it is: what it does with a header's name that is no UTF-8.

Brokers do not look at names, and producers in C and Go write what bytes they like. aiokafka raises
in the middle of its partition's records, for ever: one such record would hold up all behind it.
The rest of what was fetched is read once more by its slower reader, with "?" for such bytes.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, Self

import structlog
from aiokafka.consumer import fetcher
from aiokafka.record import default_records
from aiokafka.record.util import decode_varint

from actalog_bus.fetched import Kept, Measure, batches, next_offset

log = structlog.get_logger()

PlainBatch: Any = getattr(default_records, "_DefaultRecordBatchPy")  # noqa: B009
Next = Callable[[Any], Any]


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
        self.raw, self._measure = raw, Measure()
        self._left = [one for one in batches(raw) if next_offset(one) > offset]

    def has_next(self) -> bool:
        return bool(self._left) and not self._measure.full()

    def next_batch(self) -> Forgiving:
        self._measure.begin()
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
