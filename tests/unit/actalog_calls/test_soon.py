"""Outcomes that were told and are settled a moment later, many together (decision 0021)."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from actalog_bus.ports import Record
from actalog_calls.since import Since
from actalog_calls.soon import Settled, Soon
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


async def test_what_comes_within_a_moment_goes_together_and_the_next_has_a_moment_of_its_own():
    settled: list[set[str]] = []

    async def settle(told: Mapping[str, Settled]) -> None:
        settled.append(set(told))

    soon = Soon(settle, delay_s=0.02)
    for before, names in enumerate(("ab", "cd")):
        tasks = {soon.put_off(name, (1, b"x")) for name in names}
        assert len(tasks) == 1
        for _ in range(3):
            await asyncio.sleep(0)
        assert len(settled) == before  # not yet
        await asyncio.wait(tasks)
    assert settled == [{"a", "b"}, {"c", "d"}]
    assert soon.tasks == set()


async def test_what_ends_settles_now_what_was_put_off_for_long():
    settled: list[str] = []

    async def settle(told: Mapping[str, Settled]) -> None:
        settled.extend(told)

    soon = Soon(settle, delay_s=0.5)
    soon.put_off("a", (1, b"x"))
    began = asyncio.get_running_loop().time()
    await soon.stop()
    assert settled == ["a"]
    assert asyncio.get_running_loop().time() - began < 0.4


def test_what_is_older_than_the_moment_when_its_partition_became_ours_was_perhaps_heard_before():
    now = datetime(2026, 11, 24, tzinfo=UTC)
    since = Since(lambda: now)
    ms = int(now.timestamp() * 1_000)

    def heard_before(at_ms: int) -> bool:
        return since.heard_before(Record("t", 0, 0, at_ms, None, b"", ()))

    assert not heard_before(0)
    since.assigned()
    assert [heard_before(ms + by) for by in (-1, 0, 1)] == [True, False, False]
