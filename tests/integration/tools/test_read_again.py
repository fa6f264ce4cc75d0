"""Topics that are read once more: offsets that were lost, a group that was reset."""

import asyncio
from typing import Any

from actalog_log.call_ports import Claim, ledger_key
from tests.integration.tools.world import World


def slow_claims(world: World) -> None:
    """As those of a database are: there is time to begin."""
    claim = world.log.calls.claim

    async def later(*asked: Any, **more: Any) -> Claim:
        await asyncio.sleep(0.02)
        return await claim(*asked, **more)

    world.log.calls.claim = later


async def finished(world: World, ran: list[int]) -> None:
    """A read-only call has run, was answered, and the log has its answer."""

    def look() -> str:
        ran.append(1)
        return "seen"

    slow_claims(world)
    await world.start(look=look)
    assert await world.content("look", effect="read_only") == "seen"
    await asyncio.sleep(0.1)  # it is settled a moment after it was told
    row = world.log.calls.rows[ledger_key(1, "r1:t1.0")]
    assert row.settled
    row.outcome = None


async def test_what_somebody_may_have_run_is_claimed_before_it_is_run(world: World):
    ran: list[int] = []
    await finished(world, ran)
    await world.stop()
    again = World(log=world.log, broker=world.broker)

    def look() -> str:
        ran.append(2)
        return "seen again"

    await again.start(look=look)
    again.bus.redeliver("actalog.tools")
    await again.bus.drained()
    assert ran == [1]
    assert len(again.outcomes()) == 1
    await again.stop()
    await world.start()  # for the fixture


async def test_what_was_read_in_vain_says_nothing(world: World):
    ran: list[int] = []
    await finished(world, ran)
    world.bus.redeliver("actalog.tools")
    await world.bus.drained()
    assert len(world.outcomes()) == 1
