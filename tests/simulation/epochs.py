"""Which outcome of a call a run may take (protocol 6), judged by the log and the ledger (I6)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from actalog_contracts.runs import (
    CallSettled,
    ModelFailed,
    ModelReplied,
    RequirementResolved,
    ToolCalled,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)
from tests.simulation.told import Told
from tests.simulation.world import World

BY_CONDUCTOR = ("rejected", "unknown_tool", "arguments")  # nobody is asked to run these
ANSWERS = (ToolReturned, ToolFailed, ToolInDoubt, ModelReplied, ModelFailed)


def followed(world: World, runs: Sequence[Told]) -> Iterator[str]:
    """Each call has one outcome, of an epoch that somebody had, and of its last one but for what
    `_may_be_old` says."""
    calls = world.database.log.calls.rows
    for one in runs:
        # A doubt is no outcome: a person's answer follows, or what the call did after all.
        answers = [e for e in one.run.events if isinstance(e, ANSWERS)]
        counted = Counter(e.call_id for e in answers if not isinstance(e, ToolInDoubt))
        yield from (f"I6: {one.name} took {n} outcomes of {c}" for c, n in counted.items() if n > 1)
        recorded = Counter(
            (e.call_id, e.epoch, e.outcome) for e in one.run.events if isinstance(e, CallSettled)
        )
        yield from (
            f"I6: {one.name} recorded {n} times that {c} came late" for c, n in recorded.items()
            if n > 1
        )  # fmt: skip
        for at, event in enumerate(one.run.events):
            if not isinstance(event, (*ANSWERS, CallSettled)) or not event.epoch:
                continue
            row = calls.get(f"{one.found.row.run_no}/{event.call_id}")
            if row is None and isinstance(event, ToolFailed) and event.kind in BY_CONDUCTOR:
                continue
            if row is None:
                yield f"I6: {event.call_id} of {one.name} was never claimed"
            elif event.epoch > row.epoch:
                yield f"I6: {event.call_id} of {one.name} has an epoch that nobody had"
            elif row.deaths and _is_told_before_stored(one.run.events, event):
                continue  # it left while its worker held the call, which died before it was stored
            elif event.epoch < row.epoch and not _may_be_old(one.run.events, at):
                yield f"I6: {event.call_id} of {one.name} took an outcome of an old epoch"


def _is_told_before_stored(events: Sequence[Any], event: Any) -> bool:
    """What acts on nothing is told at once and stored a moment later (decision 0021): answers of
    models, and of tools that only read."""
    if isinstance(event, ModelReplied | ModelFailed):
        return True
    called = [e for e in events if isinstance(e, ToolCalled) and e.call_id == event.call_id]
    return isinstance(event, ToolReturned | ToolFailed) and called[0].effect == "read_only"


def _may_be_old(events: Sequence[Any], at: int) -> bool:
    """Whether an answer may be of an epoch that is not the call's last: what is only recorded; a
    doubt, when a person has sent the call again; the outcome that settles a doubt, be it a
    person's or a late one; a late outcome of what is never run again: the last epoch found no
    more than a doubt, which was on its way."""
    event = events[at]
    if isinstance(event, CallSettled):
        return True
    if isinstance(event, ToolInDoubt):
        doubt = f"{event.call_id}:doubt{event.epoch}"
        return any(
            isinstance(e, RequirementResolved) and (e.requirement_id, e.decision)
            == (doubt, "not_done") for e in events[at:]
        )  # fmt: skip
    if not isinstance(event, ToolReturned | ToolFailed):
        return False
    mine = [e for e in events if getattr(e, "call_id", "") == event.call_id]
    if any(isinstance(e, ToolInDoubt) for e in mine[: mine.index(event)]):
        return True
    called = next(e for e in mine if isinstance(e, ToolCalled))
    after = mine[mine.index(event) + 1 :]
    only_recorded = all(isinstance(e, CallSettled) for e in after)
    return called.effect in ("once", "reconciled") and only_recorded


def voided(world: World, runs: Sequence[Told]) -> Iterator[str]:
    """What a person has said is not done, is not taken for done afterwards."""
    for one in runs:
        until: dict[str, int] = {}
        for event in one.run.events:
            if isinstance(event, RequirementResolved) and event.decision == "not_done":
                call_id, _, epoch = event.requirement_id.rpartition(":doubt")
                until[call_id] = int(epoch)
            elif isinstance(event, ToolReturned) and event.epoch <= until.get(event.call_id, 0):
                yield f"I6: {one.name} took an outcome of {event.call_id} that was not done"
