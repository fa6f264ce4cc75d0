"""What a provider may answer: where it leads, how much it says, how deep it is."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from actalog_llm.adapters import events
from actalog_llm.adapters.answers import MOST_OF_ERROR
from actalog_llm.adapters.clients import Clients
from actalog_llm.adapters.events import Frames
from actalog_llm.adapters.loading import Adapters
from actalog_llm.failures import failure
from actalog_llm.ports import Failure
from actalog_llm.providers import Dialect, Endpoint
from actalog_llm.whole import TOO_DEEP
from tests.unit.actalog_llm.wires import chunk, response, sse, through

BOTH = pytest.mark.parametrize("dialect", ["openai", "anthropic"])
KEY = "sk-very-secret"


async def asked_twice(
    dialect: Dialect, base_url: str, status: int, location: str
) -> tuple[list[httpx2.Request], list[Failure]]:
    """What was sent, and what came of both requests: the SDK's own, and one with its head. The
    first address redirects; every other one would answer."""
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        if str(request.url).startswith(base_url):
            return httpx2.Response(status, headers={"location": location})
        return httpx2.Response(200, content=b"")

    clients = Clients(httpx2.MockTransport(handle))
    adapter = await Adapters(clients).of(dialect)
    failed: list[Failure] = []
    where = Endpoint(dialect, base_url, KEY, (("api-key", KEY),))
    for _ in range(2):
        try:
            await adapter.open(where, {"model": "m"}, connect_s=1)
        except Exception as error:  # noqa: BLE001, what it says is asserted
            failed.append(failure(error))
    await clients.close()
    return seen, failed


@BOTH
@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize(
    "location",
    ["https://evil.test/v1/x?key=1", "//evil.test/v1/x", "http://a.test/v1/x", "https://a.test:8443/v1/x",
     "https://b.a.test/v1/x", "https://me:pw@evil.test/v1/x"],
)  # fmt: skip
async def test_no_redirect_carries_a_key_or_a_prompt_to_another_place(
    dialect: Dialect, status: int, location: str
):
    seen, failed = await asked_twice(dialect, "https://a.test/old", status, location)
    assert {one.url.host for one in seen} == {"a.test"}
    assert len(seen) == 2
    for one in failed:
        assert (one.kind, one.retry) == ("invalid_request", False)
        assert "the address leads to http" in one.message
        assert "/v1/x" in one.message
        assert "key=1" not in one.message
        assert "pw" not in one.message


@BOTH
@pytest.mark.parametrize("status", [301, 302, 303])
async def test_a_redirect_that_would_drop_the_body_is_told(dialect: Dialect, status: int):
    seen, failed = await asked_twice(dialect, "https://a.test/old", status, "/new")
    assert [one.method for one in seen] == ["POST"] * 2
    assert f"the address leads to https://a.test/new (status {status})" == failed[0].message
    assert failed[1] == failed[0]


@BOTH
@pytest.mark.parametrize(
    ("base_url", "location"),
    [("http://a.test/old", "/new"), ("http://a.test/old", "https://a.test/new"),
     ("https://a.test/old", "https://a.test:443/new")],
)  # fmt: skip
async def test_a_redirect_that_stays_is_followed(dialect: Dialect, base_url: str, location: str):
    seen, failed = await asked_twice(dialect, base_url, 307, location)
    assert not failed
    assert [one.method for one in seen] == ["POST"] * 4
    assert seen[1].url.path == "/new"


@pytest.mark.parametrize("location", ["http://[", "http://a.test:0x/", "http://a.test:99999/"])
async def test_an_address_that_is_none_is_told(location: str):
    _, failed = await asked_twice("openai", "https://a.test/old", 307, location)
    assert {one.kind for one in failed} == {"invalid_request"}


class Endless(httpx2.AsyncByteStream):
    """A body that never ends."""

    def __init__(self) -> None:
        self.read, self.closed = 0, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            assert self.read < 10 * MOST_OF_ERROR, "somebody reads on"
            self.read += 10_000
            yield b"no! " * 2_500

    async def aclose(self) -> None:
        self.closed = True


@BOTH
async def test_an_error_without_end_is_read_for_its_begin(dialect: Dialect):
    bodies = [Endless(), Endless()]
    left = list(bodies)
    ok = httpx2.Response(200, content=b"")
    said = [lambda: httpx2.Response(500, stream=left.pop()), lambda: ok] * 2
    clients = Clients(httpx2.MockTransport(lambda _: said.pop(0)()))
    adapter = await Adapters(clients).of(dialect)
    for at in range(3):
        if at == 1:
            await adapter.open(Endpoint(dialect, "http://a.test", KEY), {}, connect_s=1)
            continue
        with pytest.raises(Exception) as caught:  # noqa: PT011, what kind is asserted below
            await adapter.open(Endpoint(dialect, "http://a.test", KEY), {}, connect_s=1)
        told = failure(caught.value)
        assert (told.kind, len(told.message)) == ("overloaded", 2_000)
    assert all(body.closed for body in bodies)
    await clients.close()


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


CALL = (
    '{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f","arguments":{"a":%s}}}]},'
    '"finish_reason":"stop"}]}'
)
USE = '{"type":"content_block_start","content_block":{"type":"tool_use","input":{"a":%s}}}'
END = '{"type":"message_delta","delta":{"stop_reason":"tool_use"}}'
DEEP: dict[str, tuple[Dialect, str]] = {
    "error": ("openai", 'data: {"error":{"message":%s}}\n\n'),
    "named error": ("anthropic", 'event: error\ndata: {"error":{"message":%s}}\n\n'),
    "chunk": ("openai", 'data: {"choices":[],"x":%s}\n\n'),
    "event": ("anthropic", 'event: x\ndata: {"type":"x","x":%s}\n\n'),
    "arguments": ("openai", f"data: {CALL}\n\n"),
    "input": ("anthropic", f"event: x\ndata: {USE}\n\nevent: x\ndata: {END}\n\n"),
}


@pytest.mark.parametrize("levels", [300, 970, 990, 1_010, 1_500, 100_000])
@pytest.mark.parametrize("name", DEEP)
async def test_what_is_nested_deeply_is_a_message_or_a_known_failure(name: str, levels: int):
    """No error of a provider keeps its failure from being told."""
    dialect, text = DEEP[name]
    try:
        await through(dialect, [(text % deep(levels)).encode()])
    except Exception as error:  # noqa: BLE001, of which kind is what is asked
        told = failure(error)
        assert told.kind in ("malformed", "overloaded", "truncated")
        assert told.message
        if levels >= 1_500:
            assert told.message == TOO_DEEP
    else:
        assert levels < 1_500


async def test_a_stream_of_nothing_does_not_go_on_for_ever(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(events, "MOST_OF_STREAM", 100)
    with pytest.raises(Exception, match="the stream is over 100 bytes") as caught:
        await through("openai", [b": alive\n\n"] * 20)
    assert failure(caught.value).kind == "malformed"


async def test_what_unpacks_to_much_lets_others_work():
    idle = (b":" + b" " * 999 + b"\n") * 8_000
    body = gzip.compress(idle + sse(chunk({"content": "hi"}, "stop")))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    packed: dict[str, Any] = {"content-encoding": "gzip"}
    answered, _ = await through("openai", lambda _: response([body], **packed))
    task.cancel()
    assert answered.whole.text == "hi"
    assert turns > 100


@pytest.mark.parametrize("line", [b"\n", b"\r", b"\r\n", b":\n", b"id\n", b"data:\n\n"])
async def test_a_few_bytes_that_unpack_to_lines_without_end_are_given_up_soon(line: bytes):
    body = gzip.compress(line * 5_000_000)
    packed: dict[str, Any] = {"content-encoding": "gzip"}
    with pytest.raises(Exception, match="of which each line counts 64") as caught:
        await through("openai", lambda _: response([body], **packed))
    assert failure(caught.value).kind == "malformed"


async def test_a_long_message_in_many_small_events_is_no_stream_of_nothing():
    event = b"event: content_block_delta\n" + sse({"type": "content_block_delta"}, done=False)
    frames = Frames()
    assert sum(len(frames.feed(event * 1_000)) for _ in range(400)) == 400_000


async def test_what_says_that_it_is_packed_and_is_not_is_malformed():
    with pytest.raises(Exception) as caught:  # noqa: PT011, what kind is asserted below
        await through("openai", lambda _: response([b"abc"], **{"content-encoding": "gzip"}))
    told = failure(caught.value)
    assert (told.kind, told.retry) == ("malformed", True)
