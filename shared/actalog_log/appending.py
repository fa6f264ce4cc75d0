"""What a batch of decisions appends, as one statement and its parameters (protocol 4.2).

Only the parts that have rows are sent. Most decisions append events and a standing, and nothing
else: PostgreSQL would begin eight parts for them and asyncpg encode 43 arrays.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import TypeAlias

from actalog_log.ports import Append, Decision, StoredEvent
from actalog_log.together import planned

Row: TypeAlias = tuple[object, ...]
Linked: TypeAlias = tuple[Decision, tuple[int | None, ...], tuple[tuple[StoredEvent, ...], ...]]
"""A decision; for each of its appends the subject and the events with their hashes."""
_PART = re.compile(r"^-- part (\w+): .*\n", re.MULTILINE)
_PARAMETER = re.compile(r"\$(\d+)")
_IF_NEW = re.compile(r"/\* new: (.*?) \*/")


def _parts() -> dict[str, tuple[str, int]]:
    """Text and number of parameters of each part, in the order of the file."""
    text = (resources.files("actalog_log") / "append.sql").read_text()
    _, *found = _PART.split(text)
    return {
        name: (sql.strip(), max(int(one) for one in _PARAMETER.findall(sql)))
        for name, sql in zip(found[::2], found[1::2], strict=True)
    }


PARTS = _parts()


@cache
def statement(names: tuple[str, ...]) -> str:
    """These parts as one statement."""
    told: list[str] = []
    before = 0
    for name in names:
        sql, width = PARTS[name]
        if "runs" in names:
            sql = _IF_NEW.sub(r"\1", sql)
        told.append(_PARAMETER.sub(lambda found, by=before: f"${int(found[1]) + by}", sql))
        before += width
    return f"with {', '.join(told)} select 1" if told else "select 1"


def asked(batch: Sequence[Linked]) -> tuple[str, list[list[object]]]:
    """The statement for a batch, and its columns: rows are sorted by key in every table."""
    rows = {name: found for name, found in _rows(batch).items() if found}
    columns = [column for name, found in rows.items() for column in _columns(found, PARTS[name][1])]
    return planned(statement(tuple(rows)), len(batch)), columns


def _rows(batch: Sequence[Linked]) -> dict[str, list[Row]]:
    """By part, in the order of the file."""
    appends = [
        (append, subject, linked)
        for decision, subjects, events in batch
        for append, subject, linked in zip(decision.appends, subjects, events, strict=True)
    ]
    decisions = [decision for decision, _, _ in batch]
    return {
        "runs": [_run(append, subject) for append, subject, _ in appends if append.row is not None],
        "events": [_event(event) for _, _, linked in appends for event in linked],
        "standings": [
            _open(append, append.expected.seq + len(linked))
            for append, _, linked in appends if append.standing is not None
        ],
        "operations": [
            (o.tenant_id, o.session_id, o.state_version, o.run_no, o.seq, o.ops.encode())
            for d in decisions for o in d.session_ops
        ],
        "held": [
            (h.tenant_id, h.held_id, h.run_no, h.text.encode()) for d in decisions for h in d.hold
        ],
        "released": [key for d in decisions for key in d.release],
        "picked_up": [key for d in decisions for key in d.inbox_done],
        "settled": [(call,) for d in decisions for call in d.clear_calls],
    }  # fmt: skip


def _run(append: Append, subject: int | None) -> Row:
    row = append.row
    assert row is not None
    return (
        row.run_no, row.tenant_id, row.run_id, row.session_id, row.turn, row.kind, row.target,
        row.definition, row.body_digest, subject, row.parent_run_no, row.parent_run_id,
        row.fork_seq, row.fork_hash, row.accepted_at,
    )  # fmt: skip


def _event(event: StoredEvent) -> Row:
    return (
        event.run_no, event.seq, event.type, event.rules_version, event.payload,
        event.causation_id, event.recorded_at, event.hash,
    )  # fmt: skip


def _open(append: Append, last_seq: int) -> Row:
    published = None if append.row is not None else append.expected.seq  # None: a new run
    return (append.run_no, append.standing, append.wake_at, last_seq, published)


def _columns(rows: list[Row], width: int) -> list[list[object]]:
    rows.sort(key=_key)
    return [[row[at] for row in rows] for at in range(width)]


def _key(row: Row) -> tuple[object, ...]:
    return tuple("" if cell is None else cell for cell in row[:2])
