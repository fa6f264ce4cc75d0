"""The event that a call of a model ends in. Pure."""

from collections.abc import Sequence

import orjson

from actalog_contracts.base import TextRef, ToolCall, Usage
from actalog_contracts.calls import CallModel
from actalog_contracts.definitions import ModelChoice
from actalog_contracts.runs import Attempt, ModelFailed, ModelReplied, PromptRecord
from actalog_llm.ask import Answered
from actalog_llm.attempts import ModelCall
from actalog_llm.ports import Failure
from actalog_llm.prompt.parts import Prompt
from actalog_llm.usable import usage_of
from actalog_llm.whole import CallText, estimated


def replied(
    command: CallModel,
    choice: ModelChoice,
    prompt: Prompt,
    answered: Answered,
    *,
    attempts: Sequence[Attempt],
    spent: Usage,
    duration_ms: int,
) -> ModelReplied:
    """A whole message. `spent` is what attempts before it have cost."""
    whole = answered.whole
    model = whole.model or choice.id
    usage = usage_of(whole, prompt).plus(spent)
    return ModelReplied(
        call_id=command.call_id, epoch=attempts[-1].epoch, purpose=command.purpose,
        text=whole.text, reasoning=whole.reasoning,
        tool_calls=tuple(tool_call(command, at, one) for at, one in enumerate(whole.calls)),
        finish=whole.finish, provider=choice.provider, model=model,
        request_id=answered.request_id,
        usage=usage.model_copy(update={"model_calls": 1, "models": (model,)}),
        prompt=prompt.record, attempts=tuple(attempts), first_token_ms=answered.first_token_ms,
        duration_ms=duration_ms, extra=whole.extra,
    )  # fmt: skip


def failed(
    command: CallModel,
    failure: Failure,
    *,
    epoch: int,
    prompt: PromptRecord | None = None,
    attempts: Sequence[Attempt] = (),
    spent: Usage | None = None,
) -> ModelFailed:
    """No message. A call that sent no request has cost nothing."""
    usage = (spent or Usage()).model_copy(update={"model_calls": 1 if attempts else 0})
    return ModelFailed(
        call_id=command.call_id, epoch=epoch, purpose=command.purpose, kind=failure.kind,
        message=failure.message, attempts=tuple(attempts), prompt=prompt, usage=usage,
    )  # fmt: skip


def broken_off(command: CallModel, begun: Sequence[ModelCall], *, epoch: int) -> ModelFailed:
    """The run ended while the model was asked, or the call became somebody else's. What was read
    and written costs all the same."""
    said = "the request was broken off: its run had ended, or another worker had the call"
    told = Failure("unknown", said)
    if not begun:
        return failed(command, told, epoch=epoch)
    call = begun[-1]
    return failed(
        command, told, epoch=epoch, prompt=call.prompt.record, attempts=call.attempts,
        spent=cost(begun),
    )  # fmt: skip


def cost(begun: Sequence[ModelCall]) -> Usage:
    """Of requests that were broken off: what was read and written until then. `spent` of the last
    has that of those before it."""
    if not begun:
        return Usage()
    call = begun[-1]
    return call.spent.plus(estimated(call.prompt.chars, call.written))


def tool_call(command: CallModel, at: int, call: CallText) -> ToolCall:
    """Ours is unique in the run, whatever the model repeats."""
    return ToolCall(
        id=f"{command.call_id}.{at}", provider_id=call.provider_id, name=call.name,
        arguments=call.arguments,
    )  # fmt: skip


def held_row(reply: ModelReplied) -> tuple[str, str]:
    """(id, text) of a message that waits beside the log for its review (protocol 9)."""
    calls = [call.model_dump() for call in reply.tool_calls]
    text = orjson.dumps({"text": reply.text or "", "tool_calls": calls}).decode()
    return f"{reply.call_id}:{reply.epoch}", text


def as_held(reply: ModelReplied, ref: TextRef) -> ModelReplied:
    """The reply without anything that was not reviewed."""
    return reply.model_copy(update={"text": None, "tool_calls": (), "held_text": ref})
