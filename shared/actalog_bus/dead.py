"""Dead letters: the raw bytes, the original key and headers, and why (interface.md, section 1)."""

from dataclasses import dataclass
from typing import Literal

from actalog_bus.ports import Headers, Record
from actalog_contracts.topics import DLQ_SUFFIX

Reason = Literal["permanent", "unexpected"]


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a record is given up, after how many hearings."""

    reason: Reason
    error: str
    attempts: int


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What is published to `<topic>.dlq`."""

    topic: str
    value: bytes | None
    key: bytes | None
    headers: Headers


def dead_letter(record: Record, fault: Fault) -> DeadLetter:
    """The record as it came. Headers of an earlier death are replaced, so a redrive can die too."""
    original = tuple((name, value) for name, value in record.headers if name[:4] != "dlq-")
    told = {
        "dlq-reason": fault.reason,
        "dlq-error": fault.error[:1_000],
        "dlq-source-topic": record.topic,
        "dlq-source-partition": str(record.partition),
        "dlq-source-offset": str(record.offset),
        "dlq-attempts": str(fault.attempts),
    }
    return DeadLetter(
        topic=record.topic + DLQ_SUFFIX,
        value=record.value,
        key=record.key,
        headers=(*original, *((name, text.encode()) for name, text in told.items())),
    )
