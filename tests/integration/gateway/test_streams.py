"""`GET /v1/runs/{run_id}/events`: nothing missed, nothing twice, whoever comes whenever."""

import asyncio
import contextlib
import time

import httpx
import pytest

from actalog_gateway.follow import Hub
from actalog_gateway.routes_stream import OVERLAP
from actalog_gateway.server import HttpServer
from tests.integration.gateway.world import (
    DeafBus,
    Frame,
    Run,
    World,
    accepted,
    called,
    done,
    frames,
    read,
    reply,
    returned,
    until,
)  # fmt: skip

NASTY = 'a\r\nid: 9\rdata: x\n\n\u2028 \u2029 \x85 \x0b \ufeff \x7f {"event": "x"} \U0001f600'


async def whole(run: Run, text: str = "fine") -> None:
    """A run with a tool: nine events."""
    run_id = run.row.run_id
    await run.begin()
    await run.say(reply(run_id, "Let me see."), called(run_id), returned(run_id))
    await run.say(reply(run_id, text, turn=2), done(7))


async def get(http: httpx.AsyncClient, run_id: str, **how: str) -> list[Frame]:
    last = {"Last-Event-ID": how.pop("last")} if "last" in how else {}
    async with http.stream("GET", f"/v1/runs/{run_id}/events", params=how, headers=last) as answer:
        answer.raise_for_status()
        return await read(answer)


def whole_events(told: list[Frame]) -> list[int]:
    return [one.data["seq"] for one in told if one.id]


async def test_reconnecting_after_every_event_to_another_gateway_misses_and_repeats_nothing(
    world: World,
):
    run = await world.run("r")
    writing = asyncio.create_task(_slowly(run))
    seen: list[Frame] = []
    last: dict[str, str] = {}
    async with world.gateway() as (one, _), world.gateway() as (two, _):
        for turn in range(100):
            http = (one, two)[turn % 2]
            if last == {} and "r" not in [key[1] for key in world.log.ids]:
                await asyncio.sleep(0.01)
                continue
            async with http.stream("GET", "/v1/runs/r/events", headers=last) as answer:
                if answer.status_code == 204:
                    break
                async for frame in frames(answer):
                    if frame.id:
                        seen.append(frame)
                        last = {"Last-Event-ID": frame.id}
                        break
    await writing
    assert [one.data["seq"] for one in seen] == list(range(1, 9))
    assert seen[-1].event == "run.completed.v1"


async def _slowly(run: Run) -> None:
    run_id = run.row.run_id
    await run.begin()
    for event in (
        reply(run_id, "Let me see."), called(run_id), returned(run_id),
        reply(run_id, "fine", turn=2), done(7),
    ):  # fmt: skip
        await asyncio.sleep(0.02)
        await run.say(event)


async def test_deltas_come_as_they_are_written_then_the_remainder_then_the_whole(world: World):
    run = await world.run("r")
    await run.begin()
    told: list[Frame] = []
    async with world.gateway() as (http, _), http.stream("GET", "/v1/runs/r/events") as answer:
        async for frame in frames(answer):
            told.append(frame)
            if len(told) == 3:
                await run.delta("Hel")
                await run.delta("Hel")  # twice
                await run.delta("x", offset=9)  # behind a gap
            if frame.event == "delta" and frame.data["text"] == "Hel":
                await run.finish("Hello")
    assert [one.event for one in told[3:]] == [
        "delta", "delta", "model.replied.v1", "run.completed.v1",
    ]  # fmt: skip
    assert [one.data["text"] for one in told[3:5]] == ["Hel", "lo"]
    assert not any(one.id for one in told if one.event == "delta")


async def test_another_attempt_restarts_the_message_and_lower_epochs_are_not_told(world: World):
    run = await world.run("r")
    await run.begin()
    told: list[Frame] = []
    async with world.gateway() as (http, _), http.stream("GET", "/v1/runs/r/events") as answer:
        async for frame in frames(answer):
            told.append(frame)
            if len(told) == 3:
                await run.delta("wrong")
                await run.delta("ri", epoch=2)
                await run.delta(" more", offset=5, epoch=1)
            if frame.event == "delta" and frame.data["text"] == "ri":
                await run.say(reply("r", "right", epoch=2), done(4))
    assert [(one.event, one.data.get("text")) for one in told[3:7]] == [
        ("delta", "wrong"), ("restart", None), ("delta", "ri"), ("delta", "ght"),
    ]  # fmt: skip


