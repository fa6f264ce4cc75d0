"""Server-sent events, however they are cut and whatever ends their lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actalog_llm.adapters import events
from actalog_llm.adapters.events import COMMENT, Frames, parsed
from actalog_llm.whole import Broken

STREAM = (
    ': comment\nevent: message\ndata: {"a": "é"}\nid: 7\n\n'
    "data: first\ndata:  second\nretry: 5\n\n"
    "\n\nevent: ping\n\ndata\n\ndata: [DONE]\n\n"
)
EVENTS = [
    COMMENT, ("message", '{"a": "é"}'.encode()), ("", b"first\n second"), ("ping", b""), ("", b""),
    ("", b"[DONE]"),
]  # fmt: skip


def framed(data: bytes, cuts: list[int]) -> list[tuple[str, bytes]]:
    frames, told, at = Frames(), list[tuple[str, bytes]](), 0
    for cut in [*sorted(cuts), len(data)]:
        told += frames.feed(data[at:cut])
        at = cut
    return told + frames.end()


@given(
    st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.lists(st.integers(0, 200), max_size=30)
)
def test_cuts_and_line_ends_change_nothing(line_end: str, marked: bool, cuts: list[int]):
    data = STREAM.replace("\n", line_end).encode("utf-8-sig" if marked else "utf-8")
    assert framed(data, cuts) == EVENTS


def test_every_byte_alone():
    data = STREAM.replace("\n", "\r\n").encode()
    assert framed(data, list(range(len(data)))) == EVENTS


def test_a_last_event_needs_no_blank_line():
    assert framed(b"data: a", []) == [("", b"a")]
    assert framed(b"data: a\n", []) == [("", b"a")]


def test_a_line_without_end_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "MOST_BYTES", 100)
    frames = Frames()
    for _ in range(3):  # each event is counted for itself
        frames.feed(b"data: " + b"x" * 80 + b"\n\n")
    frames.feed(b"data: " + b"x" * 80)
    with pytest.raises(Broken, match="over 100 bytes") as caught:
        frames.feed(b"x" * 80)
    assert caught.value.kind == "malformed"


def test_json_that_only_some_parsers_take():
    assert parsed(b'{"a": NaN}')["a"] != parsed(b'{"a": 1}')["a"]
    assert parsed(b'"\\ud83d"') == "\ud83d"
    with pytest.raises(json.JSONDecodeError):
        parsed(b"{")
    with pytest.raises(UnicodeDecodeError):
        parsed(b'"\xff"')
