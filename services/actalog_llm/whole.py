"""What came out of a stream: a whole message, or how it broke. No provider is known here."""

import contextlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, Protocol, TypeAlias, cast

import orjson

from actalog_contracts.base import Usage
from actalog_core.canonical import clean_text
from actalog_core.values import frozen

Kind = Literal[
    "auth", "rate_limited", "overloaded", "timeout", "connection", "invalid_request",
    "context_overflow", "refused", "truncated", "malformed", "unknown",
]  # fmt: skip
Piece: TypeAlias = tuple[Literal["text", "reasoning"], str]
MAX_TOKENS = 2**53 - 1
ALIVE: Mapping[str, Any] = {}  # in the place of a chunk: the server says only that it is at work
TOO_DEEP = "the provider's JSON is nested too deeply"
_LONG = re.compile("[0-9]{19}")
CHARS_PER_TOKEN = 4  # a rule of thumb, used where a provider reports nothing


@frozen
class CallText:
    """A tool call as the model wrote it."""

    provider_id: str
    name: str
    arguments: str


@frozen
class Whole:
    """A whole message. `usage` is None where the provider reported none that can be true.
    `extra` is JSON text: what the provider wants back with the next turn."""

    text: str
    reasoning: str
    calls: tuple[CallText, ...]
    finish: str
    model: str | None
    id: str | None
    usage: Usage | None
    extra: str = "{}"
    window_full: bool = False  # cut there, and not at a limit that a request may raise


class Broken(Exception):
    """The stream gave no whole message. `usage` is what it cost all the same; `again`: another
    attempt may do better, where its kind is one that is tried again; `quotes`: the message is in the
    model's words."""

    def __init__(
        self, kind: Kind, message: str, *, usage: Usage | None = None, again: bool = True,
        quotes: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.kind: Kind = kind
        self.message, self.usage, self.again, self.quotes = message, usage, again, quotes


class Accumulator(Protocol):
    """Takes a stream's chunks (parsed JSON of whatever shape) and makes a whole of them."""

    @property
    def started(self) -> bool:
        """Whether the model has begun to write."""
        ...

    @property
    def finished(self) -> bool:
        """Whether the message is known to be whole."""
        ...

    def take(self, chunk: object) -> Sequence[Piece]:
        """What people may see of this chunk.

        Raises:
            Broken: the chunk is no chunk.
        """
        ...

    def whole(self) -> Whole:
        """The message.

        Raises:
            Broken: the stream ended before it, or the model refused.
        """
        ...


class Text:
    """Text that comes in pieces, cleaned as it comes: a pair of surrogates may arrive in two."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._half = ""

    def add(self, text: str) -> str:
        """What can be shown now."""
        if self._half or not text.isascii() or "\x00" in text:
            text = self._half + text
            self._half = ""
            if text and "\ud800" <= text[-1] <= "\udbff":
                self._half, text = text[-1], text[:-1]
            text = clean_text(text)
        if text:
            self.pieces.append(text)
        return text

    def whole(self) -> str:
        """All of it."""
        if self._half:
            self._half = ""
            self.pieces.append("\ufffd")
        return "".join(self.pieces)


def text_of(value: object) -> str:
    """A text, or nothing where something else stands."""
    return value if isinstance(value, str) else ""


def mapping(value: object) -> Mapping[str, Any]:
    """An object, or an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def items(value: object) -> Sequence[object]:
    """A list, or an empty one."""
    return cast("Sequence[object]", value) if isinstance(value, list) else ()


def as_json(value: object) -> str:
    """JSON text of what a provider sent, cleaned.

    Raises:
        Broken: it has more levels than can be written.
    """
    try:
        return clean_text(orjson.dumps(value).decode())
    except TypeError:  # lone surrogates, an integer beyond 64 bits, some 250 levels
        pass
    try:
        return clean_text(json.dumps(value, ensure_ascii=False))
    except RecursionError:
        raise Broken("malformed", TOO_DEEP) from None


def exactly(text: str) -> Any:
    """JSON with its integers as they were written; orjson would round those beyond 64 bits."""
    if _LONG.search(text):
        with contextlib.suppress(RecursionError):
            return json.loads(text)
    return orjson.loads(text)


def tokens(value: object) -> int | None:
    """A count of tokens that can be true, or None."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MAX_TOKENS else None


def estimated(input_chars: int, output_chars: int) -> Usage:
    """Where a provider reported nothing."""
    read, written = -(-input_chars // CHARS_PER_TOKEN), -(-output_chars // CHARS_PER_TOKEN)
    return Usage(
        input_tokens=read, output_tokens=written, total_tokens=read + written, estimated=True
    )


def is_object(text: str) -> bool:
    """Whether it is a JSON object."""
    try:
        return isinstance(orjson.loads(text), dict)
    except orjson.JSONDecodeError:
        return False


def without_echo(whole: Whole) -> Whole:
    """Without thoughts that go back word for word, where the provider does not take them: they
    stand in the log once."""
    back = dict(mapping(mapping(json.loads(whole.extra)).get("openai")))
    if not back.pop("reasoning_content", None):
        return whole
    return replace(whole, extra=as_json({"openai": back}) if back else "{}")


def without_thoughts(whole: Whole) -> Whole:
    """What may be kept of a message that nobody has reviewed yet: no thoughts, neither as text nor
    as what the provider wants back; signatures of calls say nothing and stay (protocol 9)."""
    calls = mapping(mapping(json.loads(whole.extra)).get("openai")).get("calls")
    extra = as_json({"openai": {"calls": calls}}) if calls else "{}"
    return replace(whole, reasoning="", extra=extra)
