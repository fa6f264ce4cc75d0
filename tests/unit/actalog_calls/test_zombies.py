"""What comes late, from workers that were taken for dead (protocol 6.5)."""

import asyncio

import pytest

from actalog_contracts.base import Usage
from actalog_contracts.runs import ModelFailed, ToolInDoubt, ToolReturned
from actalog_log.call_ports import Claim
from tests.unit.actalog_calls.world import COMMAND, LEASE_MS, World

BOTH = pytest.mark.parametrize("beside", [False, True])


async def test_a_zombie_settles_late_and_is_refused_but_settles_a_doubt():
    world = World()
    zombie, next_ = await world.process(), await world.process()
    running = await zombie.begin()
    await world.pass_time(LEASE_MS + 1_000, next_)

    async def doubts(claim: Claim) -> ToolInDoubt:
        return ToolInDoubt(call_id=COMMAND.call_id, epoch=claim.epoch, message="it had begun")

    await next_.hear(run=doubts)
    stands = world.outcome()
    zombie.go.set()
    await running
    assert world.outcome() == stands
    assert [reply.outcome.type for reply in world.replies()] == [
        "tool.in_doubt.v1", "tool.returned.v1",
    ]  # fmt: skip


@BOTH
async def test_6_5_a_zombie_is_refused_and_told_as_late_while_another_is_at_it(beside: bool):
    world = World()
    zombie, next_ = await world.process(), await world.process()
    running = await zombie.begin(beside=beside)
    await world.pass_time(LEASE_MS + 1_000, next_)
    at_it = await next_.begin(beside=beside)
    zombie.go.set()
    await running
    assert [(one.late, one.outcome.type) for one in world.replies()] == [(True, "tool.returned.v1")]
    assert world.outcome() is None
    next_.go.set()
    await at_it
    assert [one.late for one in world.replies()] == [True, None]


@BOTH
async def test_6_4_a_claim_is_as_old_as_its_asking_not_as_the_hearing_of_its_answer(beside: bool):
    world = World()
    zombie, next_ = await world.process(), await world.process()
    zombie.calls.answers = asyncio.Event()
    surely: list[bool] = []

    async def looks(claim: Claim) -> ToolReturned:
        await zombie.go.wait()
        surely.append(zombie.claims.surely_ours(claim.call_id))
        return ToolReturned(call_id=COMMAND.call_id, epoch=claim.epoch, content="a zombie's")

    running = await zombie.begin(beside=beside, run=looks)
    await world.pass_time(LEASE_MS + 1_000, next_)  # it stands still; its claim was taken
    await next_.hear(beside=beside)
    zombie.calls.answers.set()
    await asyncio.sleep(0)
    zombie.go.set()
    await running
    assert surely == [False]
    assert [reply.late for reply in world.replies()] == [None, True]


@pytest.mark.parametrize("costs", [True, False])
async def test_what_was_begun_beside_a_claim_that_is_another_s_tells_what_it_cost(costs: bool):
    world = World()
    one, other = await world.process(), await world.process()
    running = await one.begin()
    other.calls.slow = asyncio.Event()
    beside = await other.begin(beside=True, run=_costs if costs else _breaks_off)
    other.calls.slow.set()
    await beside
    told = [(reply.late, reply.outcome.type) for reply in world.replies()]
    assert told == ([(True, "model.failed.v1")] if costs else [])
    one.go.set()
    await running
    assert world.replies()[-1].late is None
    assert other.claims.mine == {}


async def _costs(claim: Claim) -> ModelFailed:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return ModelFailed(
            call_id=COMMAND.call_id, epoch=claim.epoch, purpose="answer", kind="unknown",
            message="broken off", usage=Usage(input_tokens=7),
        )  # fmt: skip
    raise AssertionError


async def _breaks_off(claim: Claim) -> ToolReturned:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        return ToolReturned(call_id=COMMAND.call_id, epoch=claim.epoch, content="half")
    raise AssertionError


async def test_what_a_zombie_says_when_it_learns_that_it_lost_its_claim_is_told_as_late():
    world = World()
    one, other = await world.process(), await world.process()
    running = await one.begin(beside=True, run=_breaks_off)
    await world.pass_time(LEASE_MS + 1_000, other)  # one sleeps
    await other.hear(beside=True)
    await one.claims.beat()
    await running
    told = [(reply.late, reply.outcome) for reply in world.replies()]
    assert [late for late, _ in told] == [None, True]
    assert isinstance(told[1][1], ToolReturned)
    assert told[1][1].content == "half"
