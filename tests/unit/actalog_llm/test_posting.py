"""Requests whose head the SDK made once are the requests that it would have made each time."""

import gzip
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from actalog_llm.adapters.clients import Clients
from actalog_llm.adapters.direct import Body, Direct, head_of
from actalog_llm.adapters.events import peeked
from actalog_llm.adapters.loading import Adapters
from actalog_llm.adapters.posting import MOST_KNOWN
from actalog_llm.ask import ask as ask_whole
from actalog_llm.failures import failure
from actalog_llm.ports import Adapter
from actalog_llm.providers import Dialect, Endpoint
from actalog_llm.whole import Broken
from tests.unit.actalog_llm.served import Handle, Served, deaf, empty, listening
from tests.unit.actalog_llm.wires import CHOICE, Pieces, chunk, response, sse

BOTH = pytest.mark.parametrize("dialect", ["openai", "anthropic"])


@asynccontextmanager
async def asking(server: Served, dialect: Dialect = "openai") -> AsyncGenerator[Adapter]:
    clients = Clients()
    async with listening(server):
        try:
            yield await Adapters(clients).of(dialect)
        finally:
            await clients.close()


def at(server: Served, dialect: Dialect = "openai", path: str = "/v1", key: str = "k") -> Endpoint:
    return Endpoint(dialect, server.url + path, key, (("x-two", "a"),))


async def ask(adapter: Adapter, where: Endpoint, *, connect_s: float = 3, **body: Any) -> None:
    opened = await adapter.open(where, {"model": "m", **body}, connect_s=connect_s)
    async for _ in opened.chunks:
        pass
    await opened.close()


async def failed(adapter: Adapter, where: Endpoint, *, connect_s: float = 3) -> Exception:
    try:
        await ask(adapter, where, connect_s=connect_s)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
        return error
    raise AssertionError("it was answered")


def told(request: httpx2.Request) -> object:
    return request.method, request.url, {n.lower(): v for n, v in request.headers.raw}


@BOTH
async def test_the_second_request_has_its_own_body_under_the_same_head(dialect: Dialect):
    server = Served()
    async with asking(server, dialect) as adapter:
        for text in ("a", "b", "longer: é"):
            await ask(adapter, at(server, dialect), text=text)
    first, second, third = server.seen
    assert told(first) == told(second)
    assert [json.loads(one.content)["text"] for one in server.seen] == ["a", "b", "longer: é"]
    assert first.headers["x-two"] == "a"
    assert third.headers["content-length"] == str(len(third.content))
    assert int(third.headers["content-length"]) > int(first.headers["content-length"])


async def test_nobody_there_is_told_as_no_connection():
    """Nobody listens; or somebody does and takes no connection, for as long as was asked."""
    server, clients = Served(), Clients()
    adapter = await Adapters(clients).of("openai")
    async with listening(server):
        where = Endpoint("openai", f"http://127.0.0.1:{server.port}/v1", "k")
        await ask(adapter, where)
    refused = failure(await failed(adapter, where), where="here")
    with deaf(server.port):
        late = failure(await failed(adapter, where, connect_s=0.2), where="here")
    await clients.close()
    assert len(server.seen) == 1
    assert (refused.kind, refused.retry) == (late.kind, late.retry) == ("connection", True)
    assert "Cannot connect to host 127.0.0.1" in refused.message
    assert late.message == "no connection in time (here)"


def sets(cookie: str) -> Handle:
    return lambda _: httpx2.Response(200, content=b"", headers={"set-cookie": cookie})


async def test_a_cookie_is_sent_from_then_on_and_no_longer_than_it_lives():
    server = Served(empty, sets("seen=1"), sets("seen=2"), sets("seen=2; max-age=0"))
    async with asking(server) as adapter:
        for _ in range(5):
            await ask(adapter, at(server))
    cookies = [one.headers.get("cookie") for one in server.seen]
    assert cookies == [None, None, "seen=1", "seen=2", None]


async def test_a_cookie_of_the_first_answer_is_of_that_moment():
    server = Served(sets("seen=1"))
    async with asking(server) as adapter:
        for _ in range(3):
            await ask(adapter, at(server))
    assert [one.headers.get("cookie") for one in server.seen] == [None] * 3


