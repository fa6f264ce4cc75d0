"""The hash chain and the payload envelope (protocol 11.1, 11.2)."""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from actalog_core.canonical import framed, length, sha256_parts
from actalog_core.clock import rfc3339
from actalog_core.errors import ChainBroken, NewerBuild
from actalog_log.ports import Head, NewEvent, RunRow, StoredEvent

PLAIN = 1
"""Envelope format 1: canonical JSON as it is, key id 0."""


def seal(payload: bytes) -> bytes:
    """The envelope: one byte of format, four of key id, then the payload."""
    return PLAIN.to_bytes(1, "big") + (0).to_bytes(4, "big") + payload


def unseal(sealed: bytes) -> bytes:
    """The payload in an envelope.

    Raises:
        NewerBuild: this build does not know the format.
    """
    if sealed[:1] != b"\x01":
        raise NewerBuild(f"envelope format {sealed[:1].hex() or 'none'}")
    return sealed[5:]


def _text(value: str | int | None) -> bytes:
    """None and "" must not hash the same."""
    return b"\x00" if value is None else b"\x01" + str(value).encode()


def row_digest(row: RunRow) -> bytes:
    """The previous hash of seq 1: the immutable row without its `run_no`.

    The user is left out as well: it lives in `subjects` and goes with the key (protocol 1.4).
    """
    return sha256_parts(
        b"actalog.run.1",
        *map(
            _text,
            (
                row.tenant_id, row.run_id, row.session_id, row.turn, row.kind, row.target,
                row.definition, row.body_digest, rfc3339(row.accepted_at), row.parent_run_id,
                row.fork_seq,
            ),
        ),
        row.fork_hash or b"",
    )  # fmt: skip


def event_hash(
    *,
    previous: bytes,
    seq: int,
    type: str,
    rules_version: int,
    sealed: bytes,
    causation_id: str | None,
    recorded_at: datetime,
) -> bytes:
    """sha256 over length-prefixed (previous hash, seq, type, rules version, payload, causation,
    recorded_at). The version of an event is part of its type (`run.accepted.v1`).

    As `sha256_parts` does it (a test compares them), written out: whoever reads a run hashes all
    of it.
    """
    told = b"%d" % seq
    return sha256(
        b"".join(
            (
                length(len(previous)), previous, length(len(told)), told,
                _kind(type, rules_version), length(len(sealed)), sealed,
                _NO_CAUSE if causation_id is None else framed(_text(causation_id)),
                framed(rfc3339(recorded_at).encode()),
            )
        )
    ).digest()  # fmt: skip


@lru_cache(256)
def _kind(type: str, rules_version: int) -> bytes:
    return framed(type.encode()) + framed(b"%d" % rules_version)


_NO_CAUSE = framed(_text(None))


def link(run_no: int, head: Head, events: Iterable[NewEvent]) -> list[StoredEvent]:
    """The events as they follow from `head`. Their `payload` is sealed."""
    linked: list[StoredEvent] = []
    for seq, event in enumerate(events, head.seq + 1):
        previous = linked[-1].hash if linked else head.hash
        sealed = seal(event.payload)
        linked.append(
            StoredEvent(
                run_no=run_no,
                seq=seq,
                type=event.type,
                payload=sealed,
                rules_version=event.rules_version,
                causation_id=event.causation_id,
                recorded_at=event.recorded_at,
                previous_hash=previous,
                hash=event_hash(
                    previous=previous, seq=seq, type=event.type, sealed=sealed,
                    rules_version=event.rules_version, causation_id=event.causation_id,
                    recorded_at=event.recorded_at,
                ),
            )
        )  # fmt: skip
    return linked


def verified(events: Iterable[StoredEvent], previous: bytes) -> list[StoredEvent]:
    """Stored events with their payload unsealed and their `previous_hash` filled in. Rows with the
    columns of `StoredEvent` up to `position` will do.

    Raises:
        ChainBroken: names the run and the first row that does not follow.
    """
    told: list[StoredEvent] = []
    for event in events:
        run_no, seq, type, sealed, rules_version, causation_id, recorded_at, kept, at = event[:9]
        expected = event_hash(
            previous=previous, seq=seq, type=type, rules_version=rules_version, sealed=sealed,
            causation_id=causation_id, recorded_at=recorded_at,
        )  # fmt: skip
        if expected != kept:
            raise ChainBroken(f"run_no {run_no}, seq {seq}")
        told.append(
            StoredEvent(
                run_no, seq, type, unseal(sealed), rules_version, causation_id, recorded_at, kept,
                at, previous,
            )
        )  # fmt: skip
        previous = kept
    return told
