"""What pages of other sites may begin: nothing that nobody allowed (CORS stops only their reading)."""

import httpx
import pytest
from starlette.responses import Response

from actalog_gateway.origins import Origins, is_local
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


@pytest.mark.parametrize("name", ["evil.example", "evil.example.", "127.0.0.1.evil.example"])
async def test_a_page_whose_name_was_led_here_reads_and_begins_nothing(world: World, name: str):
    """DNS rebinding: to the browser it is a page of this gateway."""
    await world.deploy()
    async with world.gateway() as (http, _):
        host = f"{name}:{http.base_url.port}"
        read = await http.get("/v1/runs", headers={"Host": host})
        said = {"Host": host, "Origin": f"http://{host}", **PLAIN}
        begun = await http.post("/v1/tasks", content=TASK, headers=said)
    for answer in (read, begun):
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (403, "not_allowed")
        assert "ACTALOG_CORS_ORIGINS" in error["message"]
    assert world.tasks() == []


@pytest.mark.parametrize("name", [
    "localhost", "LOCALHOST", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "workstation",
    "actalog.localhost", "host.docker.internal", "ui.example", "192.0.2.7", "",
])  # fmt: skip
async def test_whatever_this_machine_is_called_reaches_it(world: World, name: str):
    async with world.gateway() as (http, _):
        for host in (name, name and f"{name}:{http.base_url.port}"):
            assert (await http.get("/v1/runs", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(("host", "origins", "status"), [
    ("127.0.0.1", [], 403), ("::1", [], 403), ("localhost", [], 403), ("127.0.0.1", ["*"], 204),
    ("0.0.0.0", [], 204), ("10.0.0.3", [], 204), ("gateway", [], 204),
])  # fmt: skip
async def test_who_listens_to_others_has_names_that_only_they_know(
    host: str, origins: list[str], status: int
):
    app = Origins(Response(status_code=204), origins=origins, local=is_local(host))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app)) as http:
        answer = await http.get("http://agents.example.org/v1/runs")
    assert answer.status_code == status
