"""The part of an agent's run in which tools run: outcomes, doubts, and the answers of people."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias, assert_never

from actalog_conductor import answers, calls, endings
from actalog_conductor.agent_states import Acting, Facts, Paused, State, Thinking
from actalog_conductor.heard import Resolve
from actalog_contracts.base import Usage
from actalog_contracts.runs import (
    RequirementResolved,
    RunEvent,
    RunPaused,
    ToolCalled,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)  # fmt: skip

ToolOutcome: TypeAlias = ToolReturned | ToolFailed


def refusal(state: State, heard: Resolve) -> str | None:
    """Why an answer to a requirement is refused (a code of `message.refused.v1`), or None."""
    if isinstance(state, (Acting, Paused)):
        for call_id, called in state.awaiting.items():
            if calls.requirement(call_id) == heard.requirement_id:
                if heard.decision not in ("approve", "reject"):
                    return "not_allowed"  # not an answer to a confirmation
                seen = heard.digest in (None, called.arguments_digest)
                return None if seen else "digest_mismatch"
    return "already_resolved"


def acted(state: Acting, heard: ToolOutcome | ToolInDoubt) -> list[RunEvent]:
    if isinstance(heard, ToolInDoubt):
        called = state.running[heard.call_id]
        said = f"nobody knows whether {called.name} has acted: {heard.message}"
        return [heard, endings.failed("tool_failed", said, state.facts.usage)]
    if state.awaiting and len(state.running) == 1:
        return [heard, answers.pause(list(state.awaiting.values()))]
    return [heard]


def resolved(state: Acting | Paused, heard: Resolve) -> list[RunEvent]:
    if refusal(state, heard) is not None:
        return []
    answer = RequirementResolved(
        requirement_id=heard.requirement_id, decision=heard.decision, arguments=heard.arguments,
        note=heard.note, by=heard.by,
    )  # fmt: skip
    if heard.decision == "approve":
        return [answer]
    call_id = heard.requirement_id.removesuffix(":confirm")
    said = f"A person rejected this call. {heard.note or ''}".strip()
    return [answer, ToolFailed(call_id=call_id, kind="rejected", message=said)]


def evolved(
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
        case _:
            assert_never(event)
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
