"""AgentOS's forms: read as they were written, and refused by the name of the field."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest

from actalog_contracts.base import Usage
from actalog_contracts.runs import RunCancelled
from tests.integration.gateway.test_agentos import begun, names, post
from tests.integration.gateway.world import AGENT, World, called, paused, reply, until

RUNS = "/agents/a/runs"
AGENT_B = AGENT.model_copy(update={"id": "b"})
URLENCODED = {"Content-Type": "application/x-www-form-urlencoded"}
DEEP = '{"a":' + "[" * 300 + "]" * 300 + "}"


def multipart(value: bytes, *, name: str = "message", charset: str = "") -> dict[str, Any]:
    body = b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n' % name.encode()
    kind = f"multipart/form-data; boundary=x{charset}"
    return {"content": body + value + b"\r\n--x--\r\n", "headers": {"Content-Type": kind}}


@pytest.mark.parametrize(
    "how",
    [
        {"content": "message=grün %26+€".encode(), "headers": URLENCODED},  # as curl -d sends it
        {"content": f"message={quote('grün & €')}", "headers": URLENCODED},
        multipart("grün & €".encode()),
        multipart("grün & €".encode(), charset="; charset=UTF-8"),
    ],
)
async def test_text_arrives_as_it_was_written(world: World, how: dict[str, Any]):
    async with world.gateway() as (http, _), http.stream("POST", RUNS, **how) as answer:
        assert answer.status_code == 200
        await until(lambda: world.tasks())
    assert world.tasks()[0]["input"] == "grün & €"


@pytest.mark.parametrize(
    ("how", "status", "field"),
    [
        ({"content": b"message=a\xff", "headers": URLENCODED}, 400, "message"),
        ({"content": b"message=a%ED%A0%80", "headers": URLENCODED}, 400, "message"),
        ({"content": b"message=" + b"x" * 1_100_000, "headers": URLENCODED}, 413, "message"),
        ({"content": b"a=1&" * 1_200, "headers": URLENCODED}, 400, None),
        (multipart(b"a\xff"), 400, "message"),
        (multipart(b"x" * 1_100_000), 413, "message"),
        (multipart(b"hi", charset="; charset=punycode"), 400, "content-type"),
        (multipart(b"hi", charset="; charset=undefined"), 400, "content-type"),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, None),
    ],
)
async def test_what_cannot_be_read_is_refused_and_nothing_of_it_is_kept(
    world: World, how: dict[str, Any], status: int, field: str | None
):
    async with world.gateway() as (http, _):
        answer = await http.post(RUNS, **how)
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)
    assert not world.log.inbox


@pytest.mark.parametrize(
    ("form", "status", "field"),
    [
        ({"message": "a\x00"}, 400, "message"),
        ({"metadata": DEEP}, 400, "metadata"),
        ({"metadata": '{"a": 12345678901234567890}'}, 400, "metadata.a"),
        ({"metadata": '{"a": 1, "a": 2}'}, 400, "metadata.a"),
        ({"metadata": '{"a": "\\ud800"}'}, 400, "metadata.a"),
        ({"metadata": "[1]"}, 400, "metadata"),
        ({"session_state": "{"}, 400, "session_state"),
        ({"images": '[{"url": 5}]'}, 422, "images.0.url"),
        ({"images": "[]", "audio": '[{"content": [1]}]'}, 422, "audio.0.data"),
        ({"videos": "[1]"}, 422, "videos.0"),
        ({"input_files": f'[{{"url": {DEEP}}}]'}, 422, "input_files"),
        ({"output_schema": "nope"}, 422, "output_schema"),
        ({"output_schema": "[]"}, 422, "output_schema"),
        ({"output_schema": '{"type": "nonsense"}'}, 422, "output_schema"),
        ({"stream": "maybe"}, 422, "stream"),
        ({"background": "2"}, 422, "background"),
        ({"stream_events": "?"}, 422, "stream_events"),
    ],
)
async def test_a_fields_own_name_is_told(
    world: World, form: dict[str, str], status: int, field: str
):
    async with world.gateway() as (http, _):
        answer = await http.post(RUNS, data={"message": "hello", **form})
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)
    assert not world.log.inbox


async def test_many_small_files_are_no_message_that_is_too_large(world: World):
    files = [("files", (f"{at}.txt", bytes([65 + at]) * 200_000, "text/plain")) for at in range(6)]
    async with world.gateway() as (http, _):
        form = {"message": "see", "stream": "false", "background": "true"}
        answer = await http.post(RUNS, data=form, files=files)
        assert answer.status_code == 202, answer.text
        await until(lambda: world.tasks())
    assert [("data" in one) for one in world.tasks()[0]["media"]] == [True, *[False] * 5]


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("image/png", "image/png"), ("text/plain; charset=x", "text/plain"),
        ("text/html\nX: y", "application/octet-stream"),
        ("a\x00/b", "application/octet-stream"), ("é/é", "application/octet-stream"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("size", [9, 300_000])
async def test_a_file_is_of_a_type_that_can_be_told_again(
    world: World, said: str, kept: str, size: int
):
    """A blob is sent with it: what no header may hold ended the connection, each time."""
    files = [("files", ("f", b"x" * size, said))]
    form = {"message": "see", "stream": "false", "background": "true"}
    async with world.gateway() as (http, _):
        answer = await http.post(RUNS, data=form, files=files)
        assert answer.status_code == 202, answer.text
        await until(lambda: world.tasks())
        for _, id in world.log.blobs:
            got = await http.get(f"/v1/blobs/{id}")
            assert (got.content, got.headers["content-type"]) == (b"x" * size, kept)
    (task,) = world.tasks()
    assert task["media"][0]["mime_type"] == kept
    assert len(world.log.blobs) == (size > 9)


async def test_without_events_only_text_is_told(world: World):
    async with world.gateway() as (http, _):
        form = {"message": "hello", "stream_events": "false"}
        following = asyncio.create_task(post(http, RUNS, form))
        await (await begun(world)).finish("Hello!")
        assert names(await following) == ["RunContent"]
        following = asyncio.create_task(post(http, RUNS, form))
        run = await begun(world)
        await run.delta("Hel")
        await asyncio.sleep(0.05)
        await run.say(RunCancelled(usage=Usage()))
        assert names(await following) == ["RunContent", "RunCancelled"]


async def test_a_cancelled_runs_end_has_what_was_written(world: World):
    async with world.gateway() as (http, _):
        following = asyncio.create_task(post(http, RUNS, {"message": "hello"}))
        run = await begun(world)
        await run.delta("Hel")
        await asyncio.sleep(0.05)
        await run.say(RunCancelled(usage=Usage()))
        told = await following
    assert names(told)[-2:] == ["RunCancelled", "RunCompleted"]
    assert [one.data["content"] for one in told[-2:]] == ["Hel", "Hel"]


@pytest.mark.parametrize(
    ("tool", "field"),
    [
        ({"tool_call_id": []}, "tools"),
        ({"confirmation_note": [1]}, "note"),
        ({"tool_args": [1]}, "arguments"),
        ({"tool_args": json.loads(DEEP)}, "tools"),
    ],
)
async def test_an_answer_that_is_none_is_refused(world: World, tool: dict[str, Any], field: str):
    run = await world.run("r", definition="sha256:a")
    await run.begin()
    await run.say(reply("r", None), called("r", confirm=True), paused("r"), standing="paused")
    form = {
        "session_id": "s",
        "tools": json.dumps([{"tool_call_id": "r:t1.0", "confirmed": True, **tool}]),
    }
    async with world.gateway() as (http, _):
        answer = await http.post(f"{RUNS}/r/continue", data=form)
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, field)
        form["session_id"] = "another"
        assert (await http.post(f"{RUNS}/r/continue", data=form)).status_code == 404
    assert not world.log.inbox


async def test_another_agents_run_is_not_found(world: World):
    await world.deploy(AGENT_B)
    run = await world.run("r")
    await run.begin()
    await run.say(reply("r", None), called("r", confirm=True), paused("r"), standing="paused")
    async with world.gateway() as (http, _):
        form = {"session_id": "s", "tools": "[]"}
        assert (await http.post("/agents/b/runs/r/continue", data=form)).status_code == 404
        assert (await http.get("/agents/b/runs/r")).status_code == 404
        assert (await http.post("/agents/b/runs/r/cancel")).status_code == 404
        assert (await http.post("/agents/b/runs/later/cancel")).status_code == 200
        (waiting,) = world.log.inbox.values()
        assert json.loads(waiting.body) == {"type": "run.cancel.v1", "run_id": "later"}
        assert (await http.get("/agents/a/runs/r")).status_code == 200
