"""What runs can hear, made up for the state diagram: small definitions and one message of each."""

from collections.abc import Iterable, Mapping, Sequence

from actalog_conductor.agent_states import NotStarted
from actalog_conductor.heard import Broken, Cancel, Heard, Resolve, StartRun, TimeIs, TurnCame
from actalog_conductor.kinds import Kind, State, commands
from actalog_contracts.base import TextRef, ToolCall, Usage
from actalog_contracts.calls import (
    CallModel,
    CheckText,
    Command,
    GatherContext,
    Remember,
    RunTool,
)  # fmt: skip
from actalog_contracts.definitions import (
    AgentDefinition,
    Limits,
    ModelChoice,
    PiiCheck,
    ToolDefinition,
)  # fmt: skip
from actalog_contracts.runs import (
    ContextBuilt,
    HistoryRun,
    InputChecked,
    MemoryUpdated,
    ModelFailed,
    ModelNeeded,
    ModelReplied,
    OutputReviewed,
    PromptRecord,
    RememberFailed,
    RunAccepted,
    SessionSummarised,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)  # fmt: skip

LATER = "2026-01-01T01:00:00.000000Z"
TOOL = ToolDefinition(name="look", parameters="{}", path="agent:a/tools/look")
ASKS = TOOL.model_copy(update={"name": "ask", "requires_confirmation": True})
PLAIN = AgentDefinition(
    id="a", name="a", model=ModelChoice(provider="p", id="m"), tools=(TOOL, ASKS),
    limits=Limits(turns=3),
)  # fmt: skip
CHECKED = PLAIN.model_copy(update={"input_checks": (PiiCheck(),), "history_runs": 1})
REVIEWED = PLAIN.model_copy(update={"output_checks": (PiiCheck(),), "input_checks": (PiiCheck(),)})
GATHERS = PLAIN.model_copy(update={"history_runs": 1})
LEARNS = PLAIN.model_copy(update={"learn": True, "summary": True})
DISCREET = LEARNS.model_copy(update={"output_checks": (PiiCheck(),)})

DEFINITIONS: Mapping[str, Sequence[AgentDefinition]] = {
    "agent": (PLAIN, GATHERS, CHECKED, REVIEWED),
    "memory": (LEARNS, DISCREET),
}


def accepted(name: str) -> RunAccepted:
    """The first event of such a run."""
    return RunAccepted(
        kind="memory" if name == "memory" else "agent", target="agent:a", definition="sha256:a",
        input="hello", body_digest="hmac:b", accepted_at="2026-01-01T00:00:00.000000Z",
        deadline=LATER, about=HistoryRun(run_no=1, run_id="r", seq=1),
    )  # fmt: skip


def heards(name: str, kind: Kind, state: State, first: RunAccepted) -> Iterable[Heard]:
    """Everything that can be said to a run that stands so."""
    yield StartRun(first, free=True)
    if name == "agent":
        yield StartRun(first, free=False)
    yield from (TurnCame(), Cancel(), Broken("x"), TimeIs(LATER))
    for command in commands(kind.due(state)):
        yield from _answers(command, reviewed=_reviewed(state))
    for call_id in getattr(state, "awaiting", ()):
        yield Resolve(f"{call_id}:confirm", "approve")
        yield Resolve(f"{call_id}:confirm", "reject")
    for call_id, doubt in getattr(state, "doubts", {}).items():
        for decision in ("done", "not_done", "reject"):
            yield Resolve(f"{call_id}:doubt{doubt.epoch}", decision)
        yield ToolReturned(call_id=call_id, content="")


def _reviewed(state: State) -> bool:
    """Whether all that a model says to this run waits for a review."""
    definition = state.definition if isinstance(state, NotStarted) else state.facts.definition
    return bool(definition.output_checks)


def _answers(command: Command, *, reviewed: bool) -> Iterable[Heard]:
    call_id = command.call_id
    match command:
        case CheckText(stage="input"):
            yield InputChecked(call_id=call_id, verdict="passed", text="hello")
            yield InputChecked(call_id=call_id, verdict="blocked")
        case CheckText():
            for calls in _CALLS:
                yield OutputReviewed(call_id=call_id, verdict="passed", text="", tool_calls=calls)
            yield OutputReviewed(call_id=call_id, verdict="blocked")
        case GatherContext():
            yield ContextBuilt(call_id=call_id)
        case CallModel():
            yield from _messages(call_id, held=reviewed)
            yield ModelFailed(call_id=call_id, epoch=1, kind="timeout", message="")
        case RunTool():
            yield ToolReturned(call_id=call_id, content="")
            yield ToolFailed(call_id=call_id, kind="raised", message="")
            yield ToolInDoubt(call_id=call_id, epoch=2, message="")
        case Remember(step=step):
            yield ModelNeeded(call_id=call_id, purpose=step, template="", continuation="")
            yield MemoryUpdated(call_id=call_id)
            yield SessionSummarised(call_id=call_id, summary="")
            yield RememberFailed(call_id=call_id, message="")
        case _:
            raise AssertionError(command)


_LOOK, _ASK = (
    ToolCall(id="", provider_id="", name=name, arguments="{}") for name in ("look", "ask")
)
_CALLS: tuple[tuple[ToolCall, ...], ...] = ((), (_LOOK,), (_ASK,), (_LOOK, _ASK))


def _messages(call_id: str, *, held: bool) -> Iterable[ModelReplied]:
    bare = ModelReplied(
        call_id=call_id, epoch=1, text="", finish="stop", provider="p", model="m", usage=Usage(),
        prompt=PromptRecord(digest="", renderer="", parts=()),
    )  # fmt: skip
    if held:
        ref = TextRef(held="h", digest="hmac:h")
        yield bare.model_copy(update={"text": None, "held_text": ref})
        return
    for calls in _CALLS:
        yield bare.model_copy(update={"tool_calls": calls})
