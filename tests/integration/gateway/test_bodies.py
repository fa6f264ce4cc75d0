"""Bodies of requests: encodings, marks and multipart forms as clients really send them."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from actalog_gateway import middleware
from tests.integration.gateway.test_connections import connection
from tests.integration.gateway.world import World, until

TASK = {"target": "agent:a", "input": "hello"}
RAW = json.dumps(TASK).encode()
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
BACKGROUND = [("stream", b"false"), ("background", b"true")]


@pytest.mark.parametrize("encoding", ["gzip", "identity, br", "X-GZIP", "zstd"])
@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/v1/tasks", {}), ("/v1/blobs", {}), ("/v1/runs/r/cancel", {}),
        ("/agents/a/runs", FORM), ("/agents/a/runs/r/continue", FORM),
    ],
)  # fmt: skip
async def test_a_compressed_body_is_refused_and_nothing_of_it_is_kept(
    world: World, path: str, kind: dict[str, str], encoding: str
):
    async with world.gateway() as (http, _):
        headers = {**kind, "Content-Encoding": encoding}
        answer = await http.post(path, content=gzip.compress(RAW), headers=headers)
    assert (answer.status_code, answer.json()["error"]["field"]) == (415, "content-encoding")
    assert answer.headers["accept-encoding"] == "identity"
    assert (world.log.inbox, world.log.blobs) == ({}, {})


async def test_a_body_that_is_called_what_it_is_is_read(world: World):
    async with world.gateway() as (http, _):
        answer = await http.post(
            "/v1/tasks", content=RAW, headers={"Content-Encoding": "identity", "Expect": "x"}
        )
    assert answer.status_code == 202


@pytest.mark.parametrize(
    ("body", "said"),
    [(b"\xef\xbb\xbf" + RAW, "byte order mark"), (RAW.decode().encode("utf-16"), "not UTF-8")],
)
async def test_what_is_no_plain_utf_8_is_refused_by_what_it_is(
    world: World, body: bytes, said: str
):
    async with world.gateway() as (http, _):
        answer = await http.post("/v1/tasks", content=body)
    assert answer.status_code == 400
    assert said in answer.json()["detail"]


async def test_a_client_that_waits_to_be_told_to_go_on_is_told(world: World):
    async with world.gateway() as (_, service):
        head = (
            b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: %d\r\n"
        )
        async with connection(service, head % len(RAW) + b"\r\n") as (reader, writer):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(RAW)
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 202 ")
        async with connection(service, head % 99_000_000 + b"\r\n") as (reader, _):
            assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 413 ")


async def test_who_sends_half_a_body_is_told_that_the_rest_did_not_come(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """No fault of the database: it was not asked. What comes later is no request of its own."""
    monkeypatch.setattr(middleware, "ANSWER_S", 0.3)
    head = b"POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(RAW)
    async with (
        world.gateway() as (_, service),
        connection(service, head + RAW[:9]) as (reader, writer),
    ):
        told = await reader.readuntil(b"\r\n\r\n")
        writer.write(RAW[9:])
        answer = json.loads(await asyncio.wait_for(reader.read(), 2))
    assert told.startswith(b"HTTP/1.1 408 ")
    assert (answer["error"]["code"], answer["error"]["retryable"]) == ("bad_input", False)
    assert not world.log.inbox


def form(*parts: tuple[str, bytes] | tuple[str, bytes, bytes]) -> dict[str, Any]:
    """A multipart form; of three the second is a file's name, as it stands between the quotes."""
    body = b""
    for name, *told in parts:
        file = b'; filename="%b"\r\nContent-Type: text/plain' % told[0] if len(told) == 2 else b""
        body += b'--x\r\nContent-Disposition: form-data; name="%b"%b\r\n\r\n%b\r\n' % (
            name.encode(), file, told[-1],
        )  # fmt: skip
    return {
        "content": body + b"--x--\r\n",
        "headers": {"Content-Type": "multipart/form-data; boundary=x"},
    }


@pytest.mark.parametrize(
    ("parts", "names"),
    [
        ([("files", b"", b""), ("message", b"hi")], []),  # as browsers send what was not chosen
        ([("message", b"hi"), ("files", b"a.txt", b"")], []),
        ([("message", b"hi"), ("files", b"")], []),
        ([("files", b"a.txt", b"x"), ("message", b"hi")], ["a.txt"]),
        ([("message", b"hi"), ("files", "ключ 支.txt".encode(), b"x")], ["ключ 支.txt"]),
        ([("message", b"ho"), ("message", b"hi"), ("имя", b"")], []),
        ([("message", b"hi"), *[("files", b"a", b"x")] * 30], ["a"] * 30),
    ],
)
async def test_a_form_is_read_whatever_its_order(world: World, parts: list[Any], names: list[str]):
    async with world.gateway() as (http, _):
        answer = await http.post("/agents/a/runs", **form(*parts, *BACKGROUND))
        assert answer.status_code == 202, answer.text
        await until(lambda: world.tasks())
    (task,) = world.tasks()
    assert task["input"] == "hi"
    assert [one["filename"] for one in task.get("media", ())] == names


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([("message", b"hi"), ("files", b"text, not a file")], 422),
        ([("message", b"m.txt", b"hi")], 422),
        ([("message", b"hi"), *[(f"x{at}", b"") for at in range(1_001)]], 400),
        ([("message", b"hi"), *[("files", b"a", b"")] * 1_001], 400),
    ],
)
async def test_a_form_that_says_what_it_cannot_is_refused(
    world: World, parts: list[Any], status: int
):
    async with world.gateway() as (http, _):
        answer = await http.post("/agents/a/runs", **form(*parts))
    assert answer.status_code == status, answer.text
    assert not world.log.inbox


@pytest.mark.parametrize("cut", [6, 12, 30, 60])
async def test_a_form_that_has_no_end_is_refused(world: World, cut: int):
    """What was cut off may be a file."""
    told = form(("message", b"hi"), *BACKGROUND, ("files", b"a.txt", b"x"))
    whole, told["content"] = told["content"].removesuffix(b"\r\n"), told["content"][:-cut]
    async with world.gateway() as (http, _):
        headers = {**told["headers"], "Idempotency-Key": "1"}
        assert (await http.post("/agents/a/runs", content=whole, headers=headers)).is_success
        world.log.inbox.clear()
        answer = await http.post("/agents/a/runs", **told)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_input")
    assert not world.log.inbox
