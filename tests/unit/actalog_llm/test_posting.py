"""Requests whose head the SDK made once are the requests that it would have made each time."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest

from actalog_llm.adapters.clients import Clients
from actalog_llm.adapters.events import peeked
from actalog_llm.adapters.loading import Adapters
from actalog_llm.adapters.posting import MOST_KNOWN
from actalog_llm.failures import failure
from actalog_llm.ports import Adapter
from actalog_llm.providers import Dialect, Endpoint
from tests.unit.actalog_llm.wires import Pieces

Handle = Callable[[httpx2.Request], httpx2.Response]
OPENAI = Endpoint("openai", "http://a.test/v1", "k", (("x-two", "a"),))
ANTHROPIC = Endpoint("anthropic", "http://a.test", "k", (("x-two", "a"),))


class Server:
    """Keeps what it was sent. `answers` are given one after the other, then empty ones."""

    def __init__(self, *answers: Handle) -> None:
        self.seen: list[httpx2.Request] = []
        self.answers = list(answers)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.seen.append(request)
        if self.answers:
            return self.answers.pop(0)(request)
        return httpx2.Response(200, content=b"")


@asynccontextmanager
async def asking(server: Server, dialect: Dialect = "openai") -> AsyncGenerator[Adapter]:
    clients = Clients(httpx2.MockTransport(server))
    try:
        yield await Adapters(clients).of(dialect)
    finally:
        await clients.close()


async def ask(adapter: Adapter, where: Endpoint, *, connect_s: float = 3, **body: Any) -> None:
    opened = await adapter.open(where, {"model": "m", **body}, connect_s=connect_s)
    async for _ in opened.chunks:
        pass
    await opened.close()


def told(request: httpx2.Request) -> object:
    head = {name.lower(): value for name, value in request.headers.raw}
    return request.method, request.url, head, request.extensions["timeout"]


@pytest.mark.parametrize("where", [OPENAI, ANTHROPIC], ids=lambda one: one.dialect)
async def test_the_second_request_has_its_own_body_under_the_same_head(where: Endpoint):
    server = Server()
    async with asking(server, where.dialect) as adapter:
        for text in ("a", "b", "longer: é"):
            await ask(adapter, where, text=text)
    first, second, third = server.seen
    assert told(first) == told(second)
    assert [json.loads(one.content)["text"] for one in server.seen] == ["a", "b", "longer: é"]
    assert first.headers["x-two"] == "a"
    assert third.headers["content-length"] == str(len(third.content))
    assert int(third.headers["content-length"]) > int(first.headers["content-length"])


async def test_each_request_has_its_own_limit_for_connecting():
    server = Server()
    async with asking(server) as adapter:
        for connect_s in (3, 4, 5):
            await ask(adapter, OPENAI, connect_s=connect_s)
    limits = [one.extensions["timeout"] for one in server.seen]
    assert [limit["connect"] for limit in limits] == [3, 4, 5]
    assert {limit[name] for limit in limits for name in ("read", "write", "pool")} == {None}


async def test_what_is_added_to_a_request_is_in_no_other():
    def meddle(request: httpx2.Request) -> httpx2.Response:
        request.headers["x-mine"] = "1"
        request.extensions["timeout"]["connect"] = 99
        return httpx2.Response(200, content=b"")

    server = Server(lambda _: httpx2.Response(200, content=b""), meddle)
    async with asking(server) as adapter:
        for _ in range(3):
            await ask(adapter, OPENAI)
    assert told(server.seen[0]) == told(server.seen[2])


async def test_a_cookie_is_sent_from_then_on_and_no_longer_than_it_lives():
    def sets(cookie: str) -> Handle:
        return lambda _: httpx2.Response(200, content=b"", headers={"set-cookie": cookie})

    server = Server(sets("seen=1"), sets("seen=2"), sets("seen=2; max-age=0"))
    async with asking(server) as adapter:
        for _ in range(4):
            await ask(adapter, OPENAI)
    assert [one.headers.get("cookie") for one in server.seen] == [None, "seen=1", "seen=2", None]


@pytest.mark.parametrize(
    ("dialect", "base_url", "path"),
    [("openai", "http://a.test/v1", "/v1/chat/completions"),
     ("openai", "http://a.test/v1/", "/v1/chat/completions"),
     ("openai", "http://a.test", "/chat/completions"),
     ("anthropic", "http://a.test", "/v1/messages")],
)  # fmt: skip
async def test_each_endpoint_gets_its_own_key_body_and_path(
    dialect: Dialect, base_url: str, path: str
):
    server = Server()
    async with asking(server, dialect) as adapter:
        for key in ("one", "two", "one", "two"):
            body: dict[str, Any] = {"model": key, "stream": True}
            await ask(adapter, Endpoint(dialect, base_url, key), **body)
            request = server.seen[-1]
            assert request.url.path == path
            assert json.loads(request.content) == body
            assert request.headers["content-length"] == str(len(request.content))
            assert request.headers["authorization"] == f"Bearer {key}"
            assert "idempotency-key" not in request.headers


async def test_a_redirect_keeps_the_body_and_is_followed_each_time():
    def handle(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.startswith("/new"):
            return httpx2.Response(200, content=b"")
        return httpx2.Response(307, headers={"location": "/new/chat/completions"})

    server = Server(*[handle] * 4)
    async with asking(server) as adapter:
        for _ in range(2):
            await ask(adapter, Endpoint("openai", "http://a.test/old", "k"))
    assert [(one.url.path, one.content) for one in server.seen] == [
        ("/old/chat/completions", b'{"model":"m"}'), ("/new/chat/completions", b'{"model":"m"}')
    ] * 2  # fmt: skip


async def test_the_query_of_an_address_goes_with_each_request():
    """Azure's classic addresses end with their version."""
    server = Server()
    where = Endpoint("openai", "http://a.test/deployments/d?api-version=2024-10-21", "k")
    async with asking(server) as adapter:
        for _ in range(2):
            await ask(adapter, where)
    told = [(one.url.path, one.url.query) for one in server.seen]
    assert told == [("/deployments/d/chat/completions", b"api-version=2024-10-21")] * 2


