"""The decider of an agent's run. Pure: ids are arguments, time is a message."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, assert_never

from actalog_conductor import answers, calls
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
from actalog_conductor.heard import Cancel, Deadline, Resolve, StartRun, TimeIs, TurnCame
from actalog_contracts import calls as contract
from actalog_contracts.base import Error, Usage
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

Heard: TypeAlias = StartRun | TurnCame | TimeIs | Cancel | Resolve | contract.Outcome
ToolOutcome: TypeAlias = ToolReturned | ToolFailed
DOUBT = "tool.in_doubt.v1"
Ending: TypeAlias = RunCompleted | RunFailed | RunBlocked | RunCancelled


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
            return _settled(heard, state)
        case _, Cancel(reason=reason, by=by):
            return [RunCancelled(reason=reason, by=by, usage=state.facts.usage)]
        case _, TimeIs(now=now) if now >= state.facts.accepted.deadline:
            return [_failed("deadline_exceeded", "the run's deadline has passed", state.facts)]
        case Waiting(facts=facts), TurnCame():
            return _opening(facts.definition)
        case Checking(facts=facts), InputChecked(call_id=answered):
            return _checked(facts, heard) if answered == calls.input_check(facts) else []
        case Gathering(facts=facts), ContextBuilt(call_id=answered):
            return [heard] if answered == calls.gather(facts) else []
        case Thinking(facts=facts), ModelReplied() | ModelFailed():
            return _thought(facts, heard) if heard.call_id == calls.model(facts) else []
        case Reviewing(), OutputReviewed(call_id=answered):
            return _reviewed(state, heard) if answered == calls.review(state.facts) else []
        case Acting(running=running), ToolReturned() | ToolFailed() | ToolInDoubt():
            return _acted(state, heard) if heard.call_id in running else []
        case Acting() | Paused(), Resolve():
            return _resolved(state, heard)
        case _:
            return []


def refusal(state: State, heard: Resolve) -> str | None:
    """Why an answer to a requirement is refused (a code of `message.refused.v1`), or None."""
    if isinstance(state, (Acting, Paused)):
        for call_id, called in state.awaiting.items():
            if calls.requirement(call_id) == heard.requirement_id:
                seen = heard.digest in (None, called.arguments_digest)
                return None if seen else "digest_mismatch"
    return "already_resolved"


def _opening(definition: AgentDefinition) -> list[RunEvent]:
    """The turn has come. Stages that the definition does not ask for cost no hop."""
    if definition.input_checks:
        return [RunStarted()]
    return [RunStarted(), *_context(definition)]


def _context(definition: AgentDefinition) -> list[RunEvent]:
    return [] if _gathers(definition) else [ContextBuilt(reasons=("nothing was asked for",))]


def _gathers(definition: AgentDefinition) -> bool:
    wants = definition.memories or definition.summary or definition.show_state
    return wants or definition.history_runs > 0


def _checked(facts: Facts, heard: InputChecked) -> list[RunEvent]:
    if heard.verdict != "blocked":
        return [heard, *_context(facts.definition)]
    return [heard, _blocked("input_blocked", heard.reasons, facts.usage)]


def _thought(facts: Facts, heard: ModelReplied | ModelFailed) -> list[RunEvent]:
    if isinstance(heard, ModelFailed):
        error = Error(
            code="model_failed", message=heard.message, source=heard.kind,
            retryable=heard.kind in ("rate_limited", "overloaded", "timeout", "connection"),
        )  # fmt: skip
        return [heard, RunFailed(error=error, usage=facts.usage.plus(heard.usage))]
    if heard.held_text is not None:
        return [heard]
    return [heard, *answers.after_reply(facts, heard, heard.text)]


def _reviewed(state: Reviewing, heard: OutputReviewed) -> list[RunEvent]:
    if heard.verdict == "blocked":
        return [heard, _blocked("output_blocked", heard.reasons, state.facts.usage)]
    return [heard, *answers.after_reply(state.facts, state.reply, heard.text)]


def _acted(state: Acting, heard: ToolOutcome | ToolInDoubt) -> list[RunEvent]:
    if isinstance(heard, ToolInDoubt):
        called = state.running[heard.call_id]
        said = f"nobody knows whether {called.name} has acted: {heard.message}"
        return [heard, _failed("tool_failed", said, state.facts)]
    if state.awaiting and len(state.running) == 1:
        return [heard, answers.pause(list(state.awaiting.values()))]
    return [heard]


def _resolved(state: Acting | Paused, heard: Resolve) -> list[RunEvent]:
    if refusal(state, heard) is not None:
        return []
    resolved = RequirementResolved(
        requirement_id=heard.requirement_id, decision=heard.decision, arguments=heard.arguments,
        note=heard.note, by=heard.by,
    )  # fmt: skip
    match heard.decision:
        case "approve":
            return [resolved]
        case "reject":
            call_id = heard.requirement_id.removesuffix(":confirm")
            said = f"A person rejected this call. {heard.note or ''}".strip()
            return [resolved, ToolFailed(call_id=call_id, kind="rejected", message=said)]
        case "provide" | "done" | "not_done":
            return []  # not an answer to a confirmation


def _settled(heard: Heard, state: Finished) -> list[RunEvent]:
    match heard:
        case ToolInDoubt() if heard.call_id in state.doubted:
            return []
        case ModelReplied() | ModelFailed() if heard.call_id in state.unsettled:
            return [
                CallSettled(
                    call_id=heard.call_id, epoch=heard.epoch, outcome=heard.type, usage=heard.usage
                )
            ]
        case ToolReturned() | ToolFailed() | ToolInDoubt() if heard.call_id in state.unsettled:
            return [CallSettled(call_id=heard.call_id, epoch=heard.epoch, outcome=heard.type)]
        case _:
            return []


def _failed(code: str, message: str, facts: Facts) -> RunFailed:
    error = Error(code=code, message=message, source="conductor")
    return RunFailed(error=error, usage=facts.usage)


def _blocked(code: str, reasons: tuple[str, ...], usage: Usage) -> RunBlocked:
    error = Error(code=code, message="; ".join(reasons), source="guardrails")
    return RunBlocked(error=error, usage=usage)


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
            facts = replace(facts, usage=facts.usage.plus(event.usage))
            if event.held_text is not None:
                return Reviewing(facts, event, event.held_text)
            return Acting(facts, {}, {})
        case ModelFailed():
            # Answered: nothing is asked any more, and the run's end follows.
            return Acting(replace(facts, usage=facts.usage.plus(event.usage)), {}, {})
        case OutputReviewed():
            return Acting(facts, {}, {})
        case ToolCalled() | ToolReturned() | ToolFailed() | RunPaused() | RequirementResolved():
            assert isinstance(state, (Acting, Paused))
            return _evolve_tools(state, facts, event)
        case RunCompleted() | RunFailed() | RunBlocked() | RunCancelled():
            return _ended(state, facts, event)
        case CallSettled():
            assert isinstance(state, Finished)
            facts = replace(facts, usage=facts.usage.plus(event.usage))
            if event.outcome == DOUBT:
                return replace(state, facts=facts, doubted=state.doubted | {event.call_id})
            left = state.unsettled - {event.call_id}
            return replace(state, facts=facts, unsettled=left)
        case ToolInDoubt():
            assert isinstance(state, Acting)
            return replace(state, facts=facts, doubted=state.doubted | {event.call_id})
        case RunAccepted():
            return replace(state, facts=facts)
        case ModelNeeded() | MemoryUpdated() | SessionSummarised() | RememberFailed():
            return replace(state, facts=facts)  # of memory runs
        case _:
            assert_never(event)


def _evolve_tools(
    state: Acting | Paused, facts: Facts,
    event: ToolCalled | ToolOutcome | RunPaused | RequirementResolved,
) -> State:  # fmt: skip
    running = dict(state.running) if isinstance(state, Acting) else {}
    awaiting = dict(state.awaiting)
    match event:
        case ToolCalled():
            facts = replace(facts, tool_calls=facts.tool_calls + 1)
            (awaiting if event.requires_confirmation else running)[event.call_id] = event
        case ToolReturned() | ToolFailed():
            running.pop(event.call_id, None)
            awaiting.pop(event.call_id, None)
            facts = replace(facts, usage=facts.usage.plus(Usage(tool_calls=1)))
        case RequirementResolved():
            call_id = event.requirement_id.removesuffix(":confirm")
            if event.decision == "approve" and (called := awaiting.pop(call_id, None)):
                arguments = event.arguments or called.arguments
                running[call_id] = called.model_copy(update={"arguments": arguments})
        case RunPaused():
            return Paused(facts, awaiting)
    return _acting_or_on(facts, running, awaiting, event)


def _acting_or_on(
    facts: Facts,
    running: Mapping[str, ToolCalled],
    awaiting: Mapping[str, ToolCalled],
    event: RunEvent,
) -> State:
    done = isinstance(event, (ToolReturned, ToolFailed)) and not running and not awaiting
    # The calls of one message are all made before the model is asked again.
    return (
        Thinking(replace(facts, turn=facts.turn + 1)) if done else Acting(facts, running, awaiting)
    )


def _ended(state: Unfinished | Finished, facts: Facts, event: Ending) -> State:
    status = event.type.removeprefix("run.").removesuffix(".v1")
    return Finished(
        replace(facts, usage=event.usage), status,
        error=getattr(event, "error", None), output_seq=getattr(event, "output_seq", None),
        unsettled=_asked(state),
        doubted=state.doubted if isinstance(state, Acting) else frozenset(),
    )  # fmt: skip


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
