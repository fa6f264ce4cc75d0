"""How runs of every kind end, and what may still follow an end."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import TypeAlias, assert_never, cast

from actalog_conductor.agent_states import Facts, Finished, Status
from actalog_conductor.heard import Broken, Buried, Cancel, Heard, Late, TimeIs
from actalog_contracts.base import Error, Usage
from actalog_contracts.runs import (
    CallSettled,
    ModelFailed,
    ModelReplied,
    OutputReviewed,
    RunBlocked,
    RunCancelled,
    RunCompleted,
    RunEvent,
    RunFailed,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)  # fmt: skip

Ending: TypeAlias = RunCompleted | RunFailed | RunBlocked | RunCancelled
RETRYABLE = ("rate_limited", "overloaded", "timeout", "connection")
DOUBT = "tool.in_doubt.v1"
OUTPUT_BLOCKED = "output_blocked"


def failed(code: str, message: str, usage: Usage) -> RunFailed:
    """An end that the conductor itself decides."""
    return RunFailed(error=Error(code=code, message=message, source="conductor"), usage=usage)


def of_model(heard: ModelFailed) -> Error:
    """A model's failure as a run's error."""
    return Error(
        code="model_failed", message=heard.message, source=heard.kind,
        retryable=heard.kind in RETRYABLE,
    )  # fmt: skip


def of_check(code: str, reasons: Iterable[str]) -> Error:
    """A verdict of the guardrails as a run's error."""
    return Error(code=code, message="; ".join(reasons), source="guardrails")


def of_review(heard: OutputReviewed) -> Error | None:
    """Why a message of the model may not be used; None where it may."""
    blocked = heard.verdict == "blocked"
    return of_check(OUTPUT_BLOCKED, heard.reasons) if blocked else None


def bare(heard: OutputReviewed) -> OutputReviewed:
    """Without the message, whatever the check said: what is blocked is never logged."""
    return heard.model_copy(update={"text": None, "tool_calls": ()})


def ended_by(heard: Cancel | Broken | TimeIs, facts: Facts) -> list[RunEvent]:
    """What ends any run that has begun, whatever it waits for."""
    match heard:
        case Cancel(reason=reason, by=by):
            return [RunCancelled(reason=reason, by=by, usage=facts.usage)]
        case Broken(message=message):
            return [failed("internal", message, facts.usage)]
        case TimeIs(now=now) if now >= facts.accepted.deadline:
            return [failed("deadline_exceeded", "the run's deadline has passed", facts.usage)]
        case TimeIs():
            return []
        case _:
            assert_never(heard)


def buried(heard: Buried, asked: Collection[str], facts: Facts) -> list[RunEvent]:
    """A dead letter of a call that is waited for, or of no call: nobody would answer it."""
    if heard.call_id is not None and heard.call_id not in asked:
        return []
    said = f"what the run waits for went to the dead letters: {heard.message}"
    return [failed("internal", said, facts.usage)]


def settled(heard: Heard, state: Finished) -> list[RunEvent]:
    """A late outcome of what cost or acted is recorded once (protocol 6.5)."""
    match heard:
        case Late(outcome=outcome):
            if (outcome.call_id, outcome.epoch) in state.facts.recorded:
                return []
            return settled(outcome, state) or _refused(outcome)
        case ToolInDoubt() if heard.call_id in state.doubted:
            return []
        case ModelReplied() | ModelFailed() | ToolReturned() | ToolFailed() | ToolInDoubt() if (
            heard.call_id in state.unsettled
        ):
            return [recorded(heard)]
        case ModelReplied() | ModelFailed():
            return of_another(heard, state.facts)
        case _:
            return []


def of_another(heard: ModelReplied | ModelFailed, facts: Facts) -> list[RunEvent]:
    """Of a call that is answered already: what another attempt came to is recorded, once, with
    what it cost. Two workers may both have told, who believed that the call was theirs."""
    known = {epoch for call_id, epoch in facts.recorded if call_id == heard.call_id}
    return [recorded(heard)] if known and heard.epoch not in known else []


def paid(facts: Facts, event: ModelReplied | ModelFailed | CallSettled) -> Facts:
    """The facts with what an attempt has cost."""
    return replace(
        facts, usage=facts.usage.plus(event.usage),
        recorded=facts.recorded | {(event.call_id, event.epoch)},
    )  # fmt: skip


def recorded(
    heard: ToolReturned | ToolFailed | ToolInDoubt | ModelReplied | ModelFailed,
) -> CallSettled:
    """An outcome that changes nothing, with what it cost."""
    if isinstance(heard, (ModelReplied, ModelFailed)):
        return CallSettled(
            call_id=heard.call_id, epoch=heard.epoch, outcome=heard.type, usage=heard.usage
        )
    took_ms = None if isinstance(heard, ToolInDoubt) else heard.duration_ms
    message = None if isinstance(heard, ToolReturned) else heard.message
    return CallSettled(
        call_id=heard.call_id, epoch=heard.epoch, outcome=heard.type, duration_ms=took_ms,
        message=message,
    )  # fmt: skip


def _refused(
    outcome: ToolReturned | ToolFailed | ToolInDoubt | ModelReplied | ModelFailed,
) -> list[RunEvent]:
    """The call has its outcome already: what the ledger refused is recorded beside it."""
    if isinstance(outcome, ToolInDoubt):
        return []
    return [recorded(outcome)]


def finished(
    facts: Facts, event: Ending, *, unsettled: frozenset[str], doubted: frozenset[str]
) -> Finished:
    """The state after an end. A completed run's answer is the text that was said last, to which
    its event refers, or the event's own."""
    output, is_json, cut = None, False, False
    if isinstance(event, RunCompleted):
        output = facts.said if event.output_seq is not None else event.output
        is_json = event.output_is_json
        cut = facts.cut and not is_json
    error = event.error if isinstance(event, RunFailed | RunBlocked) else None
    status = cast(Status, event.type.removeprefix("run.").removesuffix(".v1"))
    return Finished(
        facts, status, usage=event.usage, error=error, output=output,
        output_is_json=is_json, truncated=cut, unsettled=unsettled, doubted=doubted,
    )  # fmt: skip


def after_settling(state: Finished, facts: Facts, event: CallSettled) -> Finished:
    """Its cost is added to the run's, and nothing else changes."""
    doubted, unsettled = state.doubted, state.unsettled
    if event.outcome == DOUBT:
        doubted = doubted | {event.call_id}
    else:
        unsettled = unsettled - {event.call_id}
    return replace(state, facts=facts, unsettled=unsettled, doubted=doubted)