async def test_who_comes_back_gets_the_open_message_again_from_its_start(world: World):
    run = await world.run("r")
    await run.begin()
    last = ""
    async with world.gateway() as (http, _):
        async with http.stream("GET", "/v1/runs/r/events") as answer:
            async for frame in frames(answer):
                last = frame.id or last
                if frame.data["seq"] == 3:
                    break
        await run.delta("Hel")
        await run.delta("lo", offset=3)
        await asyncio.sleep(0.05)
        told: list[Frame] = []
        back = {"Last-Event-ID": last}
        async with http.stream("GET", "/v1/runs/r/events", headers=back) as answer:
            async for frame in frames(answer):
                told.append(frame)
                if frame.data.get("text") == "lo":
                    await run.finish("Hello")
    assert [one.event for one in told] == [
        "restart", "delta", "delta", "model.replied.v1", "run.completed.v1",
    ]  # fmt: skip
    assert (told[1].data["offset"], told[1].data["text"]) == (0, "Hel")


async def test_who_comes_back_to_a_long_run_does_not_read_all_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    run = await world.run("r")
    await run.begin()
    for turn in range(1, 200):
        await run.say(called("r"), reply("r", "x", turn=turn), publish=False)
    last, reads = run.head.seq, list[int]()
    reading = world.log.read

    async def read(run_no: int, *, after: int = 0):
        reads.append(after)
        return await reading(run_no, after=after)

    monkeypatch.setattr(world.log, "read", read)
    async with world.gateway() as (http, _):
        following = asyncio.create_task(get(http, "r", after=str(last)))
        await until(lambda: reads)
        first = min(reads)
        await run.delta("old", turn=199)  # of an answer that the client has
        await asyncio.sleep(0.05)
        await run.say(reply("r", "fine", turn=200), done(last + 1))
        told = await following
    assert first == last - OVERLAP
    assert [one.event for one in told] == ["model.replied.v1", "run.completed.v1"]
    assert whole_events(told) == [last + 1, last + 2]


async def test_who_comes_back_late_to_an_ended_run_is_told_what_came_after_its_end(world: World):
    run = await world.run("r")
    await run.begin()
    await run.finish()
    end = run.head.seq
    last = end + OVERLAP + 1
    for _ in range(last - end):
        await run.say(called("r"), standing="ended", publish=False)
    async with world.gateway() as (http, _), asyncio.timeout(5):
        assert whole_events(await get(http, "r", after=str(last - 1))) == [last]


async def test_a_run_that_waits_in_the_inbox_can_be_followed(world: World):
    async with world.gateway() as (http, _):
        task = {"target": "agent:a", "input": "x", "run_id": "r", "session_id": "s"}
        await http.post("/v1/tasks", json=task)
        following = asyncio.create_task(get(http, "r"))
        await asyncio.sleep(0.05)
        run = await world.run("r")
        await run.begin()
        await run.finish()
        assert whole_events(await following) == [1, 2, 3, 4, 5]


async def test_without_kafka_the_log_is_asked(world: World):
    run = await world.run("r")
    async with world.gateway(DeafBus()) as (http, _):
        await run.say(accepted(), publish=False)
        following = asyncio.create_task(get(http, "r"))
        await asyncio.sleep(0.05)
        await run.say(reply("r", "x"), done(2), publish=False)
        assert whole_events(await following) == [1, 2, 3]


async def test_a_gap_in_the_feed_is_read_from_the_log(world: World):
    run = await world.run("r")
    await run.begin()
    async with world.gateway() as (http, service):
        following = asyncio.create_task(get(http, "r"))
        await until(lambda: service.parts[0].followers == 1)  # type: ignore[attr-defined]
        await asyncio.sleep(0.1)
        await run.say(reply("r", "x"), publish=False)
        await run.say(done(4))
        await run.publish(run.stored[0])  # again, late
        assert whole_events(await following) == [1, 2, 3, 4, 5]


async def test_content_cannot_break_the_framing(world: World):
    run = await world.run("r")
    await run.begin()
    async with world.gateway() as (http, _), http.stream("GET", "/v1/runs/r/events") as answer:
        lines: list[str] = []
        async for line in answer.aiter_lines():  # ends lines at more than SSE does
            lines.append(line)
            if '"seq":3' in line:
                await run.delta(NASTY)
            if line.startswith("event: delta"):
                await run.finish(NASTY + "!")
    known = ("", "event: ", "id: ", "data: ", "retry: ", ":")
    assert all(line == "" or line.startswith(known[1:]) for line in lines), lines
    async with world.gateway() as (http, _):
        told = await get(http, "r")
    assert told[-2].data["payload"]["text"] == NASTY + "!"


