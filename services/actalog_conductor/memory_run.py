"""The decider of a memory run: the child that remembers what a run was about.

It is started with its parent's end, in the same decision, and can neither delay nor fail it.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias, assert_never

from actalog_conductor import calls, endings
from actalog_conductor.agent_states import Facts, Finished, Identity, NotStarted
from actalog_conductor.calls import Step
from actalog_conductor.heard import Broken, Buried, Cancel, Deadline, Heard, Late, StartRun, TimeIs
from actalog_contracts.base import Error, TextRef
from actalog_contracts.definitions import AgentDefinition
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
    RunBlocked,
    RunCancelled,
    RunCompleted,
    RunEvent,
    RunFailed,
    RunPaused,
    RunStarted,
    SessionSummarised,
    ToolCalled,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)  # fmt: skip
from actalog_core.decider import Due
from actalog_core.values import frozen


@frozen
class Remembering:
    """The memory service is asked: for a step's first time, or with what the model said."""

    facts: Facts
    step: int  # index into `wanted`
    asked: int = 1
    continuation: str | None = None
    reply: str | None = None
    error: Error | None = None  # of the first step that failed


@frozen
class Consulting:
    """The memory service needs a model (design law 11)."""

    facts: Facts
    step: int
    asked: int
    needed: ModelNeeded
    error: Error | None = None


@frozen
class Reviewing:
    """What the model said waits beside the log until it was checked (protocol 9)."""

    facts: Facts
    step: int
    asked: int
    needed: ModelNeeded
    held: TextRef
    error: Error | None = None


Unfinished: TypeAlias = Remembering | Consulting | Reviewing
State: TypeAlias = NotStarted | Unfinished | Finished


def wanted(definition: AgentDefinition, user_id: str | None) -> tuple[Step, ...]:
    """What a run of this definition remembers, in this order. Memories are a user's."""
    memories: tuple[Step, ...] = ("memories",) if definition.learn and user_id else ()
    return (*memories, "summary") if definition.summary else memories


def initial(run: Identity, definition: AgentDefinition) -> State:
    """A run nobody has begun."""
    return NotStarted(run, definition)


def decide(state: State, heard: Heard) -> Sequence[RunEvent]:
    """What a message means now. A message that comes late or twice means nothing."""
    match state, heard:
        case NotStarted(), StartRun(accepted=accepted):
            return [accepted, RunStarted()]
        case NotStarted(), _:
            return []
        case Finished(), _:
            return endings.settled(heard, state)
        case _, Cancel() | Broken() | TimeIs():
            return endings.ended_by(heard, state.facts)
        case _, Buried():
            return endings.buried(heard, {_waited_for(state)}, state.facts)
        case Remembering(), ModelNeeded():
            return _needed(state, heard) if heard.call_id == _asking(state) else []
        case Remembering(), MemoryUpdated() | SessionSummarised() | RememberFailed():
            return _done(state, heard) if heard.call_id == _asking(state) else []
        case Consulting(facts=facts), ModelReplied() | ModelFailed():
            asked = heard.call_id == calls.model(facts)
            return _told(state, heard) if asked else endings.of_another(heard, facts)
        case _, ModelReplied() | ModelFailed():
            return endings.of_another(heard, state.facts)
        case Reviewing(facts=facts), OutputReviewed(call_id=answered):
            return _reviewed(state, heard) if answered == calls.review(facts) else []
        case _, Late(outcome=outcome):
            refused = (outcome.call_id, outcome.epoch) in state.facts.recorded
            return [] if refused else [endings.recorded(outcome)]
        case _:
            return []


def _waited_for(state: Unfinished) -> str:
    match state:
        case Remembering():
            return _asking(state)
        case Consulting(facts=facts):
            return calls.model(facts)
        case Reviewing(facts=facts):
            return calls.review(facts)
        case _:
            assert_never(state)


def _asking(state: Unfinished) -> str:
    return calls.remembering(state.facts, _step(state), state.asked)


def _step(state: Unfinished) -> Step:
    return wanted(state.facts.definition, state.facts.run.user_id)[state.step]


def _needed(state: Remembering, heard: ModelNeeded) -> list[RunEvent]:
    turns = state.facts.definition.limits.turns
    if state.facts.turn > turns:
        more = f"remembering needed the model more than {turns} times"
        return [endings.failed("turn_limit", more, state.facts.usage)]
    return [heard]


def _told(state: Consulting, heard: ModelReplied | ModelFailed) -> list[RunEvent]:
    if isinstance(heard, ModelReplied):
        return [heard]
    return _given_up(state, heard, heard.message)


