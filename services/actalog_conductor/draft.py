"""A decision as the log takes it: events, standings, held text, session state, and the child run
that an end starts. No I/O: what it needs to know is given."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import reduce

import orjson

from actalog_conductor import kinds, live, memory_run
from actalog_conductor.agent_states import Finished
from actalog_conductor.heard import Heard, Late, StartRun
from actalog_conductor.live import Live
from actalog_contracts.calls import Command
from actalog_contracts.runs import (
    HistoryRun,
    ModelReplied,
    RunAccepted,
    RunCompleted,
    RunEvent,
    StateOp,
    ToolReturned,
)  # fmt: skip
from actalog_core.clock import parse_time, rfc3339
from actalog_core.decider import Due
from actalog_core.errors import DataRefused
from actalog_core.events import RULES_VERSION, encode
from actalog_core.values import frozen
from actalog_log import chain
from actalog_log.beside_ports import Held
from actalog_log.call_ports import ledger_key
from actalog_log.ports import Append, Decision, Head, NewEvent, RunRow, SessionOp, StoredEvent

# The net below lost messages: leases and take-over are faster (protocol 5).
WAKE_AFTER = timedelta(seconds=30)
NAMESPACE = uuid.UUID("0b1b6f0e-6c0f-4a55-9d53-9f1c4de3a1c7")


@frozen
class Beside:
    """What a decision carries beside its events."""

    hold: tuple[Held, ...] = ()
    inbox_done: tuple[tuple[str, str], ...] = ()
    ops: tuple[StateOp, ...] = ()  # of the session's state, made by the first event


@frozen
class Told:
    """What a run has to say after its commit: commands that were not asked before, and events
    with their payloads."""

    live: Live
    fresh: tuple[tuple[StoredEvent, bytes], ...]
    commands: tuple[Command, ...]
    moved: bool  # its standing changed


@frozen
class Drafted:
    append: Append
    told: Told
    ops: tuple[tuple[int, Sequence[StateOp]], ...]  # (seq, operations)


def drafted(
    before: Live, events: Sequence[RunEvent], *, now: datetime, causation: str | None = None,
    cold: bool = False, beside: Beside | None = None,
) -> Drafted:  # fmt: skip
    """One run's part of a decision. `cold`: it was loaded, so all that is due is asked again.

    Raises:
        DataRefused: an event has no canonical form.
    """
    new = before.head.seq == 0
    state = reduce(before.kind.evolve, events, before.state)
    made = tuple(_made(event, now, causation) for event in events)
    linked = tuple(chain.link(before.row.run_no, before.head, made))
    stands = kinds.standing(state)
    due = before.kind.due(state)
    moved = new or stands != kinds.standing(before.state)
    # A run that has ended may have left `open_runs`: what follows brings it back until it is told.
    stays_open = moved or isinstance(before.state, Finished)
    append = Append(
        before.row.run_no, before.head, made, row=before.row if new else None, linked=linked,
        standing=stands if stays_open else None,
        wake_at=_wake_at(due, now) if stays_open else None,
    )  # fmt: skip
    fresh = tuple(zip(linked, (event.payload for event in made), strict=True))
    wants = kinds.commands(due)
    after = Live(
        before.row, state, Head(linked[-1].seq, linked[-1].hash), before.published,
        *live.last_told(before, linked), frozenset(one.call_id for one in wants), before.telling,
    )  # fmt: skip
    asked = frozenset[str]() if cold else _asked(before)
    asks = tuple(one for one in wants if one.call_id not in asked)
    told = Told(after, fresh, asks, moved)
    return Drafted(append, told, _operations(before, events, beside or Beside()))


def _asked(before: Live) -> frozenset[str]:
    if before.asked is not None:
        return before.asked
    return frozenset(one.call_id for one in kinds.commands(before.kind.due(before.state)))


def _made(event: RunEvent, now: datetime, causation: str | None) -> NewEvent:
    try:
        type, payload = encode(event)
    except TypeError as error:
        raise DataRefused(str(error)) from error
    return NewEvent(type, payload, now, causation_id=causation, rules_version=RULES_VERSION)


def _wake_at(due: Sequence[Due], now: datetime) -> datetime:
    """The net, or what the run itself waits for, whichever is earlier."""
    net = now + WAKE_AFTER
    timer = kinds.next_look(due)
    return min(net, parse_time(timer)) if timer else net


def _operations(
    before: Live, events: Sequence[RunEvent], beside: Beside
) -> tuple[tuple[int, Sequence[StateOp]], ...]:
    first = before.head.seq + 1
    made: list[tuple[int, Sequence[StateOp]]] = [(first, beside.ops)]
    for seq, event in enumerate(events, first):
        made.append((seq, event.state_ops if isinstance(event, ToolReturned) else ()))
    return tuple((seq, ops) for seq, ops in made if ops)


def decision(
    before: Live, heard: Heard, parts: Sequence[Drafted], *, beside: Beside, state_version: int
) -> Decision:
    """The whole of it: the run, and the child that its end starts."""
    own, row = parts[0], before.row
    operations = tuple(
        SessionOp(
            row.tenant_id, row.session_id, state_version + at, row.run_no, seq,
            orjson.dumps([op.model_dump(mode="json") for op in ops]).decode(),
        )
        for at, (seq, ops) in enumerate(own.ops, 1)
    )  # fmt: skip
    answered: str | None = getattr(heard, "call_id", None)
    return Decision(
        tuple(one.append for one in parts), session_ops=operations, hold=beside.hold,
        inbox_done=beside.inbox_done, release=released(before, heard, own.told.live),
        clear_calls=(ledger_key(row.run_no, answered),) if answered else (),
    )  # fmt: skip


def released(before: Live, heard: Heard, after: Live) -> tuple[tuple[str, str], ...]:
    """Held text that nobody needs any more: checked, or of a run that has ended meanwhile."""
    waits = kinds.held(after.state)
    gone = {kinds.held(before.state), _held_by(heard)} - {None, waits}
    return tuple((before.row.tenant_id, held_id) for held_id in sorted(filter(None, gone)))


def _held_by(heard: Heard) -> str | None:
    """A message that was held for a review; a second attempt's has a row of its own."""
    said = heard.outcome if isinstance(heard, Late) else heard
    return said.held_text.held if isinstance(said, ModelReplied) and said.held_text else None


