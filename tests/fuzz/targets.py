"""What is fuzzed: each takes any bytes, and either refuses them in the one way that it has or
keeps what it promises. Whatever else it raises is a finding."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx2
import orjson
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from actalog_contracts.border import BadInput, decode
from actalog_contracts.streams import Delta
from actalog_contracts.tasks import Inbound
from actalog_core.canonical import clean_text
from actalog_gateway.agentos_forms import objects
from actalog_gateway.problems import Problem
from actalog_gateway.sse import Ids
from actalog_gateway.told import Teller
from actalog_llm.accumulate_anthropic import AnthropicAccumulator
from actalog_llm.accumulate_openai import OpenAIAccumulator
from actalog_llm.adapters.events import Frames, parsed
from actalog_llm.failures import failure
from actalog_llm.whole import Accumulator, Broken
from tests.contracts.corpus import poison
from tests.integration.gateway.reassembly import parse

EXAMPLES = Path(__file__).parents[2] / "contracts" / "actalog_contracts" / "published" / "examples"
STREAMS = Path(__file__).parents[1] / "unit" / "actalog_llm" / "malformed"
LARGE = 100_000  # bytes; above it a seed makes slow mutants and teaches nothing
KEY = "sk-the-key-of-somebody"
REQUEST = httpx2.Request("POST", "http://model.test/v1/chat/completions")
OPENAI = AsyncOpenAI(api_key=KEY, base_url="http://model.test")
ANTHROPIC = AsyncAnthropic(api_key=KEY)
NOT_TEXT = set(map(chr, range(0xD800, 0xE000))) | {"\x00"}


@dataclass(frozen=True)
class Target:
    run: Callable[[bytes], None]
    corpus: Callable[[], Sequence[bytes]]


def border(data: bytes) -> None:
    """A record of `actalog.tasks`: what is taken is taken again as it was, and can be stored."""
    refused = ""
    try:
        message = decode(data, {}).message
    except BadInput as error:
        refused = error.message
    else:
        _taken(message)
    assert len(refused) < 500


def _taken(message: Inbound) -> None:
    told = message.model_dump_json(exclude_unset=True).encode()
    assert NOT_TEXT.isdisjoint(told.decode())
    again = decode(orjson.dumps({**orjson.loads(told), "type": message.type}), {}).message
    assert again == message


def headers(data: bytes) -> None:
    """The same, with headers that come from outside: name, colon, value, a line each; the rest
    behind an empty line is the record's value."""
    head, _, value = data.partition(b"\n\n")
    said: dict[str, bytes] = {}
    for line in head.split(b"\n"):
        name, _, text = line.partition(b":")
        said[name.decode("utf-8", "replace")] = text
    with suppress(BadInput):
        decode(value, said)


def openai(data: bytes) -> None:
    _stream(data, OpenAIAccumulator())


def anthropic(data: bytes) -> None:
    _stream(data, AnthropicAccumulator())


def _stream(data: bytes, accumulator: Accumulator) -> None:
    """The body of a model's answer, cut by its first byte: what is shown is what is logged."""
    seen = {"text": "", "reasoning": ""}
    with suppress(Broken, json.JSONDecodeError, UnicodeDecodeError):
        for chunk in _chunks(data[1:], 1 + (data[0] if data else 0)):
            for kind, text in accumulator.take(chunk):
                seen[kind] += text
        whole = accumulator.whole()
        assert whole.text in (seen["text"], seen["text"] + "\ufffd")
        assert whole.reasoning in (seen["reasoning"], seen["reasoning"] + "\ufffd")
        texts = [whole.text, whole.reasoning, whole.finish, whole.model or "", whole.id or ""]
        texts += [
            text for one in whole.calls for text in (one.provider_id, one.name, one.arguments)
        ]
        assert all(NOT_TEXT.isdisjoint(text) for text in texts)
        assert whole.usage is None or min(whole.usage.input_tokens, whole.usage.output_tokens) >= 0
        orjson.loads(whole.extra)


def refusal(data: bytes) -> None:
    """An error of a provider, its status made of the first byte: it has a kind and a short message,
    and does not tell the key."""
    status = 300 + 2 * (data[0] if data else 0) % 300
    response = httpx2.Response(status, content=data[1:], request=REQUEST)
    sdk = OPENAI if len(data) % 2 else ANTHROPIC
    told = failure(sdk._make_status_error_from_response(response), secret=KEY)  # pyright: ignore
    assert told.kind != "unknown"
    assert len(told.message) <= 2_000
    assert NOT_TEXT.isdisjoint(told.message)
    assert KEY not in told.message
    assert told.retry_after_ms is None or told.retry_after_ms >= 0


def _refusals() -> Sequence[bytes]:
    bodies: list[object] = [
        {"error": {"message": f"the key {KEY} is wrong", "type": "invalid", "code": 401}},
        [{"error": {"code": 429, "details": [{"retryDelay": "3.5s"}], "message": "quota"}}],
        {"detail": [{"loc": ["body"], "msg": "no"}]}, {"error": "maximum context length"},
        {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}},
    ]  # fmt: skip
    return [bytes([50 + at]) + orjson.dumps(one) for at, one in enumerate(bodies)] + [b"\x32<html>"]


def _chunks(body: bytes, size: int) -> Iterator[object]:
    frames = Frames()
    for at in range(0, len(body), size):
        for _, told in frames.feed(body[at : at + size]):
            if told.startswith(b"[DONE]"):
                return
            yield parsed(told)
    for _, told in frames.end():
        yield parsed(told)


def event_id(data: bytes) -> None:
    """A `Last-Event-ID`: ours, or refused."""
    ids = Ids(b"k" * 32, "default", "r")
    text = data.decode("latin-1")
    with suppress(Problem):
        assert ids.of(ids.seq(text)) == text


def framing(data: bytes) -> None:
    """A model's text in pieces: it arrives as it was written and breaks no frame."""
    text = clean_text(data.decode("utf-8", "surrogateescape"))
    teller = Teller(Ids(b"k" * 32, "default", "r"), "r")
    raw, at = b"", 0
    while at < len(text):
        piece = text[at : at + 1 + at % 7]
        said = Delta(tenant_id="default", run_id="r", session_id="s", call_id="r:m1", epoch=1,
                     offset=at, text=piece)  # fmt: skip
        raw += b"".join(teller.tell(said))
        at += len(piece)
    assert "".join(frame.data["text"] for frame in parse(raw)) == text
    assert raw.decode().splitlines() == raw.decode().split("\n")[:-1]


def form(data: bytes) -> None:
    """A list in a form of AgentOS."""
    with suppress(BadInput):
        objects("tools", data.decode("utf-8", "surrogateescape"))


def _messages() -> Sequence[bytes]:
    """Good messages and poison."""
    good = [path.read_bytes() for path in sorted(EXAMPLES.glob("*.json"))]
    bad = [one.value for one in poison() if one.value is not None]
    return [one for one in (*good, *bad) if len(one) < LARGE]


def _with_headers() -> Sequence[bytes]:
    head = b"ce_type:run.cancel.v1\nce_id:1\nce_source:/crm\ncontent-type:application/json\n"
    structured = b"content-type:application/cloudevents+json\n\n"
    return [head + b"priority:9\n\n" + one for one in _messages()[:40]] + [
        structured + b'{"type":"task.submit.v1","data":{"target":"a","input":"x"}}'
    ]


def _streams(dialect: str) -> Callable[[], Sequence[bytes]]:
    return lambda: [b"\x40" + one.read_bytes() for one in sorted((STREAMS / dialect).glob("*.sse"))]


def _ids() -> Sequence[bytes]:
    ours = Ids(b"k" * 32, "default", "r")
    return [ours.of(seq).encode() for seq in (1, 2, 2**40)]


TARGETS: Mapping[str, Target] = {
    "border": Target(border, _messages),
    "headers": Target(headers, _with_headers),
    "openai": Target(openai, _streams("openai")),
    "anthropic": Target(anthropic, _streams("anthropic")),
    "refusal": Target(refusal, _refusals),
    "event-id": Target(event_id, _ids),
    "framing": Target(framing, lambda: ["Grüße 👋\r\n\u2028".encode(), b"\ndata: x\n\n", b"\xed"]),
    "form": Target(form, lambda: [b'[{"tool_call_id":"a","confirmed":true}]', b"[]", b"[1]"]),
}
