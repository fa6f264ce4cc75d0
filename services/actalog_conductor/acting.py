"""The part of an agent's run in which tools run: outcomes, doubts, and the answers of people."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias, assert_never

from actalog_conductor import answers, calls, endings
from actalog_conductor.agent_states import (
    Acting,
    Doubt,
    Facts,
    Finished,
    Paused,
    State,
    Thinking,
    Unfinished,
)
from actalog_conductor.heard import Resolve
from actalog_contracts.base import Usage
from actalog_contracts.runs import (
    ModelFailed,
    ModelReplied,
    RequirementResolved,
    RunEvent,
    RunPaused,
    ToolCalled,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)

ToolOutcome: TypeAlias = ToolReturned | ToolFailed
Calls: TypeAlias = Mapping[str, ToolCalled]
MAY_DOUBT = ("once", "reconciled")  # what is never run again without somebody who knows
CONFIRMS, KNOWS = ("approve", "reject"), ("done", "not_done", "reject")


def asked(state: State) -> Mapping[str, ToolCalled | Doubt]:
    """What people are asked now, by the requirement's id."""
    if not isinstance(state, (Acting, Paused)):
        return {}
    confirmed = {calls.requirement(call_id): called for call_id, called in state.awaiting.items()}
    doubts = {calls.doubt(call_id, one.epoch): one for call_id, one in state.doubts.items()}
    return {**confirmed, **doubts}


def refusal(state: State, heard: Resolve) -> str | None:
    """Why an answer to a requirement is refused (a code of `message.refused.v1`), or None."""
    about = asked(state).get(heard.requirement_id)
    if about is None:
        error = state.error if isinstance(state, Finished) else None
        expired = error is not None and error.code == "deadline_exceeded"
        return "expired" if expired else "already_resolved"
    if heard.decision not in (KNOWS if isinstance(about, Doubt) else CONFIRMS):
        return "not_allowed"  # not an answer to this
    called = about.called if isinstance(about, Doubt) else about
    return None if heard.digest in (None, called.arguments_digest) else "digest_mismatch"


def acted(state: Unfinished, heard: ToolOutcome | ToolInDoubt) -> list[RunEvent]:
    """An outcome of a call that runs, or that settles a doubt no person has settled."""
    if not isinstance(state, (Acting, Paused)):
        return []
    call_id = heard.call_id
    running, doubts = dict(_running(state)), dict(state.doubts)
    if isinstance(heard, ToolInDoubt):
        if call_id not in running or _void(state.facts, heard):
            return []
        doubts[call_id] = Doubt(running.pop(call_id), heard.epoch)
    elif call_id in doubts:
        del doubts[call_id]
    elif call_id in running and not _void(state.facts, heard):
        del running[call_id]
    else:
        return []
    return [heard, *_pause(running, state.awaiting, doubts)]


def late(
    state: Unfinished, heard: ToolOutcome | ToolInDoubt | ModelReplied | ModelFailed
) -> list[RunEvent]:
    """What the ledger refused: it settles a doubt, also one that is on its way; else it is
    recorded, once, with what it cost. Of a model's call another answers."""
    if isinstance(heard, (ToolReturned, ToolFailed)) and isinstance(state, (Acting, Paused)):
        called = _running(state).get(heard.call_id)
        doubt_comes = called is not None and called.effect in MAY_DOUBT
        if (doubt_comes or heard.call_id in state.doubts) and not _void(state.facts, heard):
            return acted(state, heard)
    if (heard.call_id, heard.epoch) in state.facts.recorded:
        return []
    return [endings.recorded(heard)]


def resolved(state: Acting | Paused, heard: Resolve) -> list[RunEvent]:
    """A person's answer, and what follows from it."""
    if refusal(state, heard) is not None:
        return []
    answer = RequirementResolved(
        requirement_id=heard.requirement_id, decision=heard.decision, arguments=heard.arguments,
        result=heard.result, note=heard.note, by=heard.by,
    )  # fmt: skip
    if heard.decision in ("approve", "not_done"):
        return [answer]
    call_id = calls.of_requirement(heard.requirement_id)
    about = asked(state)[heard.requirement_id]
    awaiting, doubts = dict(state.awaiting), dict(state.doubts)
    outcome = _told(call_id, about, heard)
    (doubts if isinstance(about, Doubt) else awaiting).pop(call_id)
    return [answer, outcome, *_pause(_running(state), awaiting, doubts)]


