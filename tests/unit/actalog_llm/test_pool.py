"""Requests whose head is made once are the requests that the HTTP client would have made."""

import json

import httpx2
import pytest

from actalog_llm.adapters.clients import Clients
from actalog_llm.adapters.loading import Adapters
from actalog_llm.adapters.pool import MOST_KNOWN, Pool
from actalog_llm.providers import Dialect, Endpoint

HEADERS = [("authorization", "Bearer k"), ("content-type", "application/json"), ("x-two", "a")]
URL = "http://model.test/v1/chat/completions"
TIMEOUT = httpx2.Timeout(None, connect=3)


def told(request: httpx2.Request) -> object:
    head = {name.lower(): value for name, value in request.headers.raw}
    return request.method, request.url, head, request.content, request.extensions


@pytest.mark.parametrize("headers", [HEADERS, httpx2.Headers(HEADERS)])
async def test_the_second_request_has_its_own_body_under_the_same_head(headers: object):
    async with Pool() as pool, httpx2.AsyncClient() as plain:
        for content in (b"{}", b'{"longer": "\xc3\xa9"}', b"{}"):
            asked = {"content": content, "headers": headers, "timeout": TIMEOUT, "params": None}
            ours = pool.build_request("post", URL, **asked)
            assert told(ours) == told(plain.build_request("post", URL, **asked))  # pyright: ignore[reportArgumentType]


async def test_another_key_address_or_method_is_another_head():
    async with Pool() as pool:
        for method, url, key in (
            ("post", URL, "k"), ("post", URL, "l"), ("post", URL + "2", "k"), ("put", URL, "k"),
            ("post", URL, "k"),
        ):  # fmt: skip
            made = pool.build_request(
                method, url, content=b"{}", timeout=TIMEOUT, headers=[("authorization", key)]
            )
            assert made.headers["authorization"] == key
            assert (made.method, str(made.url)) == (method.upper(), url)


async def test_what_is_added_to_a_request_is_in_no_other():
    async with Pool() as pool:
        asked = {"content": b"{}", "headers": HEADERS, "timeout": TIMEOUT}
        pool.build_request("post", URL, **asked).headers["x-mine"] = "1"
        pool.build_request("post", URL, **asked).extensions["timeout"]["connect"] = 99
        again = pool.build_request("post", URL, **asked)
        assert "x-mine" not in again.headers
        assert again.extensions == {"timeout": TIMEOUT.as_dict()}


async def test_a_cookie_is_sent_from_then_on_and_no_longer_than_it_lives():
    async with Pool() as pool:
        asked = {"content": b"{}", "headers": HEADERS, "timeout": TIMEOUT}
        pool.cookies.set("seen", "1", domain="model.test")
        assert pool.build_request("post", URL, **asked).headers["cookie"] == "seen=1"
        pool.cookies.clear()
        assert "cookie" not in pool.build_request("post", URL, **asked).headers
        pool.cookies.set("seen", "2", domain="model.test")
        assert pool.build_request("post", URL, **asked).headers["cookie"] == "seen=2"


async def test_what_is_not_a_plain_body_goes_the_usual_way():
    async with Pool() as pool:
        form = pool.build_request("post", URL, data={"a": "1"})
        assert form.read() == b"a=1"
        asked = pool.build_request(
            "post", URL, content=b"{}", params={"q": "1"}, timeout=TIMEOUT, headers=HEADERS
        )
        assert asked.url.query == b"q=1"
        assert pool.build_request("get", URL).method == "GET"


async def test_no_more_heads_are_kept_than_are_sensible():
    async with Pool() as pool:
        for number in range(MOST_KNOWN + 5):
            url = f"http://model.test/{number}"
            made = pool.build_request("post", url, content=b"{}", timeout=TIMEOUT, headers=HEADERS)
            assert str(made.url) == url
        assert len(pool._known) <= MOST_KNOWN  # pyright: ignore[reportPrivateUsage]


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
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, content=b"")

    clients = Clients(httpx2.MockTransport(handle))
    adapter = await Adapters(clients).of(dialect)
    try:
        for key in ("one", "two", "one"):
            body = {"model": key, "stream": True}
            opened = await adapter.open(Endpoint(dialect, base_url, key), body, connect_s=1)
            await opened.close()
            request = seen[-1]
            assert request.url.path == path
            assert json.loads(request.content) == body
            assert request.headers["content-length"] == str(len(request.content))
            assert request.headers["authorization"] == f"Bearer {key}"
            assert "idempotency-key" not in request.headers
    finally:
        await clients.close()


async def test_a_redirect_keeps_the_body():
    seen: list[tuple[str, bytes]] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append((request.url.path, request.content))
        if request.url.path.startswith("/new"):
            return httpx2.Response(200, content=b"")
        return httpx2.Response(307, headers={"location": "/new/chat/completions"})

    clients = Clients(httpx2.MockTransport(handle))
    adapter = await Adapters(clients).of("openai")
    try:
        where = Endpoint("openai", "http://a.test/old", "k")
        await (await adapter.open(where, {"model": "m"}, connect_s=1)).close()
    finally:
        await clients.close()
    assert seen == [
        ("/old/chat/completions", b'{"model":"m"}'), ("/new/chat/completions", b'{"model":"m"}')
    ]  # fmt: skip
