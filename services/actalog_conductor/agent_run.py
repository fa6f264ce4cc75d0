"""The decider of an agent's run. Pure: ids are arguments, time is a message."""

from collections.abc import Sequence
from dataclasses import replace
from typing import assert_never

from actalog_conductor import acting, answers, calls, endings
from actalog_conductor.agent_states import (
    Acting,
    Checking,
    Facts,
    Finished,
    Gathering,
    Identity,
    NotStarted,
    Paused,
    Reviewing,
    State,
    Thinking,
    Unfinished,
    Waiting,
)  # fmt: skip
from actalog_conductor.heard import (
    Broken,
    Buried,
    Cancel,
    Deadline,
    Heard,
    Late,
    Resolve,
    StartRun,
    TimeIs,
    TurnCame,
)  # fmt: skip
from actalog_contracts.calls import Command
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
from actalog_core.events import same

STARTED = same(RunStarted())
NO_CONTEXT = same(ContextBuilt(reasons=("nothing was asked for",)))
CUT = "length"  # how a message finishes that a provider cut


def initial(run: Identity, definition: AgentDefinition) -> State:
    """A run nobody has begun."""
    return NotStarted(run, definition)


def decide(state: State, heard: Heard) -> Sequence[RunEvent]:
    """What a message means now. A message that comes late or twice means nothing."""
    match state, heard:
        case NotStarted(definition=definition), StartRun(accepted=accepted, free=free):
            return [accepted, *(_opening(definition) if free else [])]
        case NotStarted(), _:
            return []
        case Finished(), _:
            return endings.settled(heard, state)
        case _, Cancel() | Broken() | TimeIs():
            return endings.ended_by(heard, state.facts)
        case Acting(running=running), Buried(call_id=str(call_id)) if call_id in running:
            voided = state.facts.voided.get(call_id, 0)
            if heard.after_epoch is not None and heard.after_epoch < voided:
                return []  # a person has let it begin once more since
            # Of all its attempts: else what a person says of it would let none run.
            epoch = max(heard.epoch, voided + 1)
            doubt = ToolInDoubt(call_id=call_id, epoch=epoch, message=heard.message)
            return acting.acted(state, doubt)
        case _, Buried():
            return endings.buried(heard, _waited_for(state), state.facts)
        case Waiting(facts=facts), TurnCame():
            return _opening(facts.definition)
        case Checking(facts=facts), InputChecked(call_id=answered):
            return _checked(facts, heard) if answered == calls.input_check(facts) else []
        case Gathering(facts=facts), ContextBuilt(call_id=answered):
            return [heard] if answered == calls.gather(facts) else []
        case Thinking(facts=facts), ModelReplied() | ModelFailed():
            asked = heard.call_id == calls.model(facts)
            return _thought(facts, heard) if asked else endings.of_another(heard, facts)
        case _, ModelReplied() | ModelFailed():
            return endings.of_another(heard, state.facts)
        case Reviewing(), OutputReviewed(call_id=answered):
            return _reviewed(state, heard) if answered == calls.review(state.facts) else []
        case _, ToolReturned() | ToolFailed() | ToolInDoubt():
            return acting.acted(state, heard)
        case _, Late(outcome=outcome):
            return acting.late(state, outcome)
        case Acting() | Paused(), Resolve():
            return acting.resolved(state, heard)
        case _:
            return []


def _opening(definition: AgentDefinition) -> list[RunEvent]:
    """The turn has come. Stages that the definition does not ask for cost no hop."""
    if definition.input_checks:
        return [STARTED]
    return [STARTED, *_context(definition)]


def _context(definition: AgentDefinition) -> list[RunEvent]:
    return [] if calls.gathers(definition) else [NO_CONTEXT]


def _checked(facts: Facts, heard: InputChecked) -> list[RunEvent]:
    if heard.verdict != "blocked":
        return [heard, *_context(facts.definition)]
    bare = heard.model_copy(update={"text": None})  # whatever the check said: never logged
    error = endings.of_check("input_blocked", heard.reasons)
    return [bare, RunBlocked(error=error, usage=facts.usage)]


