"""Streams that no model should send, as files: what each comes to, however its bytes are cut.

`malformed/<dialect>/<name>.sse` has the bytes of a response's body; `malformed/expected.json` what
it comes to: the message's text, calls and usage where it has some, or the kind of the failure.
"""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from actalog_llm.failures import failure
from actalog_llm.providers import Dialect
from tests.unit.actalog_llm.wires import through

FOLDER = Path(__file__).parent / "malformed"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())
# A cut that splits every kind of thing: frames, lines, escapes, characters.
CUTS = (1, 2, 3, 7, 64)


def body(name: str) -> bytes:
    return (FOLDER / f"{name}.sse").read_bytes()


def known(error: Exception) -> str:
    said = failure(error)
    assert said.kind != "unknown", error
    assert said.message
    return said.kind


async def outcome(name: str, pieces: list[bytes]) -> dict[str, Any]:
    dialect: Dialect = "anthropic" if name.startswith("anthropic/") else "openai"
    try:
        answered, shown = await through(dialect, pieces)
    except Exception as error:  # noqa: BLE001, of which kind is what is asked
        return {"fails": known(error)}
    whole = answered.whole
    for kind, logged in (("text", whole.text), ("reasoning", whole.reasoning)):
        # What people saw is what is logged, up to half a character at its end.
        seen = "".join(text for what, text in shown if what == kind)
        assert logged in (seen, seen + "\ufffd")
    usage = whole.usage and [whole.usage.input_tokens, whole.usage.output_tokens]
    calls = [[one.provider_id, one.name, one.arguments] for one in whole.calls]
    told = {"text": whole.text, "calls": calls, "finish": whole.finish, "usage": usage}
    return {name: value for name, value in told.items() if value}


@pytest.mark.parametrize("name", EXPECTED)
async def test_each_stream_comes_to_the_same_however_it_is_cut(name: str):
    raw = body(name)
    assert await outcome(name, [raw]) == EXPECTED[name]
    for size in CUTS:
        pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
        assert await outcome(name, pieces) == EXPECTED[name], size


def test_no_file_of_the_corpus_is_forgotten():
    there = {str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.glob("*/*.sse")}
    assert there == EXPECTED.keys()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(sorted(EXPECTED)), st.data())
async def test_what_a_cut_or_a_flipped_byte_leaves_is_a_message_or_a_known_failure(
    name: str, data: st.DataObject
):
    """The body damaged anywhere: never an unknown failure, never shown what is not logged."""
    raw = bytearray(body(name)) or bytearray(b"\n")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        match data.draw(st.sampled_from(["cut", "flip", "double", "drop"])):
            case "cut":
                raw = raw[: at + 1]
            case "flip":
                raw[at] = data.draw(st.integers(0, 255))
            case "double":
                raw[at:at] = raw[at : at + 40]
            case _:
                del raw[at : at + 5]
                raw = raw or bytearray(b"\n")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=5)))
    pieces = [bytes(raw[a:b]) for a, b in itertools.pairwise([0, *cuts, len(raw)])]
    await outcome(name, pieces)