@pytest.mark.parametrize(
    ("dialect", "base", "path"),
    [("openai", "/v1", "/v1/chat/completions"), ("openai", "/v1/", "/v1/chat/completions"),
     ("openai", "", "/chat/completions"), ("anthropic", "", "/v1/messages")],
)  # fmt: skip
async def test_each_endpoint_gets_its_own_key_body_and_path(dialect: Dialect, base: str, path: str):
    server = Served()
    async with asking(server, dialect) as adapter:
        for key in ("one", "two", "one", "two"):
            body: dict[str, Any] = {"model": key, "stream": True}
            await ask(adapter, at(server, dialect, base, key), **body)
            request = server.seen[-1]
            assert request.url.path == path
            assert json.loads(request.content) == body
            assert request.headers["content-length"] == str(len(request.content))
            assert request.headers["authorization"] == f"Bearer {key}"
            assert "idempotency-key" not in request.headers


def moved(request: httpx2.Request) -> httpx2.Response:
    if request.url.path.startswith("/new"):
        return httpx2.Response(200, content=b"")
    return httpx2.Response(307, headers={"location": "/new/chat/completions"})


@pytest.mark.parametrize("before", [[], [empty]], ids=["from the first on", "later"])
async def test_a_redirect_keeps_the_body_and_is_followed_each_time(before: list[Handle]):
    server = Served(*before, *[moved] * 7)
    async with asking(server) as adapter:
        for _ in range(2 + len(before)):
            await ask(adapter, at(server, path="/old"))
    wanted = [
        ("/old/chat/completions", b'{"model":"m"}'),
        ("/new/chat/completions", b'{"model":"m"}'),
    ]
    asked = [(one.url.path, one.content) for one in server.seen]
    if before:  # what leads elsewhere all at once is asked again by its SDK
        assert asked == [wanted[0], wanted[0], *wanted * 2]
    else:
        assert asked == wanted * 2


async def test_the_query_of_an_address_goes_with_each_request():
    """Azure's classic addresses end with their version."""
    server = Served()
    async with asking(server) as adapter:
        for _ in range(2):
            await ask(adapter, at(server, path="/deployments/d?api-version=2024-10-21"))
    told = [(one.url.path, one.url.query) for one in server.seen]
    assert told == [("/deployments/d/chat/completions", b"api-version=2024-10-21")] * 2


async def test_what_the_environment_sends_over_a_proxy_always_goes_over_it(
    monkeypatch: pytest.MonkeyPatch,
):
    server = Served()
    async with listening(server):
        monkeypatch.setenv("http_proxy", server.url)
        monkeypatch.setenv("no_proxy", "localhost")
        async with asking(Served()) as adapter:
            for _ in range(3):
                await ask(adapter, Endpoint("openai", "http://model.test/v1", "k"))
    assert [str(one.url) for one in server.seen] == ["http://model.test/v1/chat/completions"] * 3


def refuses(status: int, body: object, **headers: str) -> Handle:
    return lambda _: httpx2.Response(status, json=body, headers=headers)


