"""What a script says: a reply, or a fault."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool call of the model. Arguments given as text are sent as they are, JSON or not."""

    name: str
    arguments: str | Mapping[str, Any] = "{}"
    id: str | None = None  # None: derived from the request


@dataclass(frozen=True, slots=True)
class Tokens:
    """The usage that a reply reports."""

    input: int
    output: int
    cached: int = 0
    reasoning: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """A message of the model.

    `chunks` is into how many pieces the text is split; `delay_ms` passes before each of them.
    `usage` is estimated from the lengths unless given; "none": no usage is reported.
    `finish` replaces the wire's own reason; `model` the echoed model name.
    """

    text: str = ""
    tool_calls: Sequence[ToolUse] = ()
    reasoning: str = ""
    usage: Tokens | Literal["estimated", "none"] = "estimated"
    chunks: int = 4
    delay_ms: float = 0
    finish: str | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong: instead of a reply (`status`), or in the middle of `reply`.

    A chunk is one event of the stream; bytes are those of the body. `stall_*` hold the connection
    for `stall_ms`, then go on. A cut closes the connection without an ending; `missing_finish`
    ends the response in order, but without finish reason, usage and [DONE] (message_stop).
    `error_after_chunks` sends the wire's in-band error instead of the rest.
    """

    status: int | None = None
    retry_after: str | float | None = None
    message: str = "a fault of the script"
    reply: Reply = field(default_factory=lambda: Reply("This reply does not arrive whole."))
    stall_ms: float = 3_600_000
    stall_before_headers: bool = False
    stall_after_chunks: int | None = None
    cut_after_bytes: int | None = None
    cut_after_chunks: int | None = None
    error_after_chunks: int | None = None
    missing_finish: bool = False


Answer: TypeAlias = Reply | Fault
