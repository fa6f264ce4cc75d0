"""What pages of other sites may begin: nothing that nobody allowed (CORS stops only their reading)."""

import pytest

from tests.integration.gateway.world import World

TASK = b'{"target": "agent:a", "input": "hello"}'
PLAIN = {"Content-Type": "text/plain"}  # a browser sends it to anybody, without asking


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://ui.example.evil",
        "",
        "http://[",
    ],
)
async def test_a_page_of_another_site_begins_nothing(world: World, origin: str):
    await world.deploy()
    said = {"Origin": origin, **PLAIN}
    async with world.gateway() as (http, _):
        task = await http.post("/v1/tasks", content=TASK, headers=said)
        run = await http.post("/agents/a/runs", data={"message": "hello"}, headers=said)
        cancel = await http.post("/v1/runs/r/cancel", headers=said)
    for answer in (task, run, cancel):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (403, "not_allowed")
        assert "ACTALOG_CORS_ORIGINS" in error["message"]
    assert world.tasks() == []


async def test_listed_pages_and_our_own_address_may(world: World):
    await world.deploy()
    async with world.gateway() as (http, _):
        own = str(http.base_url).rstrip("/")
        for origin in ("http://ui.example", own, own.replace("http:", "https:")):
            said = {"Origin": origin, **PLAIN}
            told = await http.post("/v1/tasks", content=TASK, headers=said)
            assert told.status_code == 202, (origin, told.text)


async def test_reading_is_for_cors_to_decide(world: World):
    async with world.gateway() as (http, _):
        answer = await http.get("/agents", headers={"Origin": "https://evil.example"})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers
