"""Outcomes that were told and are settled a moment later, many together (decision 0021)."""

import asyncio

import pytest

from actalog_contracts.calls import CallAnswered
from actalog_core.errors import Transient
from tests.unit.actalog_calls.world import KEY, World


async def test_what_is_small_and_surely_ours_is_told_at_once_and_settled_with_others_soon():
    world = World()
    process = await world.process()
    running = await process.begin(beside=True)
    process.go.set()
    await asyncio.sleep(0.01)
    assert (len(world.replies()), world.outcome(), running.done()) == (1, None, False)
    assert process.claims.holds(KEY)  # and so it is renewed
    again = await process.hear(beside=True)
    assert (again.settled, len(world.ran)) == (True, 1)
    await running
    first, second = world.replies()
    assert first == second == CallAnswered.model_validate_json(world.outcome() or b"")
    assert process.claims.mine == {}


async def test_what_the_log_has_before_it_is_settled_is_no_claim_that_was_lost():
    world = World()
    process = await world.process()
    running = await process.begin(beside=True)
    process.go.set()
    await asyncio.sleep(0.01)
    world.log.calls.clear([KEY])
    await process.claims.beat()
    assert not process.claims.mine[KEY].lost
    await running
    assert (world.outcome(), len(world.replies()), process.claims.mine) == (None, 1, {})


async def test_what_is_not_yet_settled_when_its_process_ends_is_settled_then():
    world = World()
    process = await world.process()
    running = await process.begin(beside=True)
    process.go.set()
    await asyncio.sleep(0.01)
    await process.claims.stop()
    assert world.outcome() is not None
    await running


async def test_a_database_that_is_away_does_not_keep_a_process_from_ending():
    world = World()
    process = await world.process()
    running = await process.begin(beside=True)
    process.calls.down = True
    process.go.set()
    await asyncio.sleep(0.01)
    await process.claims.soon.stop(within_s=0.1)
    assert world.outcome() is None
    assert len(world.replies()) == 1  # which stands in the topic
    await running


async def test_who_gives_up_waiting_does_not_give_up_what_is_settled_together(
    monkeypatch: pytest.MonkeyPatch,
):
    world = World()
    process = await world.process()
    running = await process.begin(beside=True)

    async def refused(*_: object, **__: object) -> None:
        raise Transient("no broker")

    monkeypatch.setattr(process.postman, "reply", refused)
    process.calls.down = True
    process.go.set()
    await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.wait([running])
    process.calls.down = False
    await process.put_off()
    assert world.outcome() is not None
    assert process.claims.mine == {}
