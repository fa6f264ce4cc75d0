"""Leases, gaps and endings (protocol 6.4, 6.7, 6.8)."""

import asyncio

import pytest

from actalog_calls.reach import Reach
from actalog_contracts.runs import ToolReturned
from actalog_core.errors import Transient
from actalog_log.call_ports import Claim
from tests.unit.actalog_calls.world import KEY, LEASE_MS, World, open_run


async def test_a_process_that_has_just_started_takes_nothing_over_until_one_lease_has_passed():
    world = World()
    await (await world.process()).begin()
    world.time.pass_(LEASE_MS + 1_000)
    started = await world.process("next", steady=False)
    await started.hear()
    assert len(world.ran) == 1
    await world.pass_time(LEASE_MS, started)
    await asyncio.sleep(0)  # it asks again by itself
    await asyncio.sleep(0)
    assert [claim.state for claim in world.ran] == ["claimed", "expired"]


async def test_after_a_gap_of_the_database_nobody_s_living_call_is_put_in_doubt():
    world = World()
    one, other = await world.process(), await world.process()
    running = await one.begin()
    one.calls.down = other.calls.down = True
    await world.pass_time(10_000, one, other)
    one.calls.down = other.calls.down = False
    await other.claims.beat()
    await other.hear()  # before `one` could renew
    await one.claims.beat()
    await world.pass_time(2 * LEASE_MS, one, other)
    assert [claim.state for claim in world.ran] == ["claimed"]
    one.go.set()
    await running
    assert len(world.replies()) == 1


async def test_a_process_that_slept_takes_nothing_over_at_once():
    world = World()
    one, other = await world.process(), await world.process()
    running = await one.begin()
    world.time.pass_(60_000)  # both were suspended
    await other.hear()
    assert len(world.ran) == 1
    running.cancel()


async def test_readiness_says_when_leases_cannot_be_renewed():
    world = World()
    process = await world.process()
    assert process.claims.ready() is None
    process.calls.down = True
    await process.claims.beat()
    assert "database" in (process.claims.ready() or "")
    process.calls.down = False
    await process.claims.beat()
    assert process.claims.ready() is None


async def test_a_statement_that_hangs_counts_as_not_reached():
    world = World()
    process = await world.process()
    process.claims.lease_ms = 10
    process.calls.slow = asyncio.Event()
    await process.claims.beat()
    assert process.claims.ready() is not None


async def test_a_renewal_tells_that_the_run_has_ended_once():
    world = World()
    await open_run(world, "active")
    process = await world.process()
    cancels: list[str] = []

    async def work(claim: Claim) -> ToolReturned:
        process.claims.on_ended(claim.call_id, lambda: cancels.append("told"))
        return await process.work(claim)

    process.go.clear()
    running = asyncio.create_task(process.hear(run=work))
    await asyncio.sleep(0.01)
    await process.claims.beat()
    assert cancels == []
    world.log.open[7].standing = "ended"
    await process.claims.beat()
    await process.claims.beat()
    assert cancels == ["told"]
    process.claims.on_ended(KEY, lambda: cancels.append("at once"))
    assert cancels == ["told", "at once"]
    process.go.set()
    await running
    assert len(world.replies()) == 1  # recorded as late, by whoever decides


async def test_every_attempt_has_an_epoch_of_its_own_and_the_outcome_the_last_one():
    world = World()
    process = await world.process()

    async def attempts(claim: Claim) -> ToolReturned:
        epoch = await process.claims.next_epoch(claim.call_id, claim.epoch)
        assert epoch == claim.epoch + 1
        assert await process.claims.next_epoch(claim.call_id, claim.epoch) is None
        return await process.work(claim)

    await process.hear(beside=True, run=attempts)
    assert world.log.calls.rows[KEY].settled
    assert world.log.calls.rows[KEY].epoch == 2


async def test_what_broke_off_and_has_not_acted_as_a_person_says_is_begun_anew():
    world = World()
    process = await world.process()
    await process.claims.claim(KEY, run_no=7)
    process.claims.broke_off(KEY)
    world.log.calls.clear([KEY])  # by the decision that heard of its dead letter
    claim = await process.claims.claim(KEY, run_no=7, after_epoch=1)
    assert (claim.state, claim.epoch) == ("claimed", 2)
    assert process.claims.holds(KEY)
    assert await process.claims.settle(KEY, epoch=2, outcome=b"done")


async def test_a_successor_of_the_same_name_does_not_renew_for_the_dead():
    world = World()
    dead = await world.process("tools-0")
    running = await dead.begin()
    successor = await world.process("tools-0")
    await world.pass_time(LEASE_MS + 1_000, successor)
    await successor.hear()
    assert [claim.state for claim in world.ran] == ["claimed", "expired"]
    running.cancel()


async def test_what_is_not_ours_cannot_stand():
    process = await World().process()
    with pytest.raises(Transient):
        await process.claims.stands("nobody's")
    assert process.claims.epoch("nobody's") == 0


async def test_the_part_renews_by_itself_and_stops():
    world = World()
    process = await world.process()
    process.claims.lease_ms = 15
    await process.claims.start()
    running = await process.begin()
    before = world.log.calls.rows[KEY].lease_until
    world.time.pass_(5)
    await asyncio.sleep(0.03)
    assert world.log.calls.rows[KEY].lease_until != before
    process.go.set()
    await running
    await process.claims.stop()


def test_reach_needs_one_lease_without_a_gap():
    now = 0.0
    reach = Reach(lease_s=3.0, clock=lambda: now)
    assert not reach.steady()
    for _ in range(4):
        reach.reached()
        now += 1
    now -= 1
    assert reach.steady()
    now = 5.5  # two beats are missing
    assert not reach.steady()
    reach.reached()
    assert not reach.steady()


def test_6_4_two_beats_that_are_missing_are_a_gap():
    now = 0.0
    reach = Reach(lease_s=3.0, clock=lambda: now)
    reach.reached()
    assert reach.missing() is None
    now = 2.0  # one is missing
    reach.reached()
    now = 4.0
    reach.reached()
    assert reach.steady()
    assert reach.unbroken_since(0.0)
    now = 6.0
    assert reach.steady()
    now = 6.001
    assert not reach.steady()
    assert not reach.unbroken_since(0.0)
    reach.reached()
    assert not reach.steady()
    assert not reach.unbroken_since(6.0)
    assert reach.unbroken_since(6.001)
    reach.failed()
    assert not reach.unbroken_since(6.001)


def test_who_slept_longer_than_a_lease_is_not_ready():
    now = 0.0
    reach = Reach(lease_s=3.0, clock=lambda: now)
    assert reach.missing() is not None
    reach.reached()
    now = 3.0
    assert reach.missing() is None
    now = 3.5
    assert reach.missing() is not None