def _reviewed(state: Reviewing, heard: OutputReviewed) -> list[RunEvent]:
    if heard.verdict != "blocked":
        return [heard]
    return _given_up(state, endings.bare(heard), f"blocked: {'; '.join(heard.reasons)}")


def _given_up(
    state: Consulting | Reviewing, heard: ModelFailed | OutputReviewed, message: str
) -> list[RunEvent]:
    """There is nothing to remember in this step; the next one is taken."""
    after = evolve(state, heard)
    assert isinstance(after, Remembering)
    return [heard, *_done(after, RememberFailed(call_id=_asking(after), message=message))]


def _done(
    state: Remembering, heard: MemoryUpdated | SessionSummarised | RememberFailed
) -> list[RunEvent]:
    """The next step, or the end: failed or blocked when a step was, so that somebody sees it."""
    after = evolve(state, heard)
    assert isinstance(after, Remembering)
    facts = state.facts
    if after.step < len(wanted(facts.definition, facts.run.user_id)):
        return [heard]
    if after.error is None:
        return [heard, RunCompleted(usage=facts.usage)]
    ended = RunBlocked if after.error.code == endings.OUTPUT_BLOCKED else RunFailed
    return [heard, ended(error=after.error, usage=facts.usage)]


def evolve(state: State, event: RunEvent) -> State:
    """The state after an event: history is trusted, and no case is forgotten."""
    if isinstance(state, NotStarted):
        assert isinstance(event, RunAccepted)
        return Remembering(Facts(state.run, state.definition, event, seq=1), step=0)
    facts = replace(state.facts, seq=state.facts.seq + 1)
    match event:
        case ModelNeeded():
            assert isinstance(state, Remembering)
            return Consulting(facts, state.step, state.asked, event, state.error)
        case ModelReplied() | ModelFailed():
            assert isinstance(state, Consulting)
            return _evolve_told(state, endings.paid(facts, event), event)
        case OutputReviewed(text=text):
            assert isinstance(state, Reviewing)
            return _after(state, facts, reply=text, error=endings.of_review(event))
        case MemoryUpdated() | SessionSummarised():
            assert isinstance(state, Remembering)
            return Remembering(facts, state.step + 1, error=state.error)
        case RememberFailed():
            assert isinstance(state, Remembering)
            error = Error(code="internal", message=event.message, source="memory")
            return Remembering(facts, state.step + 1, error=state.error or error)
        case RunCompleted() | RunFailed() | RunBlocked() | RunCancelled():
            asked = {calls.model(facts)} if isinstance(state, Consulting) else set[str]()
            return endings.finished(facts, event, unsettled=frozenset(asked), doubted=frozenset())
        case CallSettled():
            facts = endings.paid(facts, event)
            if isinstance(state, Finished):
                return endings.after_settling(state, facts, event)
            return replace(state, facts=facts)
        case RunAccepted() | RunStarted():
            return replace(state, facts=facts)
        case (
            InputChecked() | ContextBuilt() | ToolCalled() | ToolReturned() | ToolFailed()
            | ToolInDoubt() | RunPaused() | RequirementResolved()
        ):  # fmt: skip
            return replace(state, facts=facts)  # of agents' runs
        case _:
            assert_never(event)


def _evolve_told(
    state: Consulting, facts: Facts, event: ModelReplied | ModelFailed
) -> Remembering | Reviewing:
    if isinstance(event, ModelFailed):
        return _after(state, facts, reply=None, error=endings.of_model(event))
    if event.held_text is not None:
        return Reviewing(
            facts, state.step, state.asked, state.needed, event.held_text, state.error
        )  # fmt: skip
    return _after(state, facts, reply=event.text, error=None)


def _after(
    state: Consulting | Reviewing, facts: Facts, *, reply: str | None, error: Error | None
) -> Remembering:
    """With what the model said as it may be used, or why there is nothing."""
    return Remembering(
        replace(facts, turn=facts.turn + 1), state.step, state.asked + 1,
        continuation=state.needed.continuation, reply=reply, error=state.error or error,
    )  # fmt: skip


def due(state: State) -> Sequence[Due]:
    """What the run waits for: derived from state, so a restart asks for the same things."""
    match state:
        case NotStarted() | Finished():
            return []
        case Remembering(facts=facts):
            asks: object = calls.remember(
                facts, _step(state), state.asked, continuation=state.continuation,
                reply=state.reply,
            )  # fmt: skip
        case Consulting(facts=facts, needed=needed):
            asks = calls.call_model(facts, needed.purpose)
        case Reviewing(facts=facts, needed=needed, held=held):
            asks = calls.check_output(facts, held, purpose=needed.purpose)
        case _:
            assert_never(state)
    return [Due(asks), Due(Deadline(), not_before=facts.accepted.deadline)]
