"""Driven by the official SDKs, so that what stands here is what the real wires look like."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx2
import openai
import orjson
import pytest

from actalog_testing.scripted import Fault, Reply, ScriptedServer, Tokens, ToolUse
from actalog_testing.scripted.request import Request

HI: Any = [{"role": "user", "content": "hi"}]
LOOKUP = Reply("Let me see.", tool_calls=[ToolUse("find", {"id": "7"})], reasoning="hm")


@pytest.fixture
async def server() -> AsyncIterator[ScriptedServer]:
    server = ScriptedServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def gpt(server: ScriptedServer) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        api_key="x", base_url=server.base_url + "/v1", max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def claude(server: ScriptedServer) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(
        api_key="x", base_url=server.base_url, max_retries=0
    ) as client:
        yield client


async def stream(gpt: openai.AsyncOpenAI) -> list[Any]:
    chunks = await gpt.chat.completions.create(
        model="m", messages=HI, stream=True, stream_options={"include_usage": True}
    )
    return [chunk async for chunk in chunks]


async def events(claude: anthropic.AsyncAnthropic) -> list[Any]:
    told = await claude.messages.create(model="m", max_tokens=9, messages=HI, stream=True)
    return [event async for event in told]


async def test_a_text_arrives_in_as_many_chunks_as_the_script_says(
    server: ScriptedServer, gpt: openai.AsyncOpenAI
):
    server.follow([Reply("Grüße 👋 an alle", chunks=5, usage=Tokens(3, 4, cached=2))])
    chunks = await stream(gpt)
    texts = [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]
    assert (len(texts), "".join(texts)) == (5, "Grüße 👋 an alle")
    assert chunks[-1].choices == []
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (3, 4)
    assert chunks[-1].usage.prompt_tokens_details.cached_tokens == 2
    assert chunks[-2].choices[0].finish_reason == "stop"


async def test_tool_calls_stream_in_openais_fragments(
    server: ScriptedServer, gpt: openai.AsyncOpenAI
):
    server.follow([LOOKUP])
    deltas = [chunk.choices[0] for chunk in await stream(gpt) if chunk.choices]
    calls = [call for one in deltas for call in one.delta.tool_calls or ()]
    assert calls[0].function.name == "find"
    assert "".join(call.function.arguments for call in calls) == '{"id":"7"}'
    assert deltas[-1].finish_reason == "tool_calls"
    thought = [one.delta.model_extra.get("reasoning_content", "") for one in deltas]
    assert "".join(thought) == "hm"


async def test_a_whole_completion_says_the_same_as_the_stream(
    server: ScriptedServer, gpt: openai.AsyncOpenAI
):
    server.follow([LOOKUP])
    told = await gpt.chat.completions.create(model="m", messages=HI)
    assert told.choices[0].message.content == "Let me see."
    assert told.choices[0].message.tool_calls
    assert told.model == "m"


async def test_anthropics_events_come_block_by_block(
    server: ScriptedServer, claude: anthropic.AsyncAnthropic
):
    server.follow([LOOKUP, LOOKUP])
    told = await events(claude)
    assert [e.type for e in told][:1] + [e.type for e in told][-2:] == [
        "message_start", "message_delta", "message_stop",
    ]  # fmt: skip
    blocks = [e.content_block.type for e in told if e.type == "content_block_start"]
    assert blocks == ["thinking", "text", "tool_use"]
    deltas = [e.delta for e in told if e.type == "content_block_delta"]
    assert "".join(d.text for d in deltas if d.type == "text_delta") == "Let me see."
    parts = [d.partial_json for d in deltas if d.type == "input_json_delta"]
    assert "".join(parts) == '{"id":"7"}'
    whole = await claude.messages.create(model="m", max_tokens=9, messages=HI)
    assert [block.type for block in whole.content] == blocks
    assert whole.stop_reason == "tool_use"


async def test_a_function_answers_by_the_request_and_none_leaves_it_to_the_demo(
    server: ScriptedServer, gpt: openai.AsyncOpenAI
):
    server.follow(lambda request: Reply("yes") if request.model == "m" else None)
    first = await gpt.chat.completions.create(model="m", messages=HI)
    second = await gpt.chat.completions.create(model="other", messages=HI)
    assert first.choices[0].message.content == "yes"
    assert "(scripted model)" in (second.choices[0].message.content or "")
    assert second.model == "scripted"
    assert [request.model for request in server.requests] == ["m", "other"]
    assert server.requests[0].headers["authorization"] == "Bearer x"


async def test_a_script_that_raises_is_told_to_the_client(
    server: ScriptedServer, gpt: openai.AsyncOpenAI
):
    def fails(request: Request) -> None:
        raise ValueError("no such thing")

    server.follow(fails)
    with pytest.raises(openai.InternalServerError, match="no such thing"):
        await gpt.chat.completions.create(model="m", messages=HI)


@pytest.mark.parametrize(
    ("status", "wanted"),
    [(401, openai.AuthenticationError), (429, openai.RateLimitError), (500, openai.APIError)],
)
async def test_a_status_of_openai_is_the_error_that_its_sdk_knows(
    server: ScriptedServer, gpt: openai.AsyncOpenAI, status: int, wanted: type[Exception]
):
    server.follow([Fault(status=status, retry_after=2)])
    with pytest.raises(wanted) as told:
        await stream(gpt)
    assert isinstance(told.value, openai.APIStatusError)
    assert told.value.response.headers["retry-after"] == "2"


async def test_anthropic_overloaded_is_529(
    server: ScriptedServer, claude: anthropic.AsyncAnthropic
):
    server.follow([Fault(status=529)])
    with pytest.raises(anthropic.APIStatusError, match="overloaded_error") as told:
        await events(claude)
    assert told.value.status_code == 529


@pytest.mark.parametrize("after", [0, 1, 100, 500])
async def test_a_stream_cut_after_bytes_is_a_broken_connection(
    server: ScriptedServer, gpt: openai.AsyncOpenAI, after: int
):
    server.follow([Fault(cut_after_bytes=after, reply=Reply("x" * 1000))])
    with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
        await stream(gpt)


async def test_a_stream_cut_after_chunks_had_those_chunks(server: ScriptedServer):
    server.follow([Fault(cut_after_chunks=3)])
    ask = b'{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}'
    answer = await raw(server, post(ask), until_closed=True)
    assert answer.count(b"data: ") == 3
    assert not answer.endswith(b"0\r\n\r\n")


async def test_a_missing_finish_ends_in_order(server: ScriptedServer, gpt: openai.AsyncOpenAI):
    server.follow([Fault(missing_finish=True, reply=Reply("half"))])
    chunks = await stream(gpt)
    assert chunks
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)


async def test_an_error_in_band_follows_the_first_chunks(
    server: ScriptedServer, gpt: openai.AsyncOpenAI, claude: anthropic.AsyncAnthropic
):
    server.follow([Fault(error_after_chunks=2), Fault(error_after_chunks=2)])
    with pytest.raises(openai.APIError, match="a fault of the script"):
        await stream(gpt)
    with pytest.raises(anthropic.APIStatusError, match="overloaded"):
        await events(claude)


@pytest.mark.parametrize("where", [{"stall_before_headers": True}, {"stall_after_chunks": 2}])
async def test_a_stall_holds_the_connection_and_then_goes_on(
    server: ScriptedServer, gpt: openai.AsyncOpenAI, where: dict[str, Any]
):
    server.follow([Fault(stall_ms=50, reply=Reply("late"), **where)])
    started = time.monotonic()
    chunks = await stream(gpt)
    assert time.monotonic() - started >= 0.05
    assert chunks[-1].usage is not None


async def test_a_server_stops_while_a_client_is_stalled(server: ScriptedServer):
    asked = asyncio.Event()

    def stalls(request: Request) -> Fault:
        asked.set()
        return Fault(stall_before_headers=True)

    server.follow(stalls)
    waiting = asyncio.create_task(raw(server, post(b'{"messages":[]}'), until_closed=True))
    await asked.wait()
    await server.stop()
    assert await waiting == b""


async def test_malformed_arguments_are_sent_as_they_are(
    server: ScriptedServer, gpt: openai.AsyncOpenAI
):
    server.follow([Reply(tool_calls=[ToolUse("find", '{"id": ', id="same")] * 2)])
    told = await gpt.chat.completions.create(model="m", messages=HI)
    calls: Any = told.choices[0].message.tool_calls or ()
    assert [(call.id, call.function.arguments) for call in calls] == [("same", '{"id": ')] * 2


async def test_requests_in_pieces_and_in_one_piece_are_answered_in_order(server: ScriptedServer):
    server.follow([Reply("one", delay_ms=20), Reply("two")])
    both = post(b'{"messages":[]}') + post(b'{"messages":[]}')
    reader, writer = await connect(server)
    for at in range(0, len(both), 7):
        writer.write(both[at : at + 7])
        await writer.drain()
    answer = b""
    while b"two" not in answer:
        answer += await reader.read(1000)
    assert answer.index(b"one") < answer.index(b"two")
    writer.close()


@pytest.mark.parametrize(
    ("request_bytes", "said"),
    [
        (b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n", b"need a content-length"),
        (b"GET /v1/nothing HTTP/1.1\r\n\r\n", b"404"),
        (b"GET /v1/models HTTP/1.1\r\n\r\n", b'"scripted"'),
        (b"GET /v1/messages HTTP/1.1\r\n\r\n", b"405"),
        (b"x" * 70_000, b"400"),
    ],
)
async def test_what_is_no_model_request_gets_a_plain_refusal(
    server: ScriptedServer, request_bytes: bytes, said: bytes
):
    assert said in await raw(server, request_bytes)


@pytest.mark.parametrize("body", [b"{", b"[]", b"{}"])
async def test_a_body_that_is_no_request_is_refused(server: ScriptedServer, body: bytes):
    assert b"HTTP/1.1 400" in await raw(server, post(body))
    assert server.requests == []


async def test_only_the_last_requests_are_kept_but_all_are_counted():
    server = ScriptedServer(keep=2, script=[Reply("a")])
    await server.start()
    for at in range(3):
        await raw(server, post(orjson.dumps({"model": str(at), "messages": []})))
    assert ([request.model for request in server.requests], server.count) == (["1", "2"], 3)
    assert server.left == 0
    await server.stop()


def post(body: bytes) -> bytes:
    head = f"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def connect(server: ScriptedServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = server.base_url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def raw(server: ScriptedServer, data: bytes, *, until_closed: bool = False) -> bytes:
    """What the server writes back; the first read unless it is to be read to the end."""
    reader, writer = await connect(server)
    writer.write(data)
    try:
        return await (reader.read() if until_closed else reader.read(100_000))
    except ConnectionResetError:
        return b""
    finally:
        writer.close()
