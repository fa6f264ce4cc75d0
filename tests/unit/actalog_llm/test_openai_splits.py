"""However the bytes of a chat completion come, the message is the same."""

import itertools
from typing import Any

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actalog_llm.failures import failure
from actalog_llm.whole import Broken, CallText
from tests.unit.actalog_llm.wires import bytewise, chunk, halves, sse, through

CALL = {"id": "call_a", "type": "function"}
USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
STREAM = sse(
    ": keep-alive\n\n",
    chunk({"role": "assistant", "content": ""}),
    chunk({"reasoning_content": "hm ü"}),
    chunk({"content": "Grüße 👋"}),
    chunk({"content": "\r\nund €"}),
    chunk({"tool_calls": [{"index": 0, **CALL, "function": {"name": "look", "arguments": ""}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"q": "ä'}}]}),
    chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"}'}}]}),
    chunk({}, "tool_calls"),
    {"id": "c1", "model": "m-1", "choices": [], "usage": USAGE},
)
RAW = STREAM.replace(b"\\u00fc", "ü".encode()).replace(b"\\ud83d\\udc4b", "👋".encode())


def looks(answered: Any, shown: list[tuple[str, str]]) -> None:
    whole = answered.whole
    assert (whole.text, whole.reasoning) == ("Grüße 👋\r\nund €", "hm ü")
    assert whole.calls == (CallText("call_a", "look", '{"q": "ä"}'),)
    assert (whole.finish, whole.model, whole.id) == ("tool_calls", "m-1", "c1")
    assert (whole.usage.input_tokens, whole.usage.output_tokens) == (9, 4)
    assert "".join(text for kind, text in shown if kind == "text") == whole.text


@pytest.mark.parametrize("body", [STREAM, RAW, STREAM.replace(b"\n", b"\r\n")])
async def test_a_stream_cut_in_two_at_every_byte_is_the_same_message(body: bytes):
    for pieces in halves(body):
        looks(*await through("openai", pieces))


async def test_a_stream_byte_by_byte_or_with_empty_pieces_is_the_same_message():
    looks(*await through("openai", bytewise(RAW)))
    looks(*await through("openai", [b"", *bytewise(STREAM), b""]))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cuts=st.lists(st.integers(0, len(RAW)), max_size=12))
async def test_any_split_is_the_same_message(cuts: list[int]):
    at = [0, *sorted(cuts), len(RAW)]
    pieces = [RAW[a:b] for a, b in itertools.pairwise(at)]
    looks(*await through("openai", pieces))


async def test_a_stream_cut_off_at_every_byte_is_never_taken_for_whole():
    end = RAW.index(b'"finish_reason": "tool_calls"')
    for at in range(0, end, 3):
        for tail in ([], [httpx2.ReadError("gone")]):
            with pytest.raises(Exception) as caught:  # noqa: PT011, what kind is asserted below
                await through("openai", [RAW[:at], *tail])
            assert failure(caught.value).retry, caught.value
            assert failure(caught.value).kind in ("truncated", "malformed", "connection")


async def test_what_is_whole_stays_whole_when_only_its_end_is_missing():
    end = RAW.index(b"\n\n", RAW.index(b'"finish_reason": "tool_calls"')) + 2
    answered, _ = await through("openai", [RAW[:end], httpx2.ReadError("gone")])
    assert (answered.whole.finish, answered.whole.usage) == ("tool_calls", None)


async def test_a_line_that_is_no_json_is_malformed_and_tried_again():
    with pytest.raises(ValueError, match=r".") as caught:
        await through("openai", [b"data: {broken\n\n"])
    assert (failure(caught.value).kind, failure(caught.value).retry) == ("malformed", True)


async def test_an_empty_stream_is_truncated():
    with pytest.raises(Broken) as caught:
        await through("openai", [b""])
    assert caught.value.kind == "truncated"
