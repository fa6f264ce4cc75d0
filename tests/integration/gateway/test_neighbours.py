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
