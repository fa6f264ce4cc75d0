"""The two kinds of message, and the types they share."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

RunId = str
CallId = str
Digest = str  # "sha256:<hex>" or "hmac:<hex>" (protocol 1.3)

MAX_ID = 200
MAX_MADE_ID = MAX_ID + 40  # of what is named after a run: its calls, requirements and children
NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"
Identifier = Annotated[str, Field(min_length=1, max_length=MAX_ID, pattern=NO_CONTROLS)]
MadeIdentifier = Annotated[str, Field(min_length=1, max_length=MAX_MADE_ID, pattern=NO_CONTROLS)]
# Own numbers are integers within 2^53 - 1, so that every JSON reader agrees (protocol 11.1).
Count = Annotated[int, Field(ge=0, le=2**53 - 1)]


class Message(BaseModel):
    """Travels between services, or is published: unknown fields are ignored, so two builds can
    run side by side."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class FromOutside(BaseModel):
    """Comes from another system: unknown fields are refused, so a typo does not pass."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Value(Message):
    """A part of a message."""


class Error(Value):
    """Why a run ended otherwise than completed. `source` names the service or provider."""

    code: str
    message: str
    source: str | None = None
    retryable: bool = False


class Usage(Value):
    """What model and tool calls cost. `cost` is a decimal string in USD, None when unknown."""

    input_tokens: Count = 0
    output_tokens: Count = 0
    total_tokens: Count = 0
    cached_tokens: Count = 0
    reasoning_tokens: Count = 0
    model_calls: Count = 0
    tool_calls: Count = 0
    cost: str | None = None
    estimated: bool = False
    models: tuple[str, ...] = ()

    def plus(self, other: "Usage") -> "Usage":
        """The two together; each model is named once."""
        if not self.model_fields_set:  # most runs have a single call, and nothing before it
            return other
        if not other.model_fields_set:
            return self
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            model_calls=self.model_calls + other.model_calls,
            tool_calls=self.tool_calls + other.tool_calls,
            cost=_sum(self.cost, other.cost),
            estimated=self.estimated or other.estimated,
            models=tuple(dict.fromkeys((*self.models, *other.models))),
        )


def _sum(one: str | None, other: str | None) -> str | None:
    """Decimal strings added exactly; what is unknown adds nothing."""
    known = [Decimal(cost) for cost in (one, other) if cost is not None]
    return format(sum(known, Decimal(0)), "f") if known else None


class Span(Value):
    """Where in a text a check found something: offsets in code points, end exclusive."""

    kind: str
    start: Count
    end: Count


class TextRef(Value):
    """Text that waits beside the log: its row and its keyed digest."""

    held: str
    digest: Digest


class ToolCall(Value):
    """A tool call as the model asked for it.

    `id` is ours, unique in the run; `provider_id` the model's own, which may repeat.
    `arguments` is JSON as received, never parsed and written again.
    """

    id: CallId
    provider_id: str
    name: str
    arguments: str
