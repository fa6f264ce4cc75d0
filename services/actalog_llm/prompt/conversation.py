"""What a run's own events say to a model: input, replies, tool calls and their outcomes."""

from dataclasses import dataclass, field
from typing import TypeAlias

from actalog_contracts.base import ToolCall
from actalog_contracts.calls import Begun
from actalog_contracts.runs import (
    ContextBuilt,
    InputChecked,
    ModelNeeded,
    ModelReplied,
    OutputReviewed,
    RequirementResolved,
    RunAccepted,
    ToolCalled,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)
from actalog_core.errors import NewerBuild
from actalog_core.events import UPCASTERS, decode, written_by_newer
from actalog_core.values import frozen
from actalog_llm.prompt.ids import role_of_call, tool_name, wished
from actalog_llm.prompt.parts import (
    ASSISTANT,
    EXTRA,
    MEDIA,
    TOOL,
    TOOL_CALL,
    TOOL_ERROR,
    USER,
    CallKey,
    Part,
    said,
    taken,
)
from actalog_log.ports import StoredEvent

HEARD = frozenset(
    one.model_fields["type"].default
    for one in (
        RunAccepted, InputChecked, ContextBuilt, ModelNeeded, ModelReplied, OutputReviewed,
        RequirementResolved, ToolCalled, ToolFailed, ToolInDoubt, ToolReturned,
    )
)  # fmt: skip
NO_OUTCOME = "Nothing is known about what came of this call."


@frozen
class Cut:
    """Where an earlier prompt of the run ended: its reply's seq, its record's digest and renderer,
    and how many of the run's own parts it had."""

    seq: int
    digest: str
    renderer: str
    at: int


@dataclass(slots=True)
class _Call:
    key: CallKey
    name: str
    arguments: str
    where: tuple[int, int, str]
    outcome: Part | None = None


@dataclass(slots=True)
class _Turn:
    """A reply of the model that may still be changed by what follows: a review, an approval."""

    seq: int
    extra: str
    text: str
    text_seq: int
    asked: tuple[ToolCall, ...]
    asked_seq: int
    held: bool
    calls: dict[str, _Call] = field(default_factory=dict[str, _Call])


