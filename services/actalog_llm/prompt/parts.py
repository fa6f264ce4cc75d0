"""A prompt as a list of parts that know no provider: text, whose it is, and where it stands.

Roles: `tools` (JSON list of schemas), `schema` (of the answer), `system`, `media` (JSON list of what
goes with the `user` part behind it; `media:earlier` in a run that is history), `user`, `assistant`,
`extra` (what the provider wants back), `tool_call:<id>:<name>` (its arguments),
`tool:<id>` and `tool_error:<id>` (its outcome), `quote:<whose>` (a conversation shown as text).
In a record `prompt` stands for all parts of an earlier prompt of the same run.
"""

from collections.abc import Iterable
from dataclasses import field

import orjson

from actalog_contracts.runs import PromptPart, PromptRecord
from actalog_core.canonical import content_digest
from actalog_core.values import frozen

RENDERER = "actalog/1"
"""Version of the rendering. 1: the first."""

TOOLS, SCHEMA, SYSTEM = "tools", "schema", "system"
USER, MEDIA, ASSISTANT, EXTRA, PROMPT = "user", "media", "assistant", "extra", "prompt"
EARLIER = f"{MEDIA}:earlier"
TOOL_CALL, TOOL, TOOL_ERROR, QUOTE = "tool_call", "tool", "tool_error", "quote"


@frozen
class CallKey:
    """Names a tool call whatever ids the model gives: the reply's place and the call's in it.
    `wished` is the model's own id, as far as providers take it; it may repeat."""

    run_no: int
    seq: int
    at: int
    wished: str


@frozen
class Part:
    """`recorded` says the same without the text where the text is an event's field."""

    role: str
    text: str
    recorded: PromptPart = field(repr=False)
    call: CallKey | None = None
    name: str = ""  # of the tool, for calls

    @property
    def kind(self) -> str:
        return self.role.partition(":")[0]


@frozen
class Prompt:
    """What a model is sent, and its record."""

    parts: tuple[Part, ...]
    record: PromptRecord

    @property
    def chars(self) -> int:
        """Code points of the text that is sent, without its wrapping."""
        return sum(len(part.text) for part in self.parts if part.kind != MEDIA)


def said(role: str, text: str, *, call: CallKey | None = None) -> Part:
    """Text that stands in no event: content-addressed."""
    recorded = PromptPart.model_construct(
        role=role, digest=content_digest(text.encode()), run_no=None, seq=None, field=None,
        text=text,
    )  # fmt: skip
    return Part(role, text, recorded, call)


def taken(
    role: str, text: str, where: tuple[int, int, str], *, call: CallKey | None = None,
    name: str = "",
) -> Part:  # fmt: skip
    """An event's field used verbatim; `where` is (run_no, seq, field)."""
    run_no, seq, path = where
    recorded = PromptPart.model_construct(
        role=role, digest=content_digest(text.encode()), run_no=run_no, seq=seq, field=path,
        text=None,
    )  # fmt: skip
    return Part(role, text, recorded, call, name)


def in_role(part: Part, role: str) -> Part:
    """The same text in another role."""
    if part.role == role:
        return part
    recorded = part.recorded.model_copy(update={"role": role})
    return Part(role, part.text, recorded, part.call, part.name)


def digest_of(parts: Iterable[PromptPart]) -> str:
    """The prompt's digest, over roles and digests: it verifies without keys (protocol 11.3)."""
    return content_digest(orjson.dumps([[part.role, part.digest] for part in parts]))


def record_of(parts: tuple[PromptPart, ...], params: str) -> PromptRecord:
    """The record of a prompt that consists of these parts."""
    return PromptRecord.model_construct(
        digest=digest_of(parts), renderer=RENDERER, parts=parts, params=params
    )
