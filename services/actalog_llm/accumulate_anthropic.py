"""Anthropic's messages: events to a whole message. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from actalog_contracts.base import Usage
from actalog_core.canonical import clean_text
from actalog_llm.whole import (
    Broken,
    CallText,
    Piece,
    Text,
    Whole,
    as_json,
    mapping,
    text_of,
    tokens,
)

WINDOW_FULL = "model_context_window_exceeded"
FINISHES = {
    "end_turn": "stop", "stop_sequence": "stop", "pause_turn": "stop", "tool_use": "tool_calls",
    "max_tokens": "length", WINDOW_FULL: "length",
}  # fmt: skip
CONTENT = ("text_delta", "thinking_delta", "input_json_delta")
TYPE_OF_DELTA = {"text_delta": "text", "thinking_delta": "thinking", "signature_delta": "thinking"}


@dataclass(slots=True)
class _Block:
    start: Mapping[str, Any]
    type: str
    text: Text = field(default_factory=Text)
    json: list[str] = field(default_factory=list[str])
    signature: str = ""


class AnthropicAccumulator:
    """See `Accumulator`. Events are parsed JSON."""

    def __init__(self) -> None:
        self.text, self.reasoning = Text(), Text()  # in the order in which people see it
        self.blocks: dict[int, _Block] = {}
        self.replaced: list[_Block] = []  # of servers that give all blocks the same index
        self.stop: str | None = None
        self.model: str | None = None
        self.id: str | None = None
        self.usage: dict[str, Any] = {}
        self.started = False

    @property
    def finished(self) -> bool:
        return self.stop is not None

    def take(self, chunk: object) -> Sequence[Piece]:
        """See `Accumulator.take`."""
        event = mapping(chunk)
        match event.get("type"):
            case "message_start":
                message = mapping(event.get("message"))
                self.model = text_of(message.get("model")) or None
                self.id = text_of(message.get("id")) or None
                self._count(message.get("usage"))
            case "content_block_start":
                return self._start(event)
            case "content_block_delta":
                return self._delta(event)
            case "message_delta":
                self.stop = text_of(mapping(event.get("delta")).get("stop_reason")) or self.stop
                self._count(event.get("usage"))
            case None:
                raise Broken("malformed", "an event of the stream has no type")
            case _:
                pass  # message_stop, content_block_stop, and what newer servers add
        return ()

    def _count(self, usage: object) -> None:
        """Counts are cumulative; a later one replaces an earlier one unless it is null."""
        self.usage |= {name: n for name, n in mapping(usage).items() if n is not None}

    def _start(self, event: Mapping[str, Any]) -> Sequence[Piece]:
        start = mapping(event.get("content_block"))
        block = _Block(start, text_of(start.get("type")))
        index = self._index(event, len(self.blocks))
        if index in self.blocks:
            self.replaced.append(self.blocks.pop(index))
        self.blocks[index] = block
        self.started = self.started or block.type in ("tool_use", "redacted_thinking")
        block.signature = text_of(start.get("signature"))
        if block.type == "text":
            return self._show("text", block, text_of(start.get("text")))
        if block.type == "thinking":
            return self._show("reasoning", block, text_of(start.get("thinking")))
        return ()

    def _delta(self, event: Mapping[str, Any]) -> Sequence[Piece]:
        delta = mapping(event.get("delta"))
        kind = text_of(delta.get("type"))
        index = self._index(event, max(self.blocks, default=0))
        if index not in self.blocks:  # its start was left out
            self.blocks[index] = _Block({}, TYPE_OF_DELTA.get(kind, "tool_use"))
        block = self.blocks[index]
        self.started = self.started or kind in CONTENT
        match kind:
            case "text_delta":
                return self._show("text", block, text_of(delta.get("text")))
            case "thinking_delta":
                return self._show("reasoning", block, text_of(delta.get("thinking")))
            case "signature_delta":
                block.signature += text_of(delta.get("signature"))
            case "input_json_delta":
                block.json.append(text_of(delta.get("partial_json")))
            case _:
                pass
        return ()

    def _index(self, event: Mapping[str, Any], default: int) -> int:
        index = event.get("index")
        return index if isinstance(index, int) else default

    def _show(self, kind: Any, block: _Block, text: str) -> Sequence[Piece]:
        if not text:
            return ()
        block.text.add(text)
        shown = (self.text if kind == "text" else self.reasoning).add(text)
        self.started = self.started or bool(shown)
        return ((kind, shown),) if shown else ()

    def whole(self) -> Whole:
        """See `Accumulator.whole`."""
        usage = usage_of(self.usage)
        blocks = [*self.replaced, *(block for _, block in sorted(self.blocks.items()))]
        text = self.text.whole()
        if self.stop == "refusal":
            said = text or "the model refused to answer"
            raise Broken("refused", said, usage=usage, quotes=bool(text))
        if self.stop is None:
            raise Broken("truncated", "the stream ended without a stop reason", usage=usage)
        finish = FINISHES.get(self.stop, clean_text(self.stop))
        cut = finish == "length"
        calls = tuple(_call(one, cut=cut) for one in blocks if one.type == "tool_use")
        thoughts = [one for one in blocks if one.type in ("thinking", "redacted_thinking")]
        return Whole(
            text=text,
            reasoning=self.reasoning.whole(),
            calls=calls,
            finish="tool_calls" if calls and finish == "stop" else finish,
            model=clean_text(self.model) if self.model else None,
            id=clean_text(self.id) if self.id else None,
            usage=usage,
            extra=_extra(thoughts),
            window_full=self.stop == WINDOW_FULL,
        )


def usage_of(usage: Mapping[str, Any]) -> Usage | None:
    """What Anthropic counts apart (cache reads and writes) is part of the input."""
    read, written = tokens(usage.get("input_tokens")), tokens(usage.get("output_tokens"))
    if read is None or written is None:
        return None
    cached = tokens(usage.get("cache_read_input_tokens")) or 0
    read += cached + (tokens(usage.get("cache_creation_input_tokens")) or 0)
    return Usage(
        input_tokens=read, output_tokens=written, total_tokens=read + written, cached_tokens=cached
    )


def _call(block: _Block, *, cut: bool) -> CallText:
    """Where the message was cut, a call of which no argument has come is not one without any."""
    arguments = "".join(block.json)
    given = block.start.get("input")
    if not arguments and (given or not cut):  # some servers send the whole input with the start
        arguments = given if isinstance(given, str) else as_json(given or {})
    return CallText(
        clean_text(text_of(block.start.get("id"))), clean_text(text_of(block.start.get("name"))),
        clean_text(arguments),
    )  # fmt: skip


def _extra(thoughts: Sequence[_Block]) -> str:
    """Thinking has to come back unchanged, with its signature, beside tool results."""
    back: list[dict[str, str]] = []
    for one in thoughts:
        if one.type == "redacted_thinking":
            back.append({"type": one.type, "data": clean_text(text_of(one.start.get("data")))})
        elif one.signature:
            thinking = one.text.whole()
            signature = clean_text(one.signature)
            back.append({"type": "thinking", "thinking": thinking, "signature": signature})
    return as_json({"anthropic": back}) if back else "{}"
