"""Addresses: ids of any text are found under them, and what makes none of sense is refused."""

import logging
from urllib.parse import quote

import pytest

from actalog_gateway.gateway import Gateway
from tests.integration.gateway.world import World, called, paused, reply, until

TASK = {"target": "agent:a", "input": "hello"}
LONG = "r" * 200


@pytest.mark.parametrize("id", ["a/b c?d#e%", "bestellung/ü 日本", "%2F", "a/", LONG])
async def test_a_run_is_found_under_the_address_that_its_sender_is_told(world: World, id: str):
    async with world.gateway() as (http, _):
        answer = await http.post("/v1/tasks", json={**TASK, "run_id": id})
        assert (answer.status_code, answer.json()["run_id"]) == (202, id)
        where = answer.headers["location"]
        assert where == f"/v1/runs/{quote(id, safe='')}"
        assert (await http.get(where)).json()["run_id"] == id
        assert (await http.post(f"{where}/cancel")).json()["run_id"] == id
        run = await world.run(id, session=id)
        await run.begin()
        await run.finish()
        told = await http.get(f"/v1/sessions/{quote(id, safe='')}")
        assert [one["run_id"] for one in told.json()["runs"]] == [id]


@pytest.mark.parametrize("id", ["%00", "a%0Ab", "a%7F", "r" * 300])
async def test_what_can_be_no_id_is_refused_by_its_name(world: World, id: str):
    async with world.gateway() as (http, _):
        answer = await http.get(f"/v1/runs/{id}")
    assert (answer.status_code, answer.json()["error"]["field"]) == (422, "run_id")


async def test_the_longest_id_of_a_run_leaves_room_for_what_is_named_after_it(world: World):
    """Its requirements can be answered, and cancels of two such runs are two."""
    run = await world.run(LONG)
    await run.begin()
    await run.say(reply(LONG, None), called(LONG, confirm=True), paused(LONG), standing="paused")
    async with world.gateway() as (http, _):
        (one,) = (await http.get("/v1/requirements")).json()["requirements"]
        where = f"/v1/runs/{LONG}/requirements/{quote(one['id'])}"
        answer = await http.post(where, json={"decision": "approve"})
        assert answer.status_code == 202, answer.text
        for last in "ab":
            assert (await http.post(f"/v1/runs/{LONG[:-1]}{last}/cancel")).status_code == 202
        assert (await http.post(f"/agents/a/runs/{LONG}:memory/cancel")).json() == {}
        await until(lambda: len(world.tasks()) == 4)


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/runs?older_than=999999d", "older_than"),
        ("/v1/runs?older_than=0001-01-01T00:00:00%2B14:00", "older_than"),
        ("/v1/runs?before=99999999999999999999", "before"),
        ("/v1/runs/r/log?after=99999999999999999999", "after"),
        ("/v1/runs/r/log?limit=0", "limit"),
        ("/v1/runs/r?at=99999999999999999999", "at"),
        ("/v1/runs/r/events?after=-1", "after"),
        ("/v1/runs/r/events?after=77", "after"),
        ("/v1/requirements?limit=0", "limit"),
        ("/sessions?page=99999999999999999999", "page"),
    ],
)
async def test_numbers_and_times_beyond_all_sense_are_refused_by_name(
    world: World, path: str, field: str
):
    run = await world.run("r")
    await run.begin()
    async with world.gateway() as (http, _):
        answer = await http.get(path)
    assert answer.status_code in (400, 404, 422), answer.text
    assert answer.json()["error"]["field"] == field


async def test_the_tenant_of_the_address_cannot_be_overruled_by_the_body(world: World):
    async with world.gateway() as (http, _):
        body = {**TASK, "tenant_id": "theirs"}
        for tenant in ("mine", "default"):
            answer = await http.post("/v1/tasks", json=body, params={"tenant_id": tenant})
            assert (answer.status_code, answer.json()["error"]["field"]) == (400, "tenant_id")
        same = await http.post("/v1/tasks", json=body, params={"tenant_id": "theirs"})
        alone = await http.post("/v1/tasks", json=body)
    assert (same.status_code, alone.status_code) == (202, 202)
    assert {tenant for tenant, _ in world.log.inbox} == {"theirs"}


async def test_who_logs_accesses_logs_ids_of_any_kind(
    world: World, caplog: pytest.LogCaptureFixture
):
    """Configuring uvicorn turned them off; what configures logging later may turn them on."""
    caplog.set_level(logging.INFO, "uvicorn.access")
    async with world.gateway() as (http, _):
        logging.getLogger("uvicorn.access").propagate = True
        assert (await http.get("/v1/runs/a%2Fb")).status_code == 404
    logging.getLogger("uvicorn.access").propagate = False
    assert "GET /v1/runs/a" in caplog.text


async def test_a_slash_at_the_end_means_nothing_and_sends_nobody_elsewhere(world: World):
    async with world.gateway() as (http, _):
        assert (await http.post("/v1/tasks/", json=TASK)).status_code == 202
        assert [one["id"] for one in (await http.get("/agents/")).json()] == ["a"]


async def test_head_is_answered_where_get_is_and_405_says_what_is_allowed(world: World):
    run = await world.run("r")
    await run.begin()
    async with world.gateway() as (http, service):
        for path in ("/health/live", "/v1/runs/r", "/v1/runs/r/events"):
            answer = await http.head(path)
            assert (answer.status_code, answer.content) == (200, b""), path
        assert service.parts[0].followers == 0  # type: ignore[attr-defined]
        wrong = await http.delete("/v1/runs/r")
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET, HEAD")
        assert (await http.delete("/v1/responses/x")).status_code == 501


async def test_a_fault_of_ours_has_the_headers_that_every_answer_has(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    async def broken(*_: object) -> None:
        raise RuntimeError("nobody expects this")

    async with world.gateway() as (http, _):
        monkeypatch.setattr(Gateway, "ids", broken)
        await (await world.run("r")).begin()
        answer = await http.get("/v1/runs/r/events", headers={"Origin": "http://ui.example"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert answer.headers["access-control-allow-origin"] == "http://ui.example"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "nobody" not in answer.text


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/agents/a/runs", "GET, HEAD, POST"),
        ("/v1/tasks", "POST"),
        ("/v1/runs/a%2Fb", "GET, HEAD"),
        ("/sessions", "DELETE, GET, HEAD, PATCH, POST"),
    ],
)
async def test_a_wrong_method_is_told_all_that_its_path_knows(
    world: World, path: str, allowed: str
):
    async with world.gateway() as (http, _):
        answer = await http.put(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