def _told(call_id: str, about: ToolCalled | Doubt, heard: Resolve) -> ToolOutcome:
    """What the model is told of a call whose fate a person has decided."""
    epoch = about.epoch if isinstance(about, Doubt) else 1
    if heard.decision == "done":
        said = f"It has acted, a person says. {heard.note or ''}".strip()
        content = said if heard.result is None else heard.result
        return ToolReturned(call_id=call_id, epoch=epoch, content=content)
    said = "A person rejected this call."
    if isinstance(about, Doubt):
        said = "Nobody knows whether this call has acted, and it is not made again."
    message = f"{said} {heard.note or ''}".strip()
    return ToolFailed(call_id=call_id, epoch=epoch, kind="rejected", message=message)


def _running(state: Acting | Paused) -> Calls:
    return state.running if isinstance(state, Acting) else {}


def _void(facts: Facts, heard: ToolOutcome | ToolInDoubt) -> bool:
    """Whether a person has said of this attempt that it has not acted."""
    return heard.epoch <= facts.voided.get(heard.call_id, 0)


def _pause(running: Calls, awaiting: Calls, doubts: Mapping[str, Doubt]) -> list[RunEvent]:
    if running or not (awaiting or doubts):
        return []
    return [answers.pause(awaiting.values(), doubts.values())]


def evolved(
    state: Acting | Paused, facts: Facts,
    event: ToolCalled | ToolOutcome | ToolInDoubt | RunPaused | RequirementResolved,
) -> State:  # fmt: skip
    """The state after an event of tools."""
    running, awaiting, doubts = dict(_running(state)), dict(state.awaiting), dict(state.doubts)
    match event:
        case ToolCalled():
            facts = replace(facts, tool_calls=facts.tool_calls + 1)
            (awaiting if event.requires_confirmation else running)[event.call_id] = event
        case ToolReturned() | ToolFailed():
            for calls_of in (running, awaiting, doubts):
                calls_of.pop(event.call_id, None)
            facts = replace(facts, usage=facts.usage.plus(Usage(tool_calls=1)))
        case ToolInDoubt():
            if (called := running.pop(event.call_id, None)) is not None:
                doubts[event.call_id] = Doubt(called, event.epoch)
        case RequirementResolved():
            facts = _answered(facts, event, running, awaiting, doubts)
        case RunPaused():
            return Paused(facts, awaiting, doubts, facts.usage)
        case _:
            assert_never(event)
    left = running or awaiting or doubts
    if isinstance(event, (ToolReturned, ToolFailed)) and not left:
        # The calls of one message are all made before the model is asked again.
        return Thinking(replace(facts, turn=facts.turn + 1))
    return Acting(facts, running, awaiting, doubts)


def _answered(
    facts: Facts, event: RequirementResolved, running: dict[str, ToolCalled],
    awaiting: dict[str, ToolCalled], doubts: dict[str, Doubt],
) -> Facts:  # fmt: skip
    """Moves what runs now; what does not run has its outcome in the next event."""
    call_id = calls.of_requirement(event.requirement_id)
    if event.decision == "approve" and (called := awaiting.pop(call_id, None)):
        arguments = event.arguments or called.arguments
        running[call_id] = called.model_copy(update={"arguments": arguments})
    elif event.decision == "not_done" and (doubt := doubts.pop(call_id, None)):
        running[call_id] = doubt.called
        return replace(facts, voided={**facts.voided, call_id: doubt.epoch})
    return facts


def in_doubt(state: State) -> frozenset[str]:
    """Calls of which nobody knows whether they have acted."""
    return frozenset(state.doubts if isinstance(state, (Acting, Paused)) else ())
