"""Dead letters: the raw bytes, the original key and headers, and why (interface.md, section 1).

A letter that is redriven keeps its lineage in headers: where it lay first, from which dead letter
it comes, who sent it again and when. It may die again, and keeps what it has.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from actalog_bus.ports import Fault, Outgoing, Record
from actalog_contracts.topics import DLQ_SUFFIX

DEAD, REDRIVE = "dlq-", "redrive-"
ORIGIN, FROM, BY, AT, COUNT = (
    "redrive-origin", "redrive-from", "redrive-by", "redrive-at", "redrive-count",
)  # fmt: skip
DIGITS = 19  # of the largest int64
MOST_BYTES_KEPT = 900_000  # of a letter that no broker takes whole


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a record lay first. `timestamp_ms` is the broker's, of then."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}/{self.offset}/{self.timestamp_ms}"


def origin(record: Record) -> Origin:
    """Where a record lay first: of a redriven one where it lay before it died (protocol 1.2)."""
    told = (record.header(ORIGIN) or b"").decode("utf-8", "replace").rsplit("/", 3)
    # From outside the header says what its sender likes: a topic other than this one is not read.
    if len(told) == 4 and told[0] == record.topic and all(map(_whole, told[1:])):
        return Origin(told[0], *map(int, told[1:]))
    return Origin(record.topic, record.partition, record.offset, record.timestamp_ms)


def _whole(text: str) -> bool:
    """Whether it is a number as brokers have them. Python raises at one of thousands of digits."""
    return text.isascii() and text.isdecimal() and len(text) <= DIGITS


def dead_letter(record: Record, fault: Fault) -> Outgoing:
    """The record as it came. Headers of an earlier death are replaced, so a redrive can die too;
    its source is where it lay first."""
    kept = tuple((name, value) for name, value in record.headers if not name.startswith(DEAD))
    first = origin(record)
    told = {
        "dlq-reason": fault.reason,
        "dlq-error": fault.error[:1_000],
        "dlq-source-topic": first.topic,
        "dlq-source-partition": str(first.partition),
        "dlq-source-offset": str(first.offset),
        "dlq-source-timestamp": str(first.timestamp_ms),
        "dlq-attempts": str(fault.attempts),
    }
    return Outgoing(
        topic=record.topic + DLQ_SUFFIX,
        value=record.value,
        key=record.key,
        headers=(*kept, *((name, text.encode("utf-8", "replace")) for name, text in told.items())),
    )


def cut(letter: Outgoing) -> Outgoing:
    """A letter that is larger than any broker takes: its beginning, and how long it was."""
    value = letter.value or b""
    told = ("dlq-cut-from-bytes", str(len(value)).encode())
    return replace(letter, value=value[:MOST_BYTES_KEPT], headers=(*letter.headers, told))


def redriven(letter: Record, *, by: str, at: str) -> Outgoing:
    """The record that a letter was, to be published to the topic it came from. The marker stands
    last among its headers, where whoever hears it finds it at once.

    Raises:
        ValueError: it does not say where it came from, or is not whole.
    """
    told = about(letter)
    source = told["dlq-source-topic"]
    if told.get("dlq-cut-from-bytes"):
        raise ValueError("it was too large to be kept whole: send the message again")
    if not source or f"{source}{DLQ_SUFFIX}" != letter.topic:
        raise ValueError("it does not say where it came from")
    first = Origin(
        source, int(told["dlq-source-partition"]), int(told["dlq-source-offset"]),
        int(told.get("dlq-source-timestamp") or letter.timestamp_ms),
    )  # fmt: skip
    lineage = {
        BY: by, AT: at, COUNT: str(redrives(letter) + 1), ORIGIN: str(first),
        FROM: f"{letter.topic}/{letter.partition}/{letter.offset}",
    }  # fmt: skip
    kept = tuple(
        (name, value) for name, value in letter.headers
        if not name.startswith(DEAD) and name not in lineage
    )  # fmt: skip
    added = tuple((name, text.encode("utf-8", "replace")) for name, text in lineage.items())
    return Outgoing(source, letter.value, letter.key, (*kept, *added))


def redrives(letter: Record) -> int:
    """How often it was sent again. Its first sender may have said anything."""
    told = about(letter).get(COUNT, "")
    return int(told) if _whole(told) else 0


def about(letter: Record) -> Mapping[str, str]:
    """What a letter says of its death and of its redrives."""
    told = {
        name: value.decode("utf-8", "replace") for name, value in letter.headers
        if name.startswith((DEAD, REDRIVE))
    }  # fmt: skip
    for name in ("dlq-source-topic", "dlq-source-partition", "dlq-source-offset"):
        told.setdefault(name, "")
    return told


def was_redriven(record: Record) -> bool:
    """Whether somebody sent it again from the dead letters."""
    return bool(record.headers) and record.headers[-1][0] == FROM
