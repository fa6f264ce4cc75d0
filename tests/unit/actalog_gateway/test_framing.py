"""Whatever models, tools and people write: it arrives as it was written and breaks no frame."""

import json
from collections.abc import Iterable
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from actalog_contracts.definitions import AgentDefinition, ModelChoice
from actalog_contracts.streams import Delta, Progress
from actalog_core.canonical import clean_text
from actalog_gateway.agentos_told import AgentTeller
from actalog_gateway.feeds import Told
from actalog_gateway.sse import Ids
from actalog_gateway.sse import frame as framed
from actalog_gateway.told import Teller
from tests.integration.gateway.reassembly import Reader, parse
from tests.integration.gateway.world import accepted, reply

NASTY = (
    "\r", "\n", "\r\n", "\n\n", "\r\r", "\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c", "\x1e",
    "\x00", "\x1b[2J", "\x7f", "\ufeff", "data: x", "data:", "id: 9", "event: end", "retry: 1",
    ": comment", "\n\nevent: run.completed.v1\ndata: {}\n\n", "[DONE]", '"}', "\\u2028", "\\",
    "\U0001f600", "👋🏽", "e\u0301", "\ud800", "\udc00", "\ud83d\ude00", "x" * 9_000, "</script>",
)  # fmt: skip
texts = st.lists(st.sampled_from(NASTY) | st.text(max_size=5), max_size=8).map("".join)
AGENT = AgentDefinition(id="a", name="A", model=ModelChoice(provider="openai", id="m"))
KEY, CALL = b"k" * 32, "r:m1"
IDS: dict[str, Any] = {
    "tenant_id": "default", "run_id": "r", "session_id": "s", "call_id": CALL,
}  # fmt: skip


def told(seq: int, event: Any) -> Told:
    """As it lies in the log and goes over the bus."""
    payload = json.loads(event.model_dump_json())
    said = {"id": f"r:{seq}", "seq": seq, "type": event.type, "payload": payload}
    raw = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
    return Told(seq, event.type, "2026-11-24T16:00:00.000000Z", raw, payload)


def deltas(text: str, cuts: Iterable[int]) -> list[Delta]:
    ends = sorted({min(cut, len(text)) for cut in cuts} | {len(text)})
    begins = [0, *ends[:-1]]
    return [Delta(**IDS, epoch=1, offset=a, text=text[a:b])
            for a, b in zip(begins, ends, strict=True) if b > a]  # fmt: skip


def lines_are_the_standards(raw: bytes) -> None:
    """Also for clients that end lines wherever Unicode has one, as `str.splitlines` does."""
    assert raw.decode().splitlines() == raw.decode().split("\n")[:-1]


@pytest.mark.parametrize("one", ["\x7f", "\x85", "\u2028", "\u2029", "\ufeff"])
@pytest.mark.parametrize("kind", [str, bytes])
def test_each_that_may_end_a_line_is_written_out(one: str, kind: type[str] | type[bytes]):
    said = orjson.dumps({"text": one})
    raw = framed("e", said if kind is bytes else said.decode())
    assert one.encode() not in raw
    assert orjson.loads(raw.split(b"data: ")[1]) == {"text": one}


@given(texts, st.lists(st.integers(0, 60), max_size=6))
@example("\n\nevent: run.completed.v1\ndata: {}\n\n", [3])
@example("\ud83d\ude00", [1])
def test_a_message_arrives_as_it_was_written_and_no_frame_is_broken(text: str, cuts: list[int]):
    text = clean_text(text)  # as every text of a model is before it is told
    teller = Teller(Ids(KEY, "default", "r"), "r")
    items = [
        told(1, accepted(text)), Progress(**IDS, epoch=1, what="tool", detail=text),
        *deltas(text, cuts), told(2, reply("r", text)),
    ]  # fmt: skip
    raw = b"".join(frame for item in items for frame in teller.tell(item))
    lines_are_the_standards(raw)
    reader = Reader()
    for frame in parse(raw):
        reader.take(frame)
        if frame.event == "progress":
            assert frame.data["detail"] == text
    assert reader.seqs == [1, 2]
    assert reader.texts == {CALL: text}
    assert reader.events[0]["payload"]["input"] == text


@given(texts, st.lists(st.integers(0, 60), max_size=6))
def test_the_same_holds_for_agentos(text: str, cuts: list[int]):
    text = clean_text(text)
    teller = AgentTeller(AGENT, run_id="r", session_id="s")
    items = [told(1, accepted(text)), *deltas(text, cuts), told(2, reply("r", text))]
    raw = b"".join(frame for item in items for frame in teller.tell(item))
    lines_are_the_standards(raw)
    frames = parse(raw)
    assert all(one.event == one.data["event"] and not one.id for one in frames)
    said = [one.data["content"] for one in frames if one.event == "RunContent"]
    assert "".join(said) == text


@given(texts.filter(bool), st.data())
def test_what_a_cut_leaves_is_a_beginning_of_what_was_sent(text: str, data: st.DataObject):
    """At every byte, in the middle of a character too: whole events or nothing."""
    text = clean_text(text)
    teller = Teller(Ids(KEY, "default", "r"), "r")
    items = [told(1, accepted(text)), *deltas(text, [1, 2]), told(2, reply("r", text))]
    raw = b"".join(frame for item in items for frame in teller.tell(item))
    whole = parse(raw)
    cut = data.draw(st.integers(0, len(raw)))
    left = parse(raw[:cut])
    assert left == whole[: len(left)]
    assert len(left) == raw[:cut].count(b"\n\n")
