"""Connections that became streams: heartbeats, slow readers, ends, and what a client must not do."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from actalog_core.metrics import REGISTRY
from actalog_core.service import Service
from actalog_gateway import server, streaming
from actalog_gateway.feeds import newest
from actalog_gateway.follow import Hub
from actalog_gateway.server import HttpServer
from actalog_gateway.sse import Stream
from actalog_gateway.streaming import OpenStream
from tests.integration.gateway.reassembly import Reader, parse
from tests.integration.gateway.world import World, done, reply, until

GET = b"GET /v1/runs/r/events HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become hundredths."""
    monkeypatch.setattr(server, "TICK_S", 0.02)
    monkeypatch.setattr(streaming, "HEARTBEAT_S", 0.1)
    monkeypatch.setattr(streaming, "SEND_TIMEOUT_S", 0.3)
    monkeypatch.setattr(streaming, "HEAD_S", 0.3)


@asynccontextmanager
async def connection(
    service: Service, request: bytes = GET, *, limit: int = 2**16
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client that knows nothing of HTTP but this request."""
    http = service.parts[-1]
    assert isinstance(http, HttpServer)
    reader, writer = await asyncio.open_connection("127.0.0.1", http.port, limit=limit)
    writer.write(request)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def body(raw: bytes) -> tuple[bytes, bool]:
    """What a chunked answer has, and whether it was sent to its end."""
    _, _, rest = raw.partition(b"\r\n\r\n")
    told = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return told, rest == b"\r\n"
        told += rest[:length]
        rest = rest[length + 2 :]
    return told, False


def streams(service: Service) -> list[OpenStream]:
    http = service.parts[-1]
    assert isinstance(http, HttpServer)
    assert http._server is not None  # pyright: ignore[reportPrivateUsage]
    return http._server.streams()  # pyright: ignore[reportPrivateUsage]


def hub(service: Service) -> Hub:
    found = service.parts[0]
    assert isinstance(found, Hub)
    return found


def dropped() -> float:
    return float(REGISTRY.get_sample_value("actalog_sse_dropped_total") or 0)


@pytest.mark.usefixtures("quick")
async def test_a_silent_stream_beats_and_one_that_tells_does_not(world: World):
    run = await world.run("r")
    await run.begin()
    async with world.gateway() as (_, service), connection(service) as (reader, _):
        await reader.readuntil(b": heartbeat\n")
        beats = 0
        for at in range(10):
            await run.delta("x", offset=at)
            await asyncio.sleep(0.03)
        raw = await asyncio.wait_for(reader.readuntil(b'"offset":9,"text":"x"}\n\n'), 2)
        beats = raw.count(b"heartbeat")
        await run.finish("x" * 10)
        rest = await reader.read()
    assert beats <= 1  # what is told is a sign of life, too
    assert rest.endswith(b"0\r\n\r\n")


@pytest.mark.usefixtures("quick")
async def test_a_client_that_takes_nothing_is_dropped_with_bounded_memory(world: World):
    run = await world.run("r")
    await run.begin("x" * 300_000)
    before = dropped()
    async with world.gateway() as (_, service), connection(service, limit=1_024):
        await until(lambda: hub(service).followers == 1)
        (stream,) = streams(service)
        transport: asyncio.Transport = stream._transport  # pyright: ignore[reportPrivateUsage]
        most = 0
        for at in range(100):
            await run.delta("y" * 100_000, offset=at * 100_000)
            most = max(most, transport.get_write_buffer_size())
            await asyncio.sleep(0.002)
        await until(lambda: hub(service).followers == 0, 3)
        await until(lambda: not streams(service), 3)
    assert dropped() == before + 1
    assert 0 < most < 2 * 1_048_576


@pytest.mark.usefixtures("quick")
async def test_a_client_that_rests_for_a_moment_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(streaming, "SEND_TIMEOUT_S", 5.0)
    run = await world.run("r")
    await run.begin()
    before = dropped()
    async with world.gateway() as (_, service), connection(service, limit=1_024) as (reader, _):
        await until(lambda: hub(service).followers == 1)
        (stream,) = streams(service)
        for at in range(300):
            if stream._room is not None:  # pyright: ignore[reportPrivateUsage]
                break
            await run.delta("y" * 100_000, offset=at * 100_000)
            await asyncio.sleep(0.002)
        assert stream._room is not None  # pyright: ignore[reportPrivateUsage]
        await asyncio.sleep(0.1)  # several ticks
        await run.finish("fine")
        told, whole = body(await asyncio.wait_for(reader.read(), 10))
    assert whole
    assert [one.data["seq"] for one in parse(told) if one.id] == [1, 2, 3, 4, 5]
    assert dropped() == before


async def test_a_client_that_says_more_is_not_listened_to(world: World):
    """A second request on a connection that became a stream, or a megabyte of anything."""
    run = await world.run("r")
    await run.begin()
    async with world.gateway() as (http, service):
        async with connection(service, GET + GET) as (reader, writer):
            await until(lambda: hub(service).followers == 1)
            writer.write(GET + b"\x00" * 1_048_576)
            await writer.drain()
            await asyncio.sleep(0.2)  # what a server has not read when it closes resets
            await run.finish()
            told, whole = body(await reader.read())
        assert whole
        assert [one.data["seq"] for one in parse(told)] == [1, 2, 3, 4, 5]
        assert (await http.get("/health/live")).status_code == 200


async def test_who_asks_for_the_head_of_a_stream_is_sent_no_more(world: World):
    run = await world.run("r")
    await run.begin()
    await run.finish()
    head = GET.replace(b"GET", b"HEAD", 1)
    async with world.gateway() as (_, service), connection(service, head) as (reader, _):
        told = await asyncio.wait_for(reader.read(), 2)
        assert not streams(service)
    assert told.startswith(b"HTTP/1.1 200 ")
    assert told.endswith(b"\r\n\r\n")
    assert b"content-type: text/event-stream" in told
    assert told.count(b"\r\n\r\n") == 1


async def test_a_client_that_is_gone_at_once_leaves_nothing_behind(world: World):
    await (await world.run("r")).begin()
    async with world.gateway() as (_, service):
        for _ in range(50):
            async with connection(service) as (_, writer):
                writer.transport.abort()
        await asyncio.sleep(0.2)
        await until(lambda: hub(service).followers == 0, 1)
        await until(lambda: not streams(service), 1)


async def test_a_stream_that_fails_does_not_look_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    run = await world.run("r")
    await run.begin()

    async def story(*_: Any) -> AsyncIterator[Any]:
        raise RuntimeError("a fault of ours")
        yield

    monkeypatch.setattr(Hub, "story", story)
    async with world.gateway() as (http, service):
        async with connection(service) as (reader, _):
            raw = b""
            with contextlib.suppress(ConnectionError):
                raw = await reader.read()
        assert raw.startswith(b"HTTP/1.1 200 ")
        told, whole = body(raw)
        assert (parse(told), whole) == ([], False)
        assert hub(service).followers == 0
        assert (await http.get("/health/live")).status_code == 200


async def test_a_stream_that_does_not_end_is_ended_when_the_gateway_stops(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    await (await world.run("r")).begin()
    ended = asyncio.Event()

    async def endless() -> AsyncGenerator[bytes, None]:
        try:
            yield b": here\n\n"
            await asyncio.sleep(3_600)
        finally:
            ended.set()

    def instead(_: object) -> Stream:
        return Stream(endless())

    monkeypatch.setattr("actalog_gateway.routes_stream.Stream", instead)
    async with world.gateway() as (_, service), connection(service) as (reader, _):
        await reader.readuntil(b": here\n\n")
        await asyncio.wait_for(service.stop(), 5)
        assert ended.is_set()
        with contextlib.suppress(ConnectionError):
            assert not (await reader.read()).endswith(b"0\r\n\r\n")


async def test_who_comes_late_is_told_of_the_newest_attempt_alone(world: World):
    """What an attempt had written that another has replaced is nobody's business any more."""
    run = await world.run("r")
    await run.begin()
    async with world.gateway() as (_, service):
        await run.delta("wrong ", epoch=1)
        await run.delta("and long", epoch=1, offset=6)
        await run.delta("ri", epoch=2)
        await until(lambda: len(hub(service).recent.of(b"s")) == 3)
        async with connection(service) as (reader, _):
            await reader.readuntil(b'"text":"ri"}\n\n')
            await run.say(reply("r", "right", epoch=2), done(4))
        kept = newest(hub(service).recent.of(b"s"))
    assert kept == []
    async with world.gateway() as (_, service), connection(service) as (reader, _):
        told, _ = body(await reader.read())
    last = Reader()
    for frame in parse(told):
        last.take(frame)
    assert (last.restarts, last.texts) == (0, {"r:m1": "right"})


LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
BIG = b"POST /v1/blobs HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000


async def test_headers_have_an_end_and_harm_nobody_until_then(world: World):
    """The parser copies a header at each of its pieces: a minute for a hundred megabytes."""
    async with world.gateway() as (http, service):
        for endless in (b"X: " + b"a" * 50_000, b"X: a\r\n" * 10_000):
            async with connection(service, LIVE) as (reader, writer):
                with contextlib.suppress(ConnectionError):
                    for _ in range(200):
                        writer.write(endless)
                        await writer.drain()
                assert (await http.get("/health/live")).elapsed.total_seconds() < 1
                with contextlib.suppress(ConnectionError):
                    assert (await reader.read()).startswith(b"HTTP/1.1 431 ")


async def test_whose_head_is_too_large_is_told_so(world: World):
    async with world.gateway() as (_, service):
        async with connection(service, LIVE + b"X: " + b"a" * 70_000) as (reader, _):
            told = await asyncio.wait_for(reader.read(), 2)
        assert told.startswith(b"HTTP/1.1 431 ")
        assert told.count(b"HTTP/1.1 ") == 1


async def test_what_comes_behind_a_body_has_an_end_as_well(world: World):
    head = b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
    async with world.gateway() as (http, service):
        for endless in (b"0\r\nX: ", b"0\r\nX: a\r\nY: ", b"2;x="):
            async with connection(service, head + endless) as (reader, writer):
                with contextlib.suppress(ConnectionError):
                    for _ in range(200):
                        writer.write(b"a" * 50_000)
                        await writer.drain()
                    assert b"HTTP/1.1 431 " in await reader.read()
                assert (await http.get("/health/live")).elapsed.total_seconds() < 1
                assert writer.transport.is_closing()


async def test_bodies_and_requests_behind_them_are_no_headers(world: World):
    async with (
        world.gateway() as (_, service),
        connection(service, BIG + BIG + LIVE[:9]) as (reader, writer),
    ):
        told = b""
        writer.write(LIVE[9:] + b"Connection: close\r\n\r\n")
        told = await asyncio.wait_for(reader.read(), 5)
    assert (told.count(b"HTTP/1.1 201 "), told.count(b"HTTP/1.1 200 ")) == (2, 1)


@pytest.mark.usefixtures("quick")
async def test_half_a_request_is_not_waited_for_without_end(world: World):
    async with world.gateway() as (_, service):
        for half in (b"", LIVE, LIVE + b"\r\n" + LIVE):
            async with connection(service, half) as (reader, writer):
                writer.write(b"X")
                await asyncio.wait_for(reader.read(), 2)
        async with connection(service, b"") as (reader, _):  # nor one that says nothing
            await asyncio.wait_for(reader.read(), 2)
        async with connection(service, LIVE + b"\r\n") as (reader, writer):
            await reader.readuntil(b'"gateway"}')
            await asyncio.sleep(0.5)  # between two requests it may rest
            writer.write(LIVE + b"\r\n")
            await asyncio.wait_for(reader.readuntil(b'"gateway"}'), 2)


@pytest.mark.parametrize("old", ["GET", "POST"])
async def test_http_1_0_is_answered_without_chunks(world: World, old: str):
    """Some proxies ask so; what has no length ends with its connection."""
    run = await world.run("r")
    await run.begin()
    await run.finish("All is well.")
    asked = GET.replace(b"1.1", b"1.0")
    if old == "POST":
        form = b"message=hi"
        asked = b"POST /agents/a/runs HTTP/1.0\r\nHost: x\r\nContent-Length: %d\r\n" % len(form)
        asked += b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" + form
    async with world.gateway() as (http, service):
        plain = (await http.get("/v1/runs/r/events")).text.partition("\n\n")[2]
        async with connection(service, asked) as (reader, _):
            if old == "POST":
                await until(lambda: len(world.tasks()) == 1)
                new = await world.run(
                    world.tasks()[0]["run_id"], session=world.tasks()[0]["run_id"]
                )
                await new.begin()
                await new.finish("Hello!")
            head, _, told = (await reader.read()).partition(b"\r\n\r\n")
        async with connection(service, b"GET /health HTTP/1.0\r\nHost: x\r\n\r\n") as (reader, _):
            assert (await reader.read()).endswith(b"}")
    assert b"transfer-encoding" not in head.lower()
    if old == "GET":
        assert told.decode().partition("\n\n")[2] == plain
    else:
        assert told.startswith(b"event: RunStarted\n")
        assert told.endswith(b"}\n\n")
