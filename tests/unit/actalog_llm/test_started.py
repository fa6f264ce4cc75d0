"""From when on a model has begun to write: from then on the shorter deadline counts, and a break is a
stream that was cut."""

from typing import Any

import pytest

from actalog_llm.accumulate_anthropic import AnthropicAccumulator
from actalog_llm.accumulate_openai import OpenAIAccumulator
from tests.unit.actalog_llm.wires import chunk

CALL = {"index": 0, "id": "a", "function": {"name": "f"}}
OPENAI: list[tuple[dict[str, Any], bool]] = [
    ({"role": "assistant", "content": ""}, False), ({"content": None}, False),
    ({"tool_calls": []}, False), ({"tool_calls": None, "refusal": None}, False),
    ({"content": "a"}, True), ({"reasoning": "a"}, True), ({"reasoning_content": "a"}, True),
    ({"tool_calls": [CALL]}, True), ({"function_call": {"name": "f"}}, True),
]  # fmt: skip
ANTHROPIC: list[tuple[dict[str, Any], bool]] = [
    ({"type": "message_start", "message": {"id": "m"}}, False),
    ({"type": "content_block_start", "content_block": {"type": "text", "text": ""}}, False),
    ({"type": "content_block_start", "content_block": {"type": "thinking", "thinking": ""}}, False),
    ({"type": "content_block_start", "content_block": {"type": "text", "text": "a"}}, True),
    ({"type": "content_block_start", "content_block": {"type": "tool_use"}}, True),
    ({"type": "content_block_start", "content_block": {"type": "redacted_thinking"}}, True),
    ({"type": "content_block_delta", "delta": {"type": "text_delta", "text": "a"}}, True),
    ({"type": "content_block_delta", "delta": {"type": "thinking_delta", "thinking": ""}}, True),
    ({"type": "content_block_delta", "delta": {"type": "signature_delta"}}, False),
    ({"type": "content_block_delta", "delta": {"type": "input_json_delta"}}, True),
    ({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, False),
]


@pytest.mark.parametrize(("delta", "begun"), OPENAI)
def test_openai_s_model_has_begun_with_its_first_word_thought_or_call(
    delta: dict[str, Any], *, begun: bool
):
    read = OpenAIAccumulator()
    read.take(chunk({"role": "assistant"}))
    read.take(chunk(delta))
    assert read.started == begun
    read.take(chunk({}, "stop"))
    assert read.started == begun  # and has for good


@pytest.mark.parametrize(("event", "begun"), ANTHROPIC)
def test_anthropic_s_model_has_begun_with_its_first_word_thought_or_call(
    event: dict[str, Any], *, begun: bool
):
    read = AnthropicAccumulator()
    read.take(event)
    assert read.started == begun
    read.take({"type": "content_block_stop", "index": 0})
    assert read.started == begun
