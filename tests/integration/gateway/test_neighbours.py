"""Ids of runs and sessions repeat between tenants; what passes for one never goes to another."""

import asyncio

from tests.integration.gateway.test_streams import get, whole_events
from tests.integration.gateway.world import World, until


async def test_a_run_of_the_same_name_in_another_tenant_is_another_run(world: World):
    mine, theirs = await world.run("r"), await world.run("r", tenant="other")
    await mine.begin()
    await theirs.begin("their secret")
    async with world.gateway() as (http, service):
        early = asyncio.create_task(get(http, "r"))
        await until(lambda: service.parts[0].followers == 1)  # type: ignore[attr-defined]
        await theirs.delta("their secret")
        late = asyncio.create_task(get(http, "r"))
        await until(lambda: service.parts[0].followers == 2)  # type: ignore[attr-defined]
        await theirs.finish("their secret")
        await asyncio.sleep(0.05)
        await mine.finish("mine")
        for told in (await early, await late):
            assert whole_events(told) == [1, 2, 3, 4, 5]
            assert "their secret" not in str(told)
        theirs_told = await get(http, "r", tenant_id="other")
        assert "their secret" in str(theirs_told)


async def test_what_is_told_of_a_place_leads_back_into_its_tenant(world: World):
    task = {"target": "agent:a", "input": "hello"}
    async with world.gateway() as (http, _):
        asked = {"tenant_id": "a&b/c ü"}
        sent = [
            await http.post("/v1/tasks", json=task, params=asked),
            await http.post("/v1/tasks", json={**task, **asked}),
            await http.post("/v1/blobs", content=b"theirs", params=asked),
            await http.post("/v1/tasks", json={**task, "run_id": "r"}),
        ]
        for one in sent:
            assert one.is_success, one.text
            assert (await http.get(one.headers["location"])).status_code == 200
        assert sent[2].json()["url"] == sent[2].headers["location"]
        assert sent[3].headers["location"] == "/v1/runs/r"
