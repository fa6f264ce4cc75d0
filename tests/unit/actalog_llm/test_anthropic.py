"""Anthropic's messages: every split, and what goes wrong."""

import json
from typing import Any

import httpx2
import pytest

from actalog_llm.accumulate_anthropic import AnthropicAccumulator
from actalog_llm.failures import failure
from actalog_llm.whole import Broken, CallText, Whole, without_thoughts
from tests.unit.actalog_llm.wires import bytewise, halves, named, through

START: dict[str, Any] = {
    "type": "message_start",
    "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [],
        "usage": {"input_tokens": 5, "cache_read_input_tokens": 3,
                  "cache_creation_input_tokens": 2, "output_tokens": 1},
    },
}  # fmt: skip


def begin(index: int | None, **block: Any) -> dict[str, Any]:
    at = {} if index is None else {"index": index}
    return {"type": "content_block_start", **at, "content_block": block}


def delta(index: int | None, type: str, **more: Any) -> dict[str, Any]:
    at = {} if index is None else {"index": index}
    return {"type": "content_block_delta", **at, "delta": {"type": type, **more}}


def end(stop: str | None = "tool_use", **usage: Any) -> dict[str, Any]:
    told = {"output_tokens": 20} | usage
    return {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": told}


EVENTS: list[dict[str, Any]] = [
    START,
    begin(0, type="thinking", thinking="", signature=""),
    {"type": "ping"},
    delta(0, "thinking_delta", thinking="hm ü"),
    delta(0, "signature_delta", signature="c2ln"),
    {"type": "content_block_stop", "index": 0},
    begin(1, type="redacted_thinking", data="ZW5j"),
    begin(2, type="text", text=""),
    delta(2, "text_delta", text="Grüße "),
    delta(2, "text_delta", text="👋"),
    begin(3, type="tool_use", id="toolu_1", name="look", input={}),
    begin(4, type="tool_use", id="toolu_1", name="look", input={}),
    delta(3, "input_json_delta", partial_json='{"q": '),
    delta(4, "input_json_delta", partial_json=""),
    delta(3, "input_json_delta", partial_json='"ä"}'),
    end(),
    {"type": "message_stop"},
]
STREAM = b": keep-alive\n\n" + named(*EVENTS)
RAW = STREAM.replace(b"\\u00fc", "ü".encode()).replace(b"\\ud83d\\udc4b", "👋".encode())


def whole(*events: object) -> Whole:
    accumulator = AnthropicAccumulator()
    for one in events:
        accumulator.take(one)
    return accumulator.whole()


def looks(told: Whole) -> None:
    assert (told.text, told.reasoning) == ("Grüße 👋", "hm ü")
    assert told.calls == (
        CallText("toolu_1", "look", '{"q": "ä"}'),
        CallText("toolu_1", "look", "{}"),
    )
    assert (told.finish, told.model, told.id) == ("tool_calls", "claude-x", "msg_1")
    assert told.usage is not None
    counts = (told.usage.input_tokens, told.usage.cached_tokens, told.usage.output_tokens)
    assert counts == (10, 3, 20)
    assert json.loads(told.extra)["anthropic"] == [
        {"type": "thinking", "thinking": "hm ü", "signature": "c2ln"},
        {"type": "redacted_thinking", "data": "ZW5j"},
    ]


@pytest.mark.parametrize("body", [STREAM, RAW, RAW.replace(b"\n", b"\r\n")])
async def test_a_stream_cut_in_two_at_every_byte_is_the_same_message(body: bytes):
    for pieces in halves(body):
        answered, shown = await through("anthropic", pieces)
        looks(answered.whole)
        assert shown == [("reasoning", "hm ü"), ("text", "Grüße "), ("text", "👋")]


async def test_a_stream_byte_by_byte_is_the_same_message():
    answered, _ = await through("anthropic", bytewise(RAW))
    looks(answered.whole)


async def test_a_stream_cut_off_anywhere_is_never_taken_for_whole():
    before = RAW.index(b"event: message_delta")
    for at in range(0, before, 3):
        for tail in ([], [httpx2.RemoteProtocolError("gone")]):
            with pytest.raises(Exception) as caught:  # noqa: PT011, what kind is asserted below
                await through("anthropic", [RAW[:at], *tail])
            assert failure(caught.value).retry, caught.value


@pytest.mark.parametrize(
    ("type", "kind", "retry"),
    [
        ("overloaded_error", "overloaded", True), ("api_error", "overloaded", True),
        ("rate_limit_error", "rate_limited", True), ("authentication_error", "auth", False),
        ("invalid_request_error", "invalid_request", False),
    ],
)  # fmt: skip
async def test_an_error_in_the_stream_is_what_it_says(type: str, kind: str, retry: bool):
    error = {"type": "error", "error": {"type": type, "message": "no"}}
    with pytest.raises(Exception) as caught:  # noqa: PT011, the SDK's own
        await through("anthropic", [named(*EVENTS[:9], error)])
    told = failure(caught.value)
    assert (told.kind, told.retry) == (kind, retry)


@pytest.mark.parametrize(
    ("stop", "finish"),
    [("end_turn", "stop"), ("stop_sequence", "stop"), ("max_tokens", "length"), ("new", "new")],
)
def test_reasons_to_stop(stop: str, finish: str):
    assert whole(START, begin(0, type="text", text="x"), end(stop)).finish == finish


def test_a_refusal_and_a_missing_end_are_no_messages():
    for events, kind in (
        ([START, begin(0, type="text", text="No."), end("refusal")], "refused"),
        ([START, begin(0, type="text", text="x")], "truncated"),
        ([START, end(None)], "truncated"),
    ):
        with pytest.raises(Broken) as caught:
            whole(*events)
        assert (caught.value.kind, caught.value.quotes) == (kind, kind == "refused")


def test_an_event_without_type_breaks_the_stream():
    bads: list[object] = [None, [], {}, {"type": None}]
    for bad in bads:
        with pytest.raises(Broken):
            whole(START, bad)


def test_blocks_without_index_or_start_are_still_read():
    told = whole(
        START, begin(None, type="text", text="a"), delta(None, "text_delta", text="b"),
        delta(7, "text_delta", text="c"), {"type": "new_event"}, end("end_turn"),
    )  # fmt: skip
    assert told.text == "abc"


def test_a_whole_input_with_the_start_is_taken():
    told = whole(START, begin(0, type="tool_use", id="t", name="f", input={"x": 1}), end())
    assert told.calls == (CallText("t", "f", '{"x":1}'),)


@pytest.mark.parametrize(
    "usage", [{"input_tokens": -1}, {"output_tokens": -2}, {"output_tokens": "x"}]
)
def test_usage_that_cannot_be_true_is_none(usage: dict[str, Any]):
    assert whole(START, begin(0, type="text", text="x"), end("end_turn", **usage)).usage is None


def test_without_thoughts_nothing_unreviewed_is_left():
    told = without_thoughts(whole(*EVENTS))
    assert (told.reasoning, told.extra, told.text) == ("", "{}", "Grüße 👋")
