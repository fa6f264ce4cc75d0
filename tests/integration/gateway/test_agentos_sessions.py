"""AgentOS's sessions: lists in the order that is asked for, filters that are heeded, one session."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from actalog_log import chain
from actalog_log.ports import Head
from tests.integration.gateway.world import NOW, Run, World, reply


async def ran(
    world: World, run_id: str, *, session: str, minute: int, user: str = "u", agent: str = "a",
    ends: bool = True,
) -> Run:  # fmt: skip
    run = await world.run(run_id, session=session, target=f"agent:{agent}")
    run.row = replace(run.row, accepted_at=NOW + timedelta(minutes=minute), user_id=user)
    run.head = Head(0, chain.row_digest(run.row))
    await run.begin(f"asked in {run_id}")
    if ends:
        await run.finish(f"said in {run_id}")
    return run


async def three(world: World) -> None:
    """`s1` was begun first and used last; `s2` is another user's and agent's."""
    await ran(world, "r1", session="s1", minute=0)
    await ran(world, "r2", session="s2", minute=1, user="v", agent="b")
    await ran(world, "r3", session="s3", minute=2)
    await ran(world, "r4", session="s1", minute=3, agent="b", ends=False)


async def listed(http: httpx.AsyncClient, **params: Any) -> list[str]:
    answer = await http.get("/sessions", params=params)
    assert answer.status_code == 200, answer.text
    return [one["session_id"] for one in answer.json()["data"]]


async def test_sessions_come_in_the_order_that_is_asked_for(world: World):
    await three(world)
    async with world.gateway() as (http, _):
        assert await listed(http) == ["s3", "s2", "s1"]
        assert await listed(http, sort_by="created_at", sort_order="asc") == ["s1", "s2", "s3"]
        assert await listed(http, sort_by="updated_at") == ["s1", "s3", "s2"]
        assert await listed(http, sort_by="", sort_order="", type="") == ["s3", "s2", "s1"]
        assert await listed(http, user_id="u") == ["s3", "s1"]
        assert await listed(http, component_id="a") == ["s3", "s1"]
        assert await listed(http, component_id="", user_id="", type="agent") == ["s3", "s2", "s1"]
        assert await listed(http, type="team") == []
        pages = [await listed(http, limit=1, page=at) for at in (1, 2, 3, 4)]
        assert pages == [["s3"], ["s2"], ["s1"], []]
        meta = (await http.get("/sessions", params={"limit": 2, "page": 9})).json()["meta"]
        assert (meta["total_count"], meta["total_pages"], meta["page"]) == (3, 2, 9)


@pytest.mark.parametrize(
    ("params", "status", "field"),
    [
        ({"type": "crew"}, 422, "type"),
        ({"sort_order": "sideways"}, 422, "sort_order"),
        ({"page": "0"}, 422, "page"),
        ({"limit": "0"}, 422, "limit"),
        ({"limit": "1001"}, 422, "limit"),
        ({"session_name": "x"}, 501, "session_name"),
    ],
)
async def test_what_is_not_heeded_is_refused(
    world: World, params: dict[str, str], status: int, field: str
):
    async with world.gateway() as (http, _):
        answer = await http.get("/sessions", params=params)
    assert (answer.status_code, answer.json()["error"]["field"]) == (status, field)


async def test_runs_of_a_session_are_filtered(world: World):
    await three(world)
    at = int(NOW.timestamp())
    async with world.gateway() as (http, _):

        async def runs(where: str = "/sessions/s1/runs", **params: Any) -> list[str]:
            return [one["run_id"] for one in (await http.get(where, params=params)).json()]

        assert await runs() == ["r1", "r4"]
        assert await runs(created_after=at + 60) == ["r4"]
        assert await runs(created_before=at) == ["r1"]
        assert await runs(created_after=at, created_before=at + 180) == ["r1", "r4"]
        assert await runs(status=["COMPLETED", "ERROR"]) == ["r1"]
        assert await runs(status="RUNNING") == ["r4"]
        assert await runs("/sessions/s1/run-previews", status="COMPLETED") == ["r1"]
        assert await runs("/agents/a/runs", session_id="s1") == ["r1"]
        assert await runs("/agents/a/runs", session_id="s1", status="RUNNING") == []
        lost = [
            await http.get("/sessions/s1/runs", params={"user_id": "v"}),
            await http.get("/agents/a/runs", params={"session_id": "none"}),
            await http.get("/agents/none/runs", params={"session_id": "s1"}),
        ]
        wrong = [
            await http.get("/agents/a/runs"),
            await http.get("/sessions/s1/runs", params={"created_after": "soon"}),
        ]
    assert [one.status_code for one in lost] == [404] * 3
    assert [one.json()["detail"] for one in lost[1:]] == ["Session not found", "Agent not found"]
    assert [one.status_code for one in wrong] == [422] * 2


async def test_previews_are_short(world: World):
    run = await world.run("r", session="s")
    await run.begin("a" * 1_000)
    await run.finish("b" * 1_000)
    async with world.gateway() as (http, _):
        (told,) = (await http.get("/sessions/s/run-previews")).json()
    assert (len(told["run_input"]), len(told["content_preview"])) == (200, 200)
    assert "messages" not in told


async def test_one_session_and_one_run_of_it(world: World):
    await three(world)
    async with world.gateway() as (http, _):
        told = (await http.get("/sessions/s1", params={"type": "agent"})).json()
        run = (await http.get("/sessions/s1/runs/r1")).json()
        lost = [
            await http.get("/sessions/none"), await http.get("/sessions/s1?user_id=v"),
            await http.get("/sessions/s2/runs/r1"), await http.get("/sessions/s1/runs/none"),
            await http.get("/sessions/s1/runs/r1?user_id=v"),
        ]  # fmt: skip
    assert (told["session_id"], told["agent_session_id"]) == ("s1", "s1")
    assert (told["session_name"], told["agent_id"]) == ("asked in r1", "a")
    assert (told["user_id"], told["total_tokens"], told["session_state"]) == ("u", 5, {})
    assert [one["role"] for one in told["chat_history"]] == ["user", "assistant", "user"]
    assert told["created_at"] == "2026-11-24T16:00:00Z"
    assert told["updated_at"] == "2026-11-24T16:03:00Z"
    assert (run["run_id"], run["content"]) == ("r1", "said in r1")
    assert [one.status_code for one in lost] == [404] * 5
    assert lost[0].json()["detail"] == "Session with id 'none' not found"
    assert lost[3].json()["detail"] == "Run with ID none not found in session s1"


async def test_a_child_is_no_run_of_its_session(world: World):
    run = await world.run("r", session="s")
    await run.begin()
    child = await world.run("r:memory", session="s", parent=run.row, kind="memory")
    await child.say(reply("r:memory", "x"))
    async with world.gateway() as (http, _):
        assert (await http.get("/sessions/s/runs/r:memory")).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/sessions"), ("DELETE", "/sessions"), ("DELETE", "/sessions/s"),
        ("PATCH", "/sessions/s"), ("POST", "/sessions/s/rename"), ("GET", "/memories"),
        ("PATCH", "/memories/m"), ("GET", "/memory_topics"), ("GET", "/traces"),
        ("GET", "/eval-runs"), ("GET", "/approvals"), ("POST", "/agents/a/runs/r/resume"),
        ("GET", "/agents/a/runs/r/checkpoints"), ("POST", "/agents/a/sessions/s/fork"),
        ("GET", "/knowledge/config"), ("POST", "/metrics/refresh"),
    ],
)  # fmt: skip
async def test_routes_of_agentos_that_are_not_there_say_so(world: World, method: str, path: str):
    """404 would mean that there is no such session."""
    async with world.gateway() as (http, _):
        answer = await http.request(method, path)
    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "not_supported")
    assert "not supported by this version" in answer.json()["detail"]


async def test_teams_and_workflows_there_are_none(world: World):
    async with world.gateway() as (http, _):
        for where, what in (("/teams/t", "Team"), ("/workflows/w", "Workflow")):
            assert (await http.get(where)).json()["detail"] == f"{what} not found"
            answer = await http.post(f"{where}/runs", data={"message": "x"})
            assert (answer.status_code, answer.json()["detail"]) == (404, f"{what} not found")


async def test_the_root_says_what_is_here(world: World):
    async with world.gateway() as (http, _):
        told = (await http.get("/")).json()
        assert told["name"] == "Actalog"
        for name in ("health", "info", "docs"):
            assert (await http.get(told[name])).status_code == 200


@pytest.mark.parametrize("path", ["/sessions/s/runs", "/sessions/s", "/v1/sessions/s", "/v1/runs"])
async def test_runs_are_read_together_and_up_to_what_they_had(
    world: World, path: str, monkeypatch: pytest.MonkeyPatch
):
    """Questions of a known length go to PostgreSQL in one statement; one behind the other, a
    thousand took seconds."""
    for number in range(6):
        await ran(world, f"r{number}", session="s", minute=number)
    read, now, most = world.log.read, 0, 0

    async def counted(run_no: int, *, after: int = 0, upto: int | None = None) -> Any:
        nonlocal now, most
        assert upto is not None
        now += 1
        most = max(most, now)
        await asyncio.sleep(0.01)
        now -= 1
        return await read(run_no, after=after, upto=upto)

    monkeypatch.setattr(world.log, "read", counted)
    async with world.gateway() as (http, _):
        assert (await http.get(path)).status_code == 200
    assert most == 6
