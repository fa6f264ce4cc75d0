"""What a batch of records unpacks to has a limit.

A broker looks at the size of a batch as it was sent: within 1 MiB there is room for gigabytes, and
aiokafka unpacks all of it in memory. Who hears such a batch would die of it, and whoever comes next
as well. A batch that is too large, or cannot be unpacked, is given up as one record instead, and
what lies behind it is heard.
"""

import struct
import zlib
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, TypeAlias

import cramjam
import structlog
from aiokafka import ConsumerRecord
from aiokafka.consumer import fetcher
from aiokafka.record import default_records

from actalog_bus.fetched import base_offset, batches, next_offset, unpacked
from actalog_bus.header_names import Next, Rest
from actalog_bus.ports import Sealed

MOST_BYTES = 32 * 1_048_576  # of a batch, unpacked; far more than what its producer holds together
MOST_MEMBERS = 16  # of gzip: producers write one
GZIP = 31  # zlib's word for gzip's frame
XERIAL, XERIAL_BYTES = b"\x82SNAPPY\x00", 16  # of Java's snappy, which writes blocks
TIME_AT = 35  # of the youngest record, in Kafka's format 2

log = structlog.get_logger()
Buffer: TypeAlias = bytes | bytearray | memoryview


class CannotUnpack(Exception):
    """A batch is too large, or broken."""


class Room:
    """Where batches are unpacked to, one after the other. What is not touched costs no memory."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self.most, self._room = most, bytearray()

    def zstd(self, payload: Buffer) -> bytes:
        return self._into(cramjam.zstd.decompress_into, payload)

    def lz4(self, payload: Buffer) -> bytes:
        return self._into(cramjam.lz4.decompress_into, payload)

    def snappy(self, payload: Buffer) -> bytes:
        """Raw, or in Java's blocks."""
        try:
            blocks = list(_blocks(bytes(payload)))
            size = sum(map(cramjam.snappy.decompress_raw_len, blocks))
            if size > self.most:
                raise CannotUnpack(f"it unpacks to {size} bytes; at most {self.most} are read")
            told = b"".join(bytes(cramjam.snappy.decompress_raw(block)) for block in blocks)
        except (cramjam.DecompressionError, struct.error) as error:
            raise CannotUnpack(f"it is broken: {error}") from error
        return _counted(told)

    def gzip(self, payload: Buffer) -> bytes:
        """One member behind the other, as gzip has it."""
        told, left, members = b"", bytes(payload), 0
        try:
            while left:
                members += 1
                if members > MOST_MEMBERS:
                    raise CannotUnpack(f"it has more than {MOST_MEMBERS} members")
                member = zlib.decompressobj(GZIP)
                told += member.decompress(left, self.most + 1 - len(told))
                if len(told) > self.most:
                    raise CannotUnpack(f"it unpacks to more than {self.most} bytes")
                if not member.eof:
                    raise CannotUnpack("it is broken: it ends in the middle")
                left = member.unused_data.lstrip(b"\0")
        except zlib.error as error:
            raise CannotUnpack(f"it is broken: {error}") from error
        return _counted(told)

    def _into(self, unpack: Callable[[Any, Any], int], payload: Buffer) -> bytes:
        self._room = self._room or bytearray(self.most)
        try:
            size = unpack(payload, self._room)
        except cramjam.DecompressionError as error:
            said = f"it is broken, or unpacks to more than {self.most} bytes: {error}"
            raise CannotUnpack(said) from error
        return _counted(bytes(memoryview(self._room)[:size]))


def _counted(told: bytes) -> bytes:
    unpacked.bytes += len(told)
    return told


def _blocks(payload: bytes) -> Iterator[bytes]:
    if not payload.startswith(XERIAL):
        yield payload
        return
    at = XERIAL_BYTES
    while at < len(payload):
        size: int = struct.unpack_from(">i", payload, at)[0]
        if not 0 <= size <= len(payload) - at - 4:
            raise struct.error("a block is cut off")
        yield payload[at + 4 : at + 4 + size]
        at += 4 + size


def giving_up(following: Next) -> Next:
    """`PartitionRecords.__next__`, which goes on behind a batch that cannot be unpacked."""

    @wraps(following)
    def found(records: Any) -> Any:
        try:
            return following(records)
        except CannotUnpack as error:
            raw, begin = records._records.raw, records.next_fetch_offset
            batch = next(one for one in batches(raw) if next_offset(one) > begin)
            log.warning("a batch cannot be unpacked", at=str(records._tp), why=str(error))
            records.next_fetch_offset = next_offset(batch)
            records._records = Rest(raw, records.next_fetch_offset)
            records._records_iterator = records._unpack_records()
            return _sealed(records._tp, batch, begin, str(error))

    return found


def _sealed(at: Any, batch: bytes, begin: int, why: str) -> Any:
    """The record that stands for a batch, or for what of it lies behind `begin`."""
    offset = max(base_offset(batch), begin)
    time_ms: int = struct.unpack_from(">q", batch, TIME_AT)[0]
    said = f"{next_offset(batch) - base_offset(batch)} records in a batch: {why}"
    made: Any = ConsumerRecord
    return made(
        at.topic, at.partition, offset, time_ms, 0, None, Sealed(batch, said), None, -1,
        len(batch), (),
    )  # fmt: skip


def mend(room: Room | None = None) -> None:
    """For every consumer of this process, once."""
    library: Any = fetcher
    records: Any = library.PartitionRecords
    if hasattr(records, "gives_up"):
        return
    records.gives_up, room = True, room or Room()
    for module in readers():
        for codec in ("gzip", "snappy", "lz4", "zstd"):
            setattr(module, f"{codec}_decode", getattr(room, codec))
    records.__next__ = giving_up(records.__next__)


def readers() -> Iterator[Any]:
    """The modules whose batches unpack themselves: in Python, and in C where it was built."""
    yield default_records
    faster: Any = default_records.DefaultRecordBatch
    if faster.__module__ != default_records.__name__:
        yield __import__(faster.__module__, fromlist=["gzip_decode"])
