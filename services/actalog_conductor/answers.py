"""What follows from a whole message of the model: tools, or the end."""

import json
from collections.abc import Iterable, Sequence

from actalog_conductor import calls
from actalog_conductor.agent_states import Doubt, Facts
from actalog_conductor.calls import MOST_ARGUMENTS
from actalog_conductor.endings import failed
from actalog_contracts.base import ToolCall, Usage
from actalog_contracts.definitions import ToolDefinition
from actalog_contracts.runs import (
    RequirementRaised,
    RunCompleted,
    RunEvent,
    RunPaused,
    ToolCalled,
    ToolFailed,
)  # fmt: skip
from actalog_core import foreign
from actalog_core.canonical import content_digest


def after_message(
    facts: Facts, text: str | None, tool_calls: Sequence[ToolCall]
) -> Sequence[RunEvent]:
    """The events behind a message that may be used: a reply, or its review.

    `facts` is as before that event, with the usage of the reply.
    """
    usage = facts.usage
    if not tool_calls:
        return [_completed(facts, text or "", usage)]
    limits = facts.definition.limits
    if facts.turn >= limits.turns:
        return [failed("turn_limit", f"the model took {facts.turn} turns", usage)]
    if facts.tool_calls + len(tool_calls) > limits.tool_calls:
        more = f"more than {limits.tool_calls} tool calls"
        return [failed("budget_exhausted", more, usage)]
    fits = _fitting(tool_calls)
    asked = [_call(facts, at, call, fits=fits[at]) for at, call in enumerate(tool_calls)]
    # All intents come first: a call that fails at once must not end the turn before the others.
    events: list[RunEvent] = [called for called, _ in asked]
    events += [problem for _, problem in asked if problem is not None]
    fine = [called for called, problem in asked if problem is None]
    awaiting = [called for called in fine if called.requires_confirmation]
    if awaiting and len(awaiting) == len(fine):
        events.append(pause(awaiting))
    return events


def pause(awaiting: Iterable[ToolCalled], doubts: Iterable[Doubt] = ()) -> RunPaused:
    """Nothing is left but what a person must confirm or know."""
    confirmed = [
        RequirementRaised(
            id=calls.requirement(called.call_id), kind="confirmation", call_id=called.call_id
        )
        for called in awaiting
    ]
    known = [
        RequirementRaised(
            id=calls.doubt(one.called.call_id, one.epoch), kind="in_doubt",
            call_id=one.called.call_id,
        )
        for one in doubts
    ]  # fmt: skip
    return RunPaused(requirements=(*confirmed, *known))


def _completed(facts: Facts, text: str, usage: Usage) -> RunEvent:
    wants_json = facts.accepted.output_schema or facts.definition.output_schema
    if wants_json and (problem := _no_object(text)):
        return failed("output_invalid", problem, usage)
    # The text is the event just before: by reference, so that it stands in the log once.
    return RunCompleted(output_seq=facts.seq + 1, output_is_json=bool(wants_json), usage=usage)


def _no_object(text: str) -> str | None:
    """Why the answer is not the object that was asked for."""
    try:
        if isinstance(foreign.read(text), dict):
            return None
    except foreign.TooLong as error:
        return f"the answer has {error}"
    except ValueError:
        pass
    return "the answer is not the JSON object asked for"


def _fitting(tool_calls: Sequence[ToolCall]) -> list[bool]:
    """Which of them commands and results can carry, the first ones first."""
    left, fits = MOST_ARGUMENTS, list[bool]()
    for one in tool_calls:
        size = calls.size(one.arguments)
        fits.append(size <= left)
        left -= size if fits[-1] else 0
    return fits


def _call(
    facts: Facts, at: int, call: ToolCall, *, fits: bool
) -> tuple[ToolCalled, ToolFailed | None]:
    """The intent, and why it cannot be carried out: the model is told and may try again."""
    call_id = calls.tool(facts, at)  # by position: a model may repeat its own ids
    tool = {one.name: one for one in facts.definition.tools}.get(call.name)
    called = ToolCalled(
        call_id=call_id, name=call.name, arguments=call.arguments,
        arguments_digest=content_digest(call.arguments.encode()), path=tool and tool.path,
        effect=tool.effect if tool else "read_only",
        requires_confirmation=bool(tool and tool.requires_confirmation),
    )  # fmt: skip
    if tool is None:
        known = ", ".join(sorted(one.name for one in facts.definition.tools)) or "none"
        said = f"There is no tool {call.name!r}. Tools: {known}."
        return called, ToolFailed(call_id=call_id, kind="unknown_tool", message=said)
    if not fits:
        said = (
            f"The arguments of {tool.name} are too large: all calls of a message may have"
            f" {MOST_ARGUMENTS} bytes together. Call it again with less."
        )
        return called, ToolFailed(call_id=call_id, kind="arguments", message=said)
    return called, _arguments_problem(call_id, tool, call.arguments)


def _arguments_problem(call_id: str, tool: ToolDefinition, arguments: str) -> ToolFailed | None:
    if isinstance(_json(arguments or "{}"), dict):
        return None
    said = f"The arguments of {tool.name} must be a JSON object. Its schema: {tool.parameters}"
    return ToolFailed(call_id=call_id, kind="arguments", message=said)


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