async def test_every_frame_has_data(world: World):
    """Some clients take one without for an event, and what it holds for JSON."""
    run = await world.run("r")
    await run.begin()
    async with world.gateway() as (http, _), http.stream("GET", "/v1/runs/r/events") as answer:
        raw = b""
        async for chunk in answer.aiter_bytes():
            if not raw:  # at once, so that a browser knows when to come back
                assert chunk.startswith(b"retry: ")
                await run.delta("x")
                await run.finish("x!")
            raw += chunk
    *blocks, rest = raw.split(b"\n\n")
    assert rest == b""
    assert len(blocks) > 4
    assert all(b"data: " in block for block in blocks), blocks


async def test_a_client_that_reads_nothing_is_dropped_and_harms_nobody(world: World):
    run = await world.run("r")
    await run.begin("x" * 200_000)
    async with world.gateway() as (http, service):
        hub, server = service.parts[0], service.parts[-1]
        assert isinstance(server, HttpServer)
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1_024)
        writer.write(b"GET /v1/runs/r/events HTTP/1.1\r\nHost: x\r\n\r\n")
        await until(lambda: hub.followers == 1)  # type: ignore[attr-defined]
        assert isinstance(hub, Hub)
        feed = hub._runs["r"][0].feed
        other = asyncio.create_task(get(http, "r", deltas="false"))
        for at in range(200):
            await run.delta("y" * 100_000, offset=at * 100_000)
            await asyncio.sleep(0.001)
        await until(lambda: feed.overflowed)
        await run.finish("short")
        assert whole_events(await other) == [1, 2, 3, 4, 5]
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        await until(lambda: hub.followers == 0)  # type: ignore[attr-defined]
        del reader


async def test_a_client_that_goes_away_leaves_nothing_behind(world: World):
    await (await world.run("r")).begin()
    async with world.gateway() as (http, service):
        async with http.stream("GET", "/v1/runs/r/events") as answer:
            async for frame in frames(answer):
                if frame.data["seq"] == 3:
                    break
        await until(lambda: service.parts[0].followers == 0, 1.5)  # type: ignore[attr-defined]


async def test_open_streams_do_not_hold_up_the_end(world: World):
    await (await world.run("r")).begin()
    async with (
        world.gateway() as (http, service),
        http.stream("GET", "/v1/runs/r/events") as answer,
    ):
        told = frames(answer)
        await anext(told)
        began = time.monotonic()
        await service.stop()
        assert time.monotonic() - began < 1.0
        with contextlib.suppress(httpx.HTTPError):
            async for _ in told:
                pass


@pytest.mark.parametrize(
    ("id", "status"), [("forged", 400), ("AAAA" * 8, 400), ("x" * 99, 400), ("1000", 404)]
)
async def test_ids_that_we_did_not_make_are_refused(world: World, id: str, status: int):
    await whole(await world.run("r"))
    async with world.gateway() as (http, _):
        answer = await http.get("/v1/runs/r/events", headers={"Last-Event-ID": id})
    assert answer.status_code == status


async def test_an_id_that_somebody_changed_is_none_of_ours(world: World):
    """Base64 passes over what is none of it, and a run is known by its digest."""
    await whole(await world.run("r"))
    await whole(await world.run("q"))
    async with world.gateway() as (http, _):
        mine, foreign = (await get(http, "r"))[3].id, (await get(http, "q"))[3].id
        other = "A" if foreign[-2] != "A" else "B"
        changed = [f"{mine[:5]}!{mine[5:]}", f"{mine}=", f"{mine}AAAA", mine[:-4],
                   f"{foreign[:-2]}{other}{foreign[-1]}"]  # fmt: skip
        for one in changed:
            answer = await http.get("/v1/runs/r/events", headers={"Last-Event-ID": one})
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (400, "bad_input"), one
            assert error["field"] == "Last-Event-ID"


async def test_ids_and_runs_of_others_are_not_there(world: World):
    await whole(await world.run("r"))
    await whole(await world.run("q"))
    await whole(await world.run("t", tenant="other"))
    async with world.gateway() as (http, _):
        (*_, last) = await get(http, "q")
        foreign = await http.get("/v1/runs/r/events", headers={"Last-Event-ID": last.id})
        assert foreign.status_code == 404
        for path in ("t", "t/log", "t/events"):
            assert (await http.get(f"/v1/runs/{path}")).status_code == 404
        assert (await http.get("/v1/runs/t", params={"tenant_id": "other"})).status_code == 200


async def test_after_the_end_all_is_told_from_the_log_and_then_nothing_more(world: World):
    await whole(await world.run("r"))
    async with world.gateway() as (http, _):
        told = await get(http, "r")
        assert whole_events(told) == list(range(1, 9))
        assert whole_events(await get(http, "r", after=told[2].id)) == list(range(4, 9))
        assert whole_events(await get(http, "r", after="6")) == [7, 8]
        answer = await http.get("/v1/runs/r/events", headers={"Last-Event-ID": told[-1].id})
        assert answer.status_code == 204
