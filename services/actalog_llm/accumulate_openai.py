"""Chat completions: chunks to a whole message, whatever a compatible server makes of them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actalog_contracts.base import Usage
from actalog_core.canonical import clean_text
from actalog_llm import reasoning_details
from actalog_llm.whole import (
    Broken,
    CallText,
    Piece,
    Text,
    Whole,
    as_json,
    is_object,
    items,
    mapping,
    text_of,
    tokens,
)

SELDOM = frozenset({"refusal", "reasoning_details", "tool_calls", "function_call"})
WINDOW_FULL = "model_length"  # Mistral's
FINISHES = {
    "tool_calls": "tool_calls", "function_call": "tool_calls", "max_tokens": "length",
    WINDOW_FULL: "length",
}  # fmt: skip
BROKEN_OFF = {"error", "abort", "insufficient_system_resource"}  # OpenRouter, vLLM, DeepSeek


@dataclass(slots=True)
class _Call:
    id: str = ""
    name: str = ""
    arguments: list[str] = field(default_factory=list[str])
    extra: dict[str, Any] = field(default_factory=dict[str, Any])

    @property
    def whole(self) -> bool:
        """Whether the arguments are an object already, so that nothing can follow."""
        return is_object("".join(self.arguments))


class OpenAIAccumulator:
    """See `Accumulator`. Chunks are parsed JSON."""

    def __init__(self) -> None:
        self.text, self.reasoning, self.refusal = Text(), Text(), Text()
        self.thought = False  # as `reasoning_content`, which some servers want back
        self.calls: list[_Call] = []
        self.by_index: dict[int, _Call] = {}
        self.details: list[object] = []
        self.finish: str | None = None
        self.model: str | None = None
        self.id: str | None = None
        self.usage: object = None
        self.started = False

    @property
    def finished(self) -> bool:
        return self.finish is not None

    def take(self, chunk: object) -> Sequence[Piece]:
        """See `Accumulator.take`."""
        told = mapping(chunk)
        if not told:
            raise Broken(
                "malformed", f"a chunk is {type(chunk).__name__}, not an object with fields"
            )
        if told.get("object") == "error":  # vLLM's way, which the SDK lets pass
            raise Broken("overloaded", text_of(told.get("message")) or "the server broke off")
        self.id = self.id or text_of(told.get("id")) or None
        self.model = text_of(told.get("model")) or self.model
        if told.get("usage"):
            self.usage = told["usage"]  # servers that count in every chunk: the last one counts
        pieces: list[Piece] = []
        for choice in map(mapping, items(told.get("choices"))):
            if choice.get("index") in (0, None):
                self._choice(choice, pieces)
        return pieces

    def _choice(self, choice: Mapping[str, Any], pieces: list[Piece]) -> None:
        delta = mapping(choice.get("delta") or choice.get("message"))
        if finish := choice.get("finish_reason"):
            self.finish = text_of(finish) or self.finish
        content, thought = _content(delta.get("content"))
        if not thought and (thought := text_of(delta.get("reasoning_content"))):
            self.thought = True
        thought = thought or text_of(delta.get("reasoning"))
        if thought and (shown := self.reasoning.add(thought)):
            pieces.append(("reasoning", shown))
        if content and (shown := self.text.add(content)):
            pieces.append(("text", shown))
        self.started = self.started or bool(content or thought)
        if not SELDOM.isdisjoint(delta):
            self._seldom(delta)

    def _seldom(self, delta: Mapping[str, Any]) -> None:
        """What most chunks have nothing of."""
        self.refusal.add(text_of(delta.get("refusal")))
        self.details += items(delta.get("reasoning_details"))
        asked = [call for one in items(delta.get("tool_calls")) if (call := mapping(one))]
        for call in asked:
            self._call(call)
        if legacy := mapping(delta.get("function_call")):
            self._call({"index": -1, "function": legacy})
        self.started = self.started or bool(asked or legacy)

    def _call(self, delta: Mapping[str, Any]) -> None:
        function = mapping(delta.get("function"))
        call_id, name = text_of(delta.get("id")), text_of(function.get("name"))
        call = self._which(delta.get("index"), call_id, name, function.get("arguments"))
        call.id = call.id or call_id
        if name != call.name and not call.arguments:
            call.name += name
        call.extra |= mapping(delta.get("extra_content"))
        arguments = function.get("arguments")
        if mapping(arguments):  # Ollama's own form: an object
            arguments = as_json(mapping(arguments))
        if text_of(arguments):
            call.arguments.append(text_of(arguments))

    def _which(self, index: object, call_id: str, name: str, arguments: object) -> _Call:
        """The call that a delta is about: by its index; where servers give none, or the same to
        all, a new id or a name begins the next call."""
        if isinstance(index, int) and index in self.by_index:
            known = self.by_index[index]
            another = name and call_id and known.id and known.id != call_id
            # Gemini gives parallel calls one index and no ids: each is whole when it comes.
            another = another or (name and not call_id and arguments and known.whole)
            return self._new(index) if another else known
        if isinstance(index, int):
            return self._new(index)
        for known in self.calls:
            if call_id and known.id == call_id and not (name and known.arguments and arguments):
                return known
        if not self.calls or call_id or name:
            return self._new(None)
        return self.calls[-1]

    def _new(self, index: int | None) -> _Call:
        call = _Call()
        self.calls.append(call)
        if index is not None:
            self.by_index[index] = call
        return call

    def whole(self) -> Whole:
        """See `Accumulator.whole`."""
        usage = usage_of(self.usage)
        self._fail(usage)
        told = self.finish or ""
        finish = FINISHES.get(told.lower(), clean_text(told))
        return Whole(
            text=self.text.whole(),
            reasoning=self.reasoning.whole(),
            calls=tuple(_whole_call(call) for call in self.calls),
            finish="tool_calls" if self.calls and finish == "stop" else finish,
            model=clean_text(self.model) if self.model else None,
            id=clean_text(self.id) if self.id else None,
            usage=usage,
            extra=self._extra(),
            window_full=told == WINDOW_FULL,
        )

    def _fail(self, usage: Usage | None) -> None:
        """Raise where the finish says that there is no whole message. Gemini's filters tell more
        behind a colon: `function_call_filter: MALFORMED_FUNCTION_CALL`."""
        refusal, finish = self.refusal.whole(), self.finish
        if finish is None and not refusal:
            raise Broken("truncated", "the stream ended without a finish reason", usage=usage)
        kind = (finish or "").partition(":")[0]
        if refusal or kind == "content_filter":
            said = refusal or "the provider's content filter withheld the answer"
            raise Broken("refused", said, usage=usage, quotes=bool(refusal))
        if kind == "function_call_filter":
            said = f"the model wrote a call that its provider does not pass on ({finish})"
            raise Broken("malformed", clean_text(said), usage=usage)
        if kind in BROKEN_OFF:
            raise Broken("overloaded", f"the provider broke off ({kind})", usage=usage)

    def _extra(self) -> str:
        """What is wanted back: signatures of thought by the call's place (Gemini), OpenRouter's
        details, and thoughts themselves (DeepSeek)."""
        back: dict[str, Any] = {}
        if any(call.extra for call in self.calls):
            back["calls"] = [call.extra or None for call in self.calls]
        if self.details:
            back["reasoning_details"] = reasoning_details.merged(self.details)
        if self.thought:
            back["reasoning_content"] = self.reasoning.whole()
        return as_json({"openai": back}) if back else "{}"


def usage_of(value: object) -> Usage | None:
    """The usage that a chunk reports; None when there is none that can be true."""
    told = mapping(value)
    read, written = tokens(told.get("prompt_tokens")), tokens(told.get("completion_tokens"))
    if read is None or written is None:
        return None
    cached = tokens(mapping(told.get("prompt_tokens_details")).get("cached_tokens"))
    thought = tokens(mapping(told.get("completion_tokens_details")).get("reasoning_tokens"))
    total = tokens(told.get("total_tokens"))
    if thought and total == read + written + thought:
        written += thought  # xAI counts thoughts beside what was written
    return Usage(
        input_tokens=read, output_tokens=written, cached_tokens=cached or 0,
        reasoning_tokens=thought or 0,
        total_tokens=read + written if total is None else total,
    )  # fmt: skip


def _whole_call(call: _Call) -> CallText:
    return CallText(clean_text(call.id), clean_text(call.name), clean_text("".join(call.arguments)))


def _content(value: object) -> tuple[str, str]:
    """Text and thought; Mistral sends a list of both."""
    if isinstance(value, str):
        return value, ""
    if not isinstance(value, list):
        return "", ""
    text, thought = "", ""
    for item in map(mapping, items(value)):  # pyright: ignore[reportUnknownArgumentType]
        text += text_of(item.get("text"))
        for inner in map(mapping, items(item.get("thinking"))):
            thought += text_of(inner.get("text"))
    return text, thought