def _thought(facts: Facts, heard: ModelReplied | ModelFailed) -> list[RunEvent]:
    if isinstance(heard, ModelFailed):
        usage = facts.usage.plus(heard.usage)
        return [heard, RunFailed(error=endings.of_model(heard), usage=usage)]
    if heard.held_text is not None:
        return [heard]
    facts = replace(facts, usage=facts.usage.plus(heard.usage))
    return [heard, *answers.after_message(facts, heard.text, heard.tool_calls)]


def _reviewed(state: Reviewing, heard: OutputReviewed) -> list[RunEvent]:
    if (error := endings.of_review(heard)) is not None:
        return [endings.bare(heard), RunBlocked(error=error, usage=state.facts.usage)]
    # The reviewed calls, not those of the reply: what was masked is never used.
    return [heard, *answers.after_message(state.facts, heard.text, heard.tool_calls)]


def evolve(state: State, event: RunEvent) -> State:
    """The state after an event: history is trusted, and no case is forgotten."""
    if isinstance(state, NotStarted):
        assert isinstance(event, RunAccepted)
        return Waiting(Facts(state.run, state.definition, event, seq=1))
    facts = replace(state.facts, seq=state.facts.seq + 1)
    match event:
        case RunStarted():
            wants = facts.definition.input_checks
            return Checking(facts) if wants else Gathering(facts)
        case InputChecked():
            return Gathering(facts)
        case ContextBuilt():
            return Thinking(facts)
        case ModelReplied():
            facts = replace(endings.paid(facts, event), said=event.text, cut=event.finish == CUT)
            if event.held_text is not None:
                return Reviewing(facts, event, event.held_text)
            return Acting(facts, {}, {})
        case ModelFailed():
            # Answered: nothing is asked any more, and the run's end follows.
            return Acting(endings.paid(facts, event), {}, {})
        case OutputReviewed():
            return Acting(replace(facts, said=event.text), {}, {})
        case (
            ToolCalled() | ToolReturned() | ToolFailed() | ToolInDoubt() | RunPaused()
            | RequirementResolved()
        ):  # fmt: skip
            assert isinstance(state, (Acting, Paused))
            return acting.evolved(state, facts, event)
        case RunCompleted() | RunFailed() | RunBlocked() | RunCancelled():
            doubted = acting.in_doubt(state)
            unsettled = _asked(state) | doubted
            return endings.finished(facts, event, unsettled=unsettled, doubted=doubted)
        case CallSettled():
            facts = endings.paid(facts, event)
            if isinstance(state, Finished):
                return endings.after_settling(state, facts, event)
            return replace(state, facts=facts)
        case ModelNeeded() | MemoryUpdated() | SessionSummarised() | RememberFailed():
            return replace(state, facts=facts)  # of memory runs
        case RunAccepted():
            return replace(state, facts=facts)  # only ever the first, which was taken above
        case _:
            assert_never(event)


def _asked(state: Unfinished | Finished) -> frozenset[str]:
    """Calls that cost or act, whose outcome may still come."""
    match state:
        case Thinking(facts=facts):
            return frozenset({calls.model(facts)})
        case Acting(running=running):
            return frozenset(running)
        case _:
            return frozenset()


def due(state: State) -> Sequence[Due]:
    """What the run waits for: derived from state, so a restart asks for the same things."""
    if isinstance(state, (NotStarted, Finished)):
        return []
    return [*_asks(state), Due(Deadline(), not_before=state.facts.accepted.deadline)]


def _waited_for(state: Unfinished) -> frozenset[str]:
    commands = [one.command for one in _asks(state)]
    return frozenset(one.call_id for one in commands if isinstance(one, Command))


def _asks(state: Unfinished) -> list[Due]:
    match state:
        case Waiting() | Paused():
            return []
        case Checking(facts=facts):
            return [Due(calls.check_input(facts))]
        case Gathering(facts=facts):
            return [Due(calls.gather_context(facts))]
        case Thinking(facts=facts):
            return [Due(calls.call_model(facts))]
        case Reviewing(facts=facts, held=held):
            return [Due(calls.check_output(facts, held))]
        case Acting(facts=facts, running=running):
            return [Due(calls.run_tool(facts, called)) for called in running.values()]
        case _:
            assert_never(state)