FAULTS: dict[str, Handle] = {
    "busy": refuses(429, {"error": {"message": "slow"}}, **{"retry-after": "7"}),
    "no credit": refuses(429, {"error": {"message": "no", "code": "insufficient_quota"}}),
    "key": refuses(401, {"error": {"message": "the key k is wrong"}}),
    "wrong": refuses(400, {"error": {"message": "maximum context length is 7"}}),
    "down": refuses(503, "no JSON object"),
    "moved to nowhere": lambda _: httpx2.Response(304),
    "leads elsewhere": lambda _: httpx2.Response(307, headers={"location": "http://evil.test/"}),
    "compressed": lambda _: httpx2.Response(
        400, content=gzip.compress(b'{"error":{"message":"no"}}'),
        headers={"content-encoding": "gzip", "content-type": "application/json"},
    ),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_failure_is_what_the_sdk_would_have_called_it(fault: str, dialect: Dialect):
    """Nothing is learned of a request that failed, so the first is the SDK's own; the third has
    the head of the second."""
    server = Served(FAULTS[fault], empty, FAULTS[fault])
    async with asking(server, dialect) as adapter:
        sdk = await failed(adapter, at(server, dialect))
        await ask(adapter, at(server, dialect))
        ours = await failed(adapter, at(server, dialect))
    assert (type(ours), str(ours)) == (type(sdk), str(sdk))
    assert failure(ours) == failure(sdk)
    assert getattr(ours, "body", None) == getattr(sdk, "body", None)
    assert type(ours.__cause__) is type(sdk.__cause__)


@BOTH
async def test_a_connection_that_is_closed_without_an_answer_is_told(dialect: Dialect):
    server = Served(empty, lambda _: None)
    async with asking(server, dialect) as adapter:
        await ask(adapter, at(server, dialect))
        told = failure(await failed(adapter, at(server, dialect)))
        await ask(adapter, at(server, dialect))
    assert (told.kind, told.retry) == ("connection", True)
    assert len(server.seen) == 3


async def test_an_answer_that_is_cut_is_told_as_that():
    begun = sse(chunk({"content": "Half an"}), done=False)
    server = Served(empty, lambda _: response([begun, RuntimeError("cut")]))
    shown: list[str] = []
    async with asking(server) as adapter:
        await ask(adapter, at(server))
        with pytest.raises(Broken) as caught:
            await ask_whole(
                adapter, at(server), {"model": "m"}, CHOICE, lambda _, text: shown.append(text)
            )
    assert (shown, caught.value.kind) == (["Half an"], "truncated")


async def test_an_answer_may_be_compressed():
    body = sse(chunk({"content": "All of it"}, "stop"))
    packed = httpx2.Response(
        200, content=gzip.compress(body),
        headers={"content-encoding": "gzip", "content-type": "text/event-stream"},
    )  # fmt: skip
    server, shown = Served(empty, lambda _: packed), list[str]()
    async with asking(server) as adapter:
        await ask(adapter, at(server))
        await ask_whole(
            adapter, at(server), {"model": "m"}, CHOICE, lambda _, text: shown.append(text)
        )
    assert shown == ["All of it"]


@BOTH
async def test_a_connection_is_used_again(dialect: Dialect):
    """The SDK has one of its own; the others share another."""
    server = Served()
    callers: set[object] = set()
    hear = server.hear

    async def counted(reader: Any, writer: Any) -> None:
        callers.add(writer)
        await hear(reader, writer)

    server.hear = counted
    async with asking(server, dialect) as adapter:
        for _ in range(6):
            await ask(adapter, at(server, dialect))
    assert (len(server.seen), len(callers)) == (6, 2)


async def test_a_body_says_when_all_of_it_has_come():
    server, direct = Served(lambda _: response([b"data: [DONE]\n\n"])), Direct(1)
    async with listening(server):
        head = head_of(httpx2.Request("POST", f"{server.url}/v1", content=b"before"))
        answered = await direct.post(head, b"{}", connect_s=3)
        body = answered.stream
        assert isinstance(body, Body)
        pieces = [piece async for piece in body]
        assert (b"".join(pieces), body.whole) == (b"data: [DONE]\n\n", True)
        await answered.aclose()
        await direct.close()
    assert [one.content for one in server.seen] == [b"{}"]


async def test_no_more_heads_are_kept_than_are_sensible():
    server = Served()
    async with asking(server) as adapter:
        for number in range(MOST_KNOWN + 5):
            await ask(adapter, at(server, path=f"/{number}"))
        assert len(adapter.posting._heads) <= MOST_KNOWN  # pyright: ignore
    assert len({str(one.url) for one in server.seen}) == MOST_KNOWN + 5


@BOTH
async def test_a_response_is_given_with_its_head_before_there_is_a_body(dialect: Dialect):
    def begins(_: httpx2.Request) -> httpx2.Response:
        headers = {"content-type": "text/event-stream", "x-request-id": "o", "request-id": "a"}
        return httpx2.Response(200, headers=headers, stream=Pieces([RuntimeError("read")]))

    server = Served(begins, begins)
    async with asking(server, dialect) as adapter:
        for _ in range(2):
            opened = await adapter.open(at(server, dialect), {"model": "m"}, connect_s=3)
            assert opened.request_id == dialect[0]
            await opened.close()


async def test_what_is_called_json_is_looked_at_no_further_than_its_begin():
    response = httpx2.Response(200, stream=Pieces([b" ", b" d", b"ata", RuntimeError("read")]))
    first, body = await peeked(response)
    assert first == b"d"
    assert [await anext(body), await anext(body)] == [b" d", b"ata"]