class Conversation:
    """Folds a run's events. Only events that follow on the last one are heard."""

    def __init__(self, run_no: int) -> None:
        self.run_no, self.seq = run_no, 0
        self.size = 0  # code points of the parts
        self.output_schema: str | None = None  # the task's own
        self.context: ContextBuilt | None = None
        self.needed: tuple[int, ModelNeeded] | None = None
        self.cuts: list[Cut] = []
        self._media: Part | None = None
        self._input: Part | None = None
        self._parts: list[Part] = []
        self._turn: _Turn | None = None

    @classmethod
    def begun(cls, run_no: int, begun: Begun, seq: int) -> "Conversation":
        """A run in which nothing else was said up to that event, without its log."""
        run = cls(run_no)
        run.seq, run.output_schema = seq, begun.output_schema
        run._take_input(begun.input, (run_no, 1, "input"))
        return run

    def hear(self, event: StoredEvent) -> None:
        """The next event of the run; another one is passed over.

        Raises:
            NewerBuild: this build does not know the event, so it cannot tell the prompt.
        """
        if event.seq != self.seq + 1:
            return
        if event.type in HEARD or event.type in UPCASTERS:
            self._hear(event.seq, decode(event.type, event.payload))
        elif written_by_newer(event.type):
            raise NewerBuild(event.type)
        self.seq = event.seq

    def parts(self) -> list[Part]:
        """Everything so far."""
        return [*self._first(), *self._parts, *self._shown(self._turn)]

    def _first(self) -> list[Part]:
        """What the run was begun with. A text that waits for its check holds back what goes with it."""
        if self._input is None:
            return []
        return [self._input] if self._media is None else [self._media, self._input]

    def _hear(self, seq: int, event: object) -> None:
        match event:
            case RunAccepted():
                self.output_schema = event.output_schema
                if event.media != "[]":
                    self._media = taken(MEDIA, event.media, (self.run_no, seq, "media"))
                    self.size += len(event.media)
                self._take_input(event.input, (self.run_no, seq, "input"))
            case InputChecked():
                self._take_input(event.text, (self.run_no, seq, "text"))
            case ContextBuilt():
                self.context = event
            case ModelNeeded():
                self.needed = (seq, event)
            case ModelReplied(purpose="answer"):
                self._replied(seq, event)
            case OutputReviewed():
                self._reviewed(seq, event)
            case ToolCalled() | ToolReturned() | ToolFailed() | ToolInDoubt():
                self._acted(seq, event)
            case RequirementResolved():
                self._resolved(seq, event)
            case _:
                pass

    def _take_input(self, text: str | None, where: tuple[int, int, str]) -> None:
        if text is not None:
            self._input = taken(USER, text, where)

    def _replied(self, seq: int, event: ModelReplied) -> None:
        self._keep(self._shown(self._turn))
        at = len(self._parts) + len(self._first())
        self.cuts.append(Cut(seq, event.prompt.digest, event.prompt.renderer, at))
        self._turn = _Turn(
            seq, event.extra, event.text or "", seq, event.tool_calls, seq,
            held=event.held_text is not None,
        )  # fmt: skip

    def _reviewed(self, seq: int, event: OutputReviewed) -> None:
        if (turn := self._turn) is not None and turn.held:
            turn.text, turn.text_seq = event.text or "", seq
            turn.asked, turn.asked_seq = event.tool_calls, seq

    def _acted(self, seq: int, event: "ToolCalled | _Outcome") -> None:
        turn = self._turn
        if turn is None:
            return
        if isinstance(event, ToolCalled):
            at = len(turn.calls)  # intents stand in the order in which the model asked
            asked = turn.asked[at].provider_id if at < len(turn.asked) else ""
            verbatim = at < len(turn.asked) and turn.asked[at].arguments == event.arguments
            path = f"tool_calls.{at}.arguments" if verbatim else "arguments"
            where = (self.run_no, turn.asked_seq if verbatim else seq, path)
            key = CallKey(self.run_no, turn.seq, at, wished(asked))
            turn.calls[event.call_id] = _Call(key, tool_name(event.name), event.arguments, where)
        elif (call := turn.calls.get(event.call_id)) is not None:
            call.outcome = _outcome(self.run_no, seq, call.key, event)

    def _resolved(self, seq: int, event: RequirementResolved) -> None:
        """A call whose arguments a person replaced is shown as it was run."""
        call_id = event.requirement_id.removesuffix(":confirm")
        call = self._turn.calls.get(call_id) if self._turn else None
        if call is not None and event.decision == "approve" and event.arguments:
            call.arguments, call.where = event.arguments, (self.run_no, seq, "arguments")

    def _shown(self, turn: _Turn | None) -> list[Part]:
        if turn is None:
            return []
        shown: list[Part] = []
        if turn.extra != "{}":
            shown.append(taken(EXTRA, turn.extra, (self.run_no, turn.seq, "extra")))
        if turn.text:
            shown.append(taken(ASSISTANT, turn.text, (self.run_no, turn.text_seq, "text")))
        calls = turn.calls.values()
        shown += [
            taken(
                role_of_call(TOOL_CALL, one.key.wished, one.name), one.arguments, one.where,
                call=one.key, name=one.name,
            )
            for one in calls
        ]  # fmt: skip
        shown += [one.outcome or said(f"{TOOL_ERROR}:", NO_OUTCOME, call=one.key) for one in calls]
        return shown

    def _keep(self, parts: list[Part]) -> None:
        self._parts += parts
        self.size += sum(len(part.text) for part in parts)


_Outcome: TypeAlias = ToolReturned | ToolFailed | ToolInDoubt


def _outcome(run_no: int, seq: int, key: CallKey, event: "_Outcome") -> Part:
    if isinstance(event, ToolReturned):
        role = role_of_call(TOOL, key.wished, "")
        return taken(role, event.content, (run_no, seq, "content"), call=key)
    role = role_of_call(TOOL_ERROR, key.wished, "")
    return taken(role, event.message, (run_no, seq, "message"), call=key)
