"""Calls that their workers die with (protocol 6.2)."""

import asyncio

import pytest

from actalog_bus.envelope import body
from actalog_bus.ports import Record
from actalog_calls.answering import KilledItsWorkers, answer_claimed
from actalog_contracts.runs import ToolInDoubt
from tests.unit.actalog_calls.world import COMMAND, KEY, LEASE_MS, Heard, World


async def killed(world: World, lives: int, *, alone: bool = True) -> None:
    """So many workers die while they run the call."""
    for _ in range(lives):
        process = await world.process()
        process.go.clear()
        task = asyncio.create_task(process.hear())
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        world.log.calls.rows[KEY].alone &= alone
        await world.pass_time(LEASE_MS + 1_000)


async def test_a_call_that_three_workers_died_with_is_a_dead_letter_and_runs_no_more():
    world = World()
    await killed(world, 3)
    last = await world.process()
    with pytest.raises(KilledItsWorkers) as caught:
        await last.hear()
    assert caught.value.reason == "killed"
    assert last.claims.mine == {}
    assert len(world.ran) == 3
    assert world.replies() == []


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("deaths", range(4))
async def test_of_a_condemned_call_and_of_no_other_its_service_says_what_becomes_of_it(
    beside: bool, deaths: int
):
    world = World()
    await killed(world, deaths)
    last = await world.process()
    heard = Heard(Record("actalog.tools.commands", 0, 0, 0, None, body(COMMAND), ()))
    answering = answer_claimed(
        heard, COMMAND, claims=last.claims, postman=last.postman, run=last.work, beside=beside,
        condemned=lambda claim: ToolInDoubt(call_id="c", epoch=claim.epoch, message="killed"),
    )  # fmt: skip
    if deaths < 3:
        await answering
    else:
        with pytest.raises(KilledItsWorkers):
            await answering
    await last.put_off()
    told = "tool.in_doubt.v1" if deaths == 3 else "tool.returned.v1"
    assert [one.outcome.type for one in world.replies()] == [told]
    assert len(world.ran) == min(deaths + 1, 3)


async def test_who_died_beside_others_is_not_condemned():
    """The third death counts only where the call ran alone."""
    world = World()
    await killed(world, 6, alone=False)
    await (await world.process()).hear()
    assert len(world.ran) == 7
    assert world.replies()[-1].outcome.type == "tool.returned.v1"


async def test_two_suspects_do_not_run_at_the_same_time():
    world = World()
    process = await world.process()
    running: list[str] = []

    async def run(name: str) -> None:
        running.append(name)
        await asyncio.sleep(0.01)
        assert running == [name]
        running.remove(name)

    await asyncio.gather(*(process.claims.alone(KEY, lambda n=n: run(n)) for n in "ab"))
