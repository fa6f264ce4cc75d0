"""Events that were published and that a restored log lacks, as the log had them: their hashes say
whether they are the very same. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass

from actalog_contracts.runs import RunAccepted
from actalog_contracts.tasks import PublishedEvent
from actalog_core.canonical import canonical
from actalog_core.clock import parse_time
from actalog_core.events import decode
from actalog_log import chain
from actalog_log.ports import FoundRun, Head, NewEvent, RunRow, StoredEvent


@dataclass(frozen=True, slots=True)
class Brought:
    """A run with what follows its head. `lost_from`: the first seq that was published and cannot
    be had again, and `why`; the run may then never go on."""

    row: RunRow
    new: bool
    head: Head
    events: tuple[StoredEvent, ...]
    lost_from: int | None = None
    why: str = ""


def follows(found: FoundRun | None, told: Mapping[int, PublishedEvent]) -> Brought | None:
    """What the feed adds to a run; None where the log has all of it.

    Raises:
        ValueError: the feed does not tell enough to make the run's row again; the text says what.
    """
    row = found.row if found else _row(told)
    head = found.head if found else Head(0, chain.row_digest(row))
    at_head = told.get(head.seq)
    if at_head is not None and at_head.hash != head.hash.hex():
        return Brought(row, found is None, head, (), head.seq, "the log tells it otherwise")
    last = max(told)
    if last <= head.seq:
        return None
    linked: list[StoredEvent] = []
    for seq in range(head.seq + 1, last + 1):
        event = told.get(seq)
        why = "it is not on the topic any more" if event is None else _unusable(event)
        if event is not None and not why:
            before = Head(linked[-1].seq, linked[-1].hash) if linked else head
            (made,) = chain.link(row.run_no, before, [_new(event)])
            if made.hash.hex() == event.hash:
                linked.append(made)
                continue
            why = "its hash does not follow"
        return Brought(row, found is None, head, tuple(linked), seq, why)
    return Brought(row, found is None, head, tuple(linked))


def _unusable(event: PublishedEvent) -> str:
    if event.payload_ref is not None:
        return "its content was too large to be published"
    if event.rules_version is None:
        return "an older build published it, without the version of its rules"
    return ""


def _new(event: PublishedEvent) -> NewEvent:
    return NewEvent(
        event.type, canonical(event.payload), parse_time(event.recorded_at),
        causation_id=event.causation_id, rules_version=event.rules_version or 1,
    )  # fmt: skip


def _row(told: Mapping[int, PublishedEvent]) -> RunRow:
    first = told.get(1)
    if first is None or first.payload_ref is not None or first.run_no is None:
        raise ValueError("its first event is not on the topic any more")
    accepted = decode(first.type, canonical(first.payload))
    if not isinstance(accepted, RunAccepted):
        raise ValueError(f"its first event is a {first.type}")  # noqa: TRY004
    row = RunRow(
        run_no=first.run_no, tenant_id=first.tenant_id, run_id=first.run_id,
        session_id=first.session_id, turn=first.turn, kind=accepted.kind, target=accepted.target,
        definition=accepted.definition, body_digest=accepted.body_digest,
        accepted_at=parse_time(accepted.accepted_at), user_id=first.user_id,
        parent_run_id=first.parent_run_id,
        parent_run_no=accepted.about.run_no if accepted.about else None,
    )  # fmt: skip
    if chain.row_digest(row).hex() != first.previous_hash:
        raise ValueError("its first event does not follow from its row")
    return row