def remembers(told: Told, events: Sequence[RunEvent]) -> bool:
    """Whether this decision ends a run that is remembered."""
    state = told.live.state
    if not isinstance(state, Finished) or told.live.row.kind != "agent":
        return False
    if not any(isinstance(event, RunCompleted) for event in events):
        return False
    return bool(memory_run.wanted(state.facts.definition, state.facts.run.user_id))


def child(
    parent: Live, *, run_no: int, now: datetime, latest: datetime
) -> tuple[Live, StartRun]:  # fmt: skip
    """The memory run of a parent that ends now. It has no turn: nobody waits for it. Its deadline
    counts from `latest`."""
    assert isinstance(parent.state, Finished)
    facts, row = parent.state.facts, parent.row
    run_id = str(uuid.uuid5(NAMESPACE, f"{row.tenant_id}\x1f{row.run_id}\x1f{run_no}"))
    made = RunRow(
        run_no=run_no, tenant_id=row.tenant_id, run_id=run_id, session_id=row.session_id, turn=None,
        kind="memory", target=row.target, definition=row.definition, body_digest=row.body_digest,
        accepted_at=now, user_id=row.user_id, parent_run_no=row.run_no, parent_run_id=row.run_id,
    )  # fmt: skip
    deadline = latest + timedelta(milliseconds=facts.definition.limits.deadline_ms)
    accepted = RunAccepted(
        kind="memory", target=row.target, definition=row.definition, body_digest=row.body_digest,
        accepted_at=rfc3339(now), deadline=rfc3339(deadline),
        about=HistoryRun(run_no=row.run_no, run_id=row.run_id, seq=parent.head.seq),
    )  # fmt: skip
    began = live.new(made, memory_run.initial(live.identity(made), facts.definition))
    return began, StartRun(accepted, free=True)
