"""What the conductor asks of the answering services, and how they answer.

Every command names its run and its call; ids are functions of the run, so a repeat is recognised.
One reply type carries the outcome, which is the event that the conductor will append.
"""

from typing import Annotated, Literal

from pydantic import Field

from actalog_contracts.base import CallId, Count, Digest, Message, TextRef, Value
from actalog_contracts.runs import (
    ContextBuilt,
    InputChecked,
    MemoryUpdated,
    ModelFailed,
    ModelNeeded,
    ModelReplied,
    OutputReviewed,
    RememberFailed,
    SessionSummarised,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)  # fmt: skip


class Command(Message):
    """A request of the conductor about one call of one run. `deadline` is RFC 3339 UTC."""

    tenant_id: str
    run_no: Count
    run_id: str
    session_id: str
    user_id: str | None = None
    call_id: CallId
    definition: Digest
    deadline: str
    priority: int | None = None  # its task's, where that is not 0


class CheckText(Command):
    """Check the input or a message of the model by the definition's rules; `text` or `held` has
    it."""

    type: Literal["text.check.v1"] = "text.check.v1"
    stage: Literal["input", "output"]
    text: str | None = None
    held: TextRef | None = None
    purpose: str | None = None  # of a message that is no answer: what was to be remembered


class GatherContext(Command):
    type: Literal["context.gather.v1"] = "context.gather.v1"
    turn: Count


class Begun(Value):
    """All that was said in a run before its first call of a model."""

    input: str
    output_schema: str | None = None


class CallModel(Command):
    """Call the model. The prompt is a projection of the log up to `seq`: it is not carried, but for
    the little that a first call may need, so that its worker need not read the log."""

    type: Literal["model.call.v1"] = "model.call.v1"
    purpose: str = "answer"
    seq: Count
    begun: Begun | None = None
    stream: bool = True  # False where an output check may block: no delta may leave


class RunTool(Command):
    """Run one callable. `arguments` is JSON text; the name and path are the definition's."""

    type: Literal["tool.run.v1"] = "tool.run.v1"
    name: str
    path: str
    arguments: str
    effect: str
    timeout_ms: Count
    output_limit: Count
    after_epoch: Count | None = None  # a person said that what ran up to this epoch has not acted


class Remember(Command):
    """Ask the memory service for the next step of remembering run `about`.

    The first time `continuation` is None; then it is what ModelNeeded said, with the reply.
    """

    type: Literal["remember.v1"] = "remember.v1"
    step: Literal["memories", "summary"]
    about_run_no: Count
    about_seq: Count
    continuation: str | None = None
    reply: str | None = None


AnyCommand = Annotated[
    CheckText | GatherContext | CallModel | RunTool | Remember, Field(discriminator="type")
]

Outcome = (
    InputChecked | OutputReviewed | ContextBuilt | ModelNeeded | ModelReplied | ModelFailed
    | ToolReturned | ToolFailed | ToolInDoubt | MemoryUpdated | SessionSummarised | RememberFailed
)  # fmt: skip


class CallAnswered(Message):
    """The answer to one command."""

    type: Literal["call.answered.v1"] = "call.answered.v1"
    tenant_id: str
    run_no: Count
    run_id: str
    session_id: str
    outcome: Annotated[Outcome, Field(discriminator="type")]
    late: bool | None = None  # the ledger refused it: the call was somebody else's by then


class CallStored(Message):
    """The answer to one command lies in the effect ledger: too large to travel twice, since the
    audit feed will carry it."""

    type: Literal["call.stored.v1"] = "call.stored.v1"
    tenant_id: str
    run_no: Count
    run_id: str
    session_id: str
    call_id: CallId


class TurnFree(Message):
    """The session's turn may have come for this run."""

    type: Literal["turn.free.v1"] = "turn.free.v1"
    tenant_id: str
    run_no: Count
    run_id: str
    session_id: str


class TimePassed(Message):
    """The only way a run learns of time. `now` is RFC 3339 UTC."""

    type: Literal["time.passed.v1"] = "time.passed.v1"
    tenant_id: str
    run_no: Count
    run_id: str
    session_id: str
    now: str


class CallBuried(Message):
    """What a run asked for, or an answer to it, went to the dead letters: the run must not wait
    for it. `call_id` is None when the message was about no call. `after_epoch`: it was about an
    attempt behind that epoch of the call, and says nothing of one that was let begin later."""

    type: Literal["call.buried.v1"] = "call.buried.v1"
    tenant_id: str
    run_no: Count
    run_id: str
    session_id: str
    call_id: CallId | None = None
    after_epoch: Count | None = None  # absent in what was said before there was this field
    reason: str
    message: str
    source: str  # topic/partition/offset/timestamp of the record


AnyReply = Annotated[
    CallAnswered | CallStored | TurnFree | TimePassed | CallBuried, Field(discriminator="type")
]


def answer(command: Command, outcome: Outcome) -> CallAnswered:
    """The reply to `command`."""
    return CallAnswered(
        tenant_id=command.tenant_id,
        run_no=command.run_no,
        run_id=command.run_id,
        session_id=command.session_id,
        outcome=outcome,
    )


def lies_in_ledger(command: Command) -> CallStored:
    """Says that the answer to `command` lies in the ledger."""
    return CallStored(
        tenant_id=command.tenant_id,
        run_no=command.run_no,
        run_id=command.run_id,
        session_id=command.session_id,
        call_id=command.call_id,
    )
