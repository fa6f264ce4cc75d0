"""What an event says to a person, in one line."""

from typing import assert_never

from actalog.cli.output import shorten
from actalog_contracts.base import Usage
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

WIDE = 100


def tell(event: RunEvent) -> str:
    """What happened."""
    match event:
        case RunAccepted() | RunStarted() | RunPaused() | RequirementResolved():
            return _beginning(event)
        case InputChecked() | OutputReviewed():
            why = f" ({', '.join(event.reasons)})" if event.reasons else ""
            return f"{event.verdict}{why}" + (
                f": {shorten(event.text, WIDE)}" if event.text else ""
            )
        case ContextBuilt():
            return _context(event)
        case ModelReplied() | ModelFailed() | ModelNeeded():
            return _model(event)
        case ToolCalled() | ToolReturned() | ToolFailed() | ToolInDoubt() | CallSettled():
            return _tool(event)
        case RunCompleted() | RunFailed() | RunBlocked() | RunCancelled():
            return _ending(event)
        case MemoryUpdated():
            return (
                "; ".join(f"{op.op}: {shorten(op.text or op.id, 60)}" for op in event.ops)
                or "nothing to keep"
            )
        case SessionSummarised():
            return shorten(event.summary, WIDE)
        case RememberFailed():
            return shorten(event.message, WIDE)
        case _:
            assert_never(event)


def _beginning(event: RunAccepted | RunStarted | RunPaused | RequirementResolved) -> str:
    match event:
        case RunAccepted():
            asked = (
                "(held until it is checked)" if event.input is None else shorten(event.input, WIDE)
            )
            return f"{event.target}: {asked}"
        case RunStarted():
            return "the session's turn has come"
        case RunPaused():
            return "waits for " + ", ".join(
                f"{one.kind} of {one.call_id}" for one in event.requirements
            )
        case RequirementResolved():
            said = f" by {event.by}" if event.by else ""
            return f"{event.decision}{said}" + (
                f": {shorten(event.note, WIDE)}" if event.note else ""
            )


def _context(event: ContextBuilt) -> str:
    parts = [
        _count(len(event.history), "earlier run", "earlier runs"),
        _count(len(event.memories), "memory", "memories"),
        "a summary" if event.summary else "",
        "the session's state" if event.session_state else "",
    ]
    return ", ".join(part for part in parts if part) or "; ".join(event.reasons) or "nothing"


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}" if number else ""


def _model(event: ModelReplied | ModelFailed | ModelNeeded) -> str:
    match event:
        case ModelReplied():
            calls = ", ".join(
                f"{call.name}({shorten(call.arguments, 40)})" for call in event.tool_calls
            )
            text = (
                "(held until it is reviewed)"
                if event.held_text
                else shorten(event.text or "", WIDE)
            )
            tries = f" after {len(event.attempts)} attempts" if len(event.attempts) > 1 else ""
            return f"{event.model}{tries}: " + " ".join(part for part in (text, calls) if part)
        case ModelFailed():
            return f"{event.kind}: {shorten(event.message, WIDE)}"
        case ModelNeeded():
            return f"for {event.purpose}"


def _tool(event: ToolCalled | ToolReturned | ToolFailed | ToolInDoubt | CallSettled) -> str:
    match event:
        case ToolCalled():
            asks = ", a person confirms" if event.requires_confirmation else ""
            return f"{event.name}({shorten(event.arguments, 60)}) [{event.effect}{asks}]"
        case ToolReturned():
            return shorten(event.content, WIDE)
        case ToolFailed():
            return f"{event.kind}: {shorten(event.message, WIDE)}"
        case ToolInDoubt():
            return f"nobody knows whether it acted: {shorten(event.message, WIDE)}"
        case CallSettled():
            said = f": {shorten(event.message, WIDE)}" if event.message else ""
            return f"late: {event.outcome} of {event.call_id}{said}"


def _ending(event: RunCompleted | RunFailed | RunBlocked | RunCancelled) -> str:
    match event:
        case RunCompleted():
            return (
                shorten(event.output, WIDE) if event.output else f"as event {event.output_seq} says"
            )
        case RunFailed() | RunBlocked():
            return f"{event.error.code}: {shorten(event.error.message, WIDE)}"
        case RunCancelled():
            by = f" by {event.by}" if event.by else ""
            return f"cancelled{by}" + (f": {shorten(event.reason, WIDE)}" if event.reason else "")


def cost(event: RunEvent) -> str:
    """Tokens of a model call, or what the whole run cost."""
    match event:
        case ModelReplied(usage=usage) | ModelFailed(usage=usage) | CallSettled(usage=usage):
            return _tokens(usage)
        case RunCompleted(usage=usage) | RunFailed(usage=usage) | RunBlocked(usage=usage):
            return f"all: {_tokens(usage)}" if usage.model_calls else ""
        case RunCancelled(usage=usage):
            return f"all: {_tokens(usage)}" if usage.model_calls else ""
        case _:
            return ""


def _tokens(usage: Usage) -> str:
    if not usage.total_tokens and not usage.cost:
        return ""
    money = f" ${usage.cost}" if usage.cost else ""
    about = "~" if usage.estimated else ""
    return f"{about}{usage.input_tokens}+{usage.output_tokens} tokens{money}"
