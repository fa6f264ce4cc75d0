"""Today's code over a recorded run: outcomes of models, tools, stores and clocks come from the log;
what the deciders make of them, and the prompts they ask for, is compared (design 9)."""

from collections.abc import Sequence
from dataclasses import dataclass

from actalog.rebuilding import Recorded
from actalog_conductor.heard import Broken, Cancel, Heard, Resolve, StartRun, TimeIs, TurnCame
from actalog_conductor.kinds import State
from actalog_contracts.calls import CallModel
from actalog_contracts.runs import (
    CallSettled,
    ContextBuilt,
    InputChecked,
    MemoryUpdated,
    ModelFailed,
    ModelNeeded,
    ModelReplied,
    OutputReviewed,
    RememberFailed,
    RequirementResolved,
    RunAccepted,
    RunCancelled,
    RunEvent,
    RunFailed,
    RunStarted,
    SessionSummarised,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)  # fmt: skip
from actalog_core.errors import Permanent, Transient
from actalog_llm.prompt.cache import PromptCache
from actalog_llm.prompt.parts import Prompt
from actalog_log.ports import RunLog

OUTCOMES = (
    InputChecked, OutputReviewed, ContextBuilt, ModelNeeded, ModelReplied, ModelFailed,
    ToolReturned, ToolFailed, ToolInDoubt, MemoryUpdated, SessionSummarised, RememberFailed,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EventsDiffer:
    """At `seq` the log has other events than today's deciders would write."""

    seq: int
    recorded: Sequence[RunEvent]
    today: Sequence[RunEvent]


@dataclass(frozen=True, slots=True)
class PromptDiffers:
    """The model call that event `seq` answered would be sent another prompt today."""

    seq: int
    recorded: ModelReplied | ModelFailed
    today: Prompt


Difference = EventsDiffer | PromptDiffers


async def replay(log: RunLog, run: Recorded) -> Difference | None:
    """The first difference; None: today's code does what was recorded."""
    prompts, state, at = PromptCache(log), run.initial(), 0
    while at < len(run.events):
        event = run.events[at]
        if isinstance(event, (ModelReplied, ModelFailed)) and event.prompt is not None:
            today = await _prompt(prompts, run, state)
            if today is None or today.record.digest != event.prompt.digest:
                return _other_prompt(run, at, event, today)
        heard = _heard(run, at)
        decided = [event] if isinstance(event, CallSettled) else _decide(run, state, heard)
        recorded = run.events[at : at + max(1, len(decided))]
        if list(recorded) != list(decided):
            return EventsDiffer(at + 1, recorded, decided)
        for one in recorded:
            state = run.kind.evolve(state, one)
        at += len(recorded)
    return None


def _decide(run: Recorded, state: State, heard: Heard | None) -> Sequence[RunEvent]:
    return [] if heard is None else run.kind.decide(state, heard)


def _heard(run: Recorded, at: int) -> Heard | None:
    """What the run heard when it wrote this event first; None: nothing from outside leads to it,
    so the decision before should have had it."""
    match run.events[at]:
        case RunAccepted() as accepted:
            return StartRun(accepted, free=_with_the_next(run, at))
        case RunStarted():
            return TurnCame()
        case RequirementResolved() as told:
            return Resolve(
                told.requirement_id, told.decision, arguments=told.arguments, result=told.result,
                note=told.note, by=told.by,
            )  # fmt: skip
        case RunCancelled(reason=reason, by=by):
            return Cancel(reason, by)
        case RunFailed(error=error) if error.code == "deadline_exceeded":
            return TimeIs(_deadline(run))
        case RunFailed(error=error):
            return Broken(error.message)
        case event if isinstance(event, OUTCOMES):
            return event
        case _:
            return None


def _with_the_next(run: Recorded, at: int) -> bool:
    """Whether the run started in the decision that accepted it."""
    following = run.events[at + 1 : at + 2]
    if not following or not isinstance(following[0], RunStarted):
        return False
    return run.stored[at].recorded_at == run.stored[at + 1].recorded_at


def _deadline(run: Recorded) -> str:
    accepted = run.events[0]
    assert isinstance(accepted, RunAccepted)
    return accepted.deadline


async def _prompt(prompts: PromptCache, run: Recorded, state: State) -> Prompt | None:
    """What today's renderer makes of the call that the run waits for."""
    waits_for = (due.command for due in run.kind.due(state))
    asked = [command for command in waits_for if isinstance(command, CallModel)]
    if not asked:
        return None
    try:
        return await prompts.prompt(asked[0])
    except (Permanent, Transient, ValueError):  # it cannot be rendered from this log at all
        return None


def _other_prompt(
    run: Recorded, at: int, event: ModelReplied | ModelFailed, today: Prompt | None
) -> Difference:
    if today is None:
        return EventsDiffer(at + 1, [event], [])
    return PromptDiffers(at + 1, event, today)
