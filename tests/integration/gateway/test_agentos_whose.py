"""AgentOS's routes name a run by its agent and its session: another's is not found there."""

import asyncio
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.integration.gateway.world import AGENT, World, until

FORM = {"message": "hello", "stream": "false", "background": "true", "session_id": "s1"}


async def waiting(http: httpx.AsyncClient, world: World) -> str:
    """A run of `a` that nobody has decided yet."""
    await world.deploy(AGENT.model_copy(update={"id": "b"}))
    return (await http.post("/agents/a/runs", data=FORM)).json()["run_id"]


async def test_a_task_in_the_inbox_is_its_own_agents(world: World):
    async with world.gateway() as (http, _):
        run_id = await waiting(http, world)
        mine, anothers = [await http.get(f"/agents/{id}/runs/{run_id}") for id in "ab"]
        assert (mine.status_code, mine.json()["session_id"]) == (200, "s1")
        assert (anothers.status_code, anothers.json()["detail"]) == (404, "Run not found")
        told = await http.post(f"/agents/b/runs/{run_id}/continue", data={"session_id": "s1"})
        assert told.status_code == 404
        told = await http.post(f"/agents/b/runs/{run_id}/cancel")
        assert (told.status_code, len(world.tasks())) == (404, 1)
        assert (await http.post(f"/agents/a/runs/{run_id}/cancel")).status_code == 200
        await until(lambda: len(world.tasks()) == 2)


async def test_a_bare_target_in_the_inbox_is_its_agents_too(world: World):
    async with world.gateway() as (http, _):
        task = {"target": "a", "input": "hello", "run_id": "r"}
        assert (await http.post("/v1/tasks", json=task)).status_code == 202
        assert (await http.get("/agents/a/runs/r")).json()["status"] == "PENDING"


@pytest.mark.parametrize("decided", [False, True])
async def test_a_run_is_polled_by_its_own_session_only(world: World, decided: bool):
    async with world.gateway() as (http, _):
        run_id = await waiting(http, world)
        if decided:
            run = await world.run(run_id, session="s1")
            await run.begin()
        told = {
            session: (await http.get(f"/agents/a/runs/{run_id}", params=said)).status_code
            for session, said in {
                "mine": {"session_id": "s1"}, "none": {}, "empty": {"session_id": ""},
                "another's": {"session_id": "s2"},
            }.items()
        }  # fmt: skip
    assert told == {"mine": 200, "none": 200, "empty": 200, "another's": 404}


@pytest.mark.parametrize(
    ("id", "safe"),
    [
        ("a/b", ""), ("агент", ""), ("a b%2F?#", ""), ("team:a/", ""), ("支持 🤖", ""), ("a/runs", ""),
        # as AgentOS's clients write them
        ("a/b", "/"), ("runs/b", "/"), ("a/runsx/…", "/"), ("sessions", "/"),
    ],
)  # fmt: skip
async def test_an_agent_of_any_name_is_reached_over_all_its_routes(
    world: World, id: str, safe: str
):
    await world.deploy(AGENT.model_copy(update={"id": id}))
    where = f"/agents/{quote(id, safe=safe)}"
    async with world.gateway() as (http, _):
        told = await http.get(where)
        assert (told.status_code, told.json()["id"]) == (200, id)
        asking = asyncio.create_task(
            http.post(f"{where}/runs", data={"message": "hi", "stream": "false"})
        )
        await until(lambda: len(world.tasks()) == 1)
        (task,) = world.tasks()
        assert task["target"] == f"agent:{id}"
        run = await world.run(task["run_id"], session=task["run_id"], target=f"agent:{id}")
        await run.begin()
        await run.finish("fine")
        answer: dict[str, Any] = (await asking).json()
        assert (answer["agent_id"], answer["content"]) == (id, "fine")
        polled = await http.get(f"{where}/runs/{task['run_id']}")
        assert polled.json() == answer
        assert (await http.post(f"{where}/runs/{task['run_id']}/cancel")).json() == {}
        form = {"session_id": task["run_id"], "tools": "[]"}
        went_on = await http.post(f"{where}/runs/{task['run_id']}/continue", data=form)
        assert went_on.status_code == 409
        for later in (f"runs/{task['run_id']}/resume", f"sessions/{task['run_id']}/fork"):
            assert (await http.post(f"{where}/{later}")).status_code == 501
        listed = await http.get("/sessions", params={"type": "agent", "component_id": id})
        assert [one["agent_id"] for one in listed.json()["data"]] == [id]
        (shown,) = (await http.get(f"/sessions/{task['run_id']}/runs")).json()
        assert shown["agent_id"] == id