def refuses(status: int, body: object, **headers: str) -> Handle:
    return lambda _: httpx2.Response(status, json=body, headers=headers)


def breaks(error: type[Exception]) -> Handle:
    def handle(request: httpx2.Request) -> httpx2.Response:
        try:
            raise OSError("no route")
        except OSError as cause:
            raise error("broken") from cause

    return handle


FAULTS: dict[str, Handle] = {
    "busy": refuses(429, {"error": {"message": "slow"}}, **{"retry-after": "7"}),
    "no credit": refuses(429, {"error": {"message": "no", "code": "insufficient_quota"}}),
    "key": refuses(401, {"error": {"message": "the key k is wrong"}}),
    "wrong": refuses(400, {"error": {"message": "maximum context length is 7"}}),
    "down": refuses(503, "no JSON object"),
    "moved to nowhere": lambda _: httpx2.Response(304),
    "connecting": breaks(httpx2.ConnectTimeout),
    "silent": breaks(httpx2.ReadTimeout),
    "refused": breaks(httpx2.ConnectError),
    "too many redirects": breaks(httpx2.TooManyRedirects),
}


@pytest.mark.parametrize("where", [OPENAI, ANTHROPIC], ids=lambda one: one.dialect)
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_failure_is_what_the_sdk_would_have_called_it(fault: str, where: Endpoint):
    """Nothing is learned of a request that failed, so the first is the SDK's own; the third has
    the head of the second."""
    server = Server(FAULTS[fault], lambda _: httpx2.Response(200, content=b""), FAULTS[fault])
    errors: list[Exception] = []
    async with asking(server, where.dialect) as adapter:
        for _ in range(3):
            try:
                await ask(adapter, where)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is compared
                errors.append(error)
    sdk, ours = errors
    assert (type(ours), str(ours)) == (type(sdk), str(sdk))
    assert failure(ours) == failure(sdk)
    assert getattr(ours, "body", None) == getattr(sdk, "body", None)
    assert type(ours.__cause__) is type(sdk.__cause__)


async def test_no_more_heads_are_kept_than_are_sensible():
    server = Server()
    async with asking(server) as adapter:
        for number in range(MOST_KNOWN + 5):
            await ask(adapter, Endpoint("openai", f"http://a.test/{number}", "k"))
        assert len(adapter.posting._heads) <= MOST_KNOWN  # pyright: ignore
    assert len({str(one.url) for one in server.seen}) == MOST_KNOWN + 5


@pytest.mark.parametrize("where", [OPENAI, ANTHROPIC], ids=lambda one: one.dialect)
async def test_a_response_is_given_with_its_head_before_there_is_a_body(where: Endpoint):
    def begins(_: httpx2.Request) -> httpx2.Response:
        headers = {"content-type": "text/event-stream", "x-request-id": "o", "request-id": "a"}
        return httpx2.Response(200, headers=headers, stream=Pieces([RuntimeError("read")]))

    server = Server(begins, begins)
    async with asking(server, where.dialect) as adapter:
        for _ in range(2):
            opened = await adapter.open(where, {"model": "m"}, connect_s=3)
            assert opened.request_id == where.dialect[0]
            await opened.close()


async def test_what_is_called_json_is_looked_at_no_further_than_its_begin():
    response = httpx2.Response(200, stream=Pieces([b" ", b" d", b"ata", RuntimeError("read")]))
    first, body = await peeked(response)
    assert first == b"d"
    assert [await anext(body), await anext(body)] == [b" d", b"ata"]
