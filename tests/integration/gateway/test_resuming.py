"""`Last-Event-ID` in every state that a run can be in; lists that are paged while others write."""

import asyncio

import httpx
import pytest

from actalog_contracts.base import Error, Usage
from actalog_contracts.runs import (
    RequirementResolved,
    RunBlocked,
    RunCancelled,
    RunEvent,
    RunFailed,
)
from tests.integration.gateway.world import World, called, done, frames, paused, read, reply

EVENTS = "/v1/runs/r/events"
BLOCKED = RunBlocked(error=Error(code="input_blocked", message="no", source="guardrails"))


async def back(http: httpx.AsyncClient, last: str, path: str = EVENTS) -> httpx.Response:
    return await http.get(path, headers={"Last-Event-ID": last})


@pytest.mark.parametrize(
    "ending",
    [
        done(3), RunFailed(error=Error(code="model_failed", message="x", source="llm")), BLOCKED,
        RunCancelled(usage=Usage()),
    ],
    ids=["completed", "failed", "blocked", "cancelled"],
)  # fmt: skip
async def test_behind_whatever_end_there_is_nothing_more(world: World, ending: RunEvent):
    run = await world.run("r")
    await run.begin()
    await run.say(ending, standing="ended")
    async with world.gateway() as (http, _), http.stream("GET", EVENTS) as first:
        told = await read(first)
        assert told[-1].event == ending.type
        assert (await back(http, told[-1].id)).status_code == 204
        again = await back(http, told[-2].id)
        assert again.status_code == 200
        assert again.text.count("event: ") == 1


async def test_behind_a_pause_the_stream_stays_open_and_goes_on(world: World):
    run = await world.run("r")
    await run.begin()
    await run.say(reply("r", None), called("r", confirm=True), paused("r"), standing="paused")
    last = ""
    async with world.gateway() as (http, _):
        async with http.stream("GET", EVENTS) as first:
            async for frame in frames(first):
                if frame.event == "run.paused.v1":
                    last = frame.id
                    break
        reading = asyncio.create_task(http.get(EVENTS, headers={"Last-Event-ID": last}))
        await asyncio.sleep(0.1)
        assert not reading.done()
        answer = RequirementResolved(requirement_id="r:t1.0:confirm", decision="reject")
        await run.say(answer, RunCancelled(usage=Usage()), standing="active")
        told = [line[7:] for line in (await reading).text.splitlines() if line[:7] == "event: "]
    assert told == ["requirement.resolved.v1", "run.cancelled.v1"]


async def test_an_id_is_nothing_before_its_run_and_nowhere_else(world: World):
    async with world.gateway() as (http, _):
        task = {"target": "agent:a", "input": "hello", "run_id": "r"}
        assert (await http.post("/v1/tasks", json=task)).status_code == 202
        run = await world.run("other")
        await run.begin()
        await run.finish()
        ids = [
            line[4:]
            for line in (await http.get("/v1/runs/other/events")).text.splitlines()
            if line[:4] == "id: "
        ]
        told = {
            where: (await back(http, ids[0], path)).status_code
            for where, path in {
                "waiting": EVENTS, "unknown": "/v1/runs/none/events",
                "another tenant's": "/v1/runs/other/events?tenant_id=t2",
            }.items()
        }  # fmt: skip
        assert told == {"waiting": 404, "unknown": 404, "another tenant's": 404}
        assert (await back(http, "7")).status_code == 404  # no such event yet
        assert (await back(http, "x" * 5_000)).status_code == 400


async def test_runs_are_paged_while_others_come_and_end(world: World):
    started = [await world.run(f"r{number}", session=f"s{number}") for number in range(9)]
    for run in started:
        await run.begin()
    seen: list[str] = []
    async with world.gateway() as (http, _):
        before: int | None = None
        while True:
            params = {"limit": 2} | ({"before": before} if before else {})
            page = (await http.get("/v1/runs", params=params)).json()
            seen += [one["run_id"] for one in page["runs"]]
            before = page["next"]
            if before is None:
                break
            new = await world.run(f"new{len(seen)}", session=f"new{len(seen)}")
            await new.begin()
            await started[len(seen) % 9].finish()
    assert seen == [f"r{number}" for number in reversed(range(9))]


async def test_the_log_is_paged_while_the_run_goes_on(world: World):
    run = await world.run("r")
    await run.begin()
    seen: list[int] = []
    async with world.gateway() as (http, _):
        after = 0
        while after is not None:
            page = (await http.get("/v1/runs/r/log", params={"after": after, "limit": 2})).json()
            seen += [one["seq"] for one in page["events"]]
            after = page["next"]
            if len(seen) == 2:
                await run.finish()
    assert seen == [1, 2, 3, 4, 5]
