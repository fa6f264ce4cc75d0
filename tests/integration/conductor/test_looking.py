"""When the supervisor looks, and when it lets things be: it must not storm (protocol 5)."""

import asyncio
import itertools
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

import pytest

from actalog_bus.ports import Record
from actalog_conductor.handlers import LATE_S, LATELY_S, ConductorHandlers
from actalog_conductor.supervisor import SILENT_MOST_S, Supervisor
from actalog_contracts.calls import CallModel, TurnFree
from actalog_core.errors import Transient
from tests.integration.conductor.world import World


def handlers(world: World) -> ConductorHandlers:
    hear: Any = world.supervisor.hear_answer
    return cast(ConductorHandlers, hear.__self__)


async def heard(world: World, *, after_s: float) -> None:
    """A reply that was given so long ago: its topic lags."""
    (command,) = world.asked
    free = TurnFree(
        tenant_id="default", run_no=command.run_no, run_id="r", session_id=command.session_id
    )
    at = int((world.clock().timestamp() - after_s) * 1_000)
    body = free.model_dump_json().encode()
    await handlers(world).hear_reply(Record("actalog.replies", 0, 0, at, None, body, ()))


async def test_nothing_is_asked_again_while_the_replies_lag(world: World):
    """What a run waits for may lie there, answered."""
    await world.waits_for("llm")
    await heard(world, after_s=LATE_S + 1)
    await world.look(ahead_s=31)
    assert world.count(CallModel) == 1
    handlers(world).monotonic = lambda: time.monotonic() + LATELY_S
    await world.look()
    assert world.count(CallModel) == 2


async def test_replies_that_come_in_time_keep_nobody_from_asking(world: World):
    await world.waits_for("llm")
    await heard(world, after_s=LATE_S - 1)
    await world.look(ahead_s=31)
    assert world.count(CallModel) == 2


async def test_16_3_after_a_broker_began_anew_all_are_woken_once(world: World):
    await world.waits_for("llm")
    wake_all, woken = world.log.wake_all, list[datetime]()

    async def counted(now: datetime, *, paused: bool) -> None:
        assert paused
        woken.append(now)
        await wake_all(now)

    world.log.wake_all = counted  # type: ignore[method-assign]
    world.supervisor.broker_began_anew()
    for _ in range(3):
        await world.look()
    assert (len(woken), world.count(CallModel)) == (1, 2)


async def looks(supervisor: Supervisor, *outcomes: Callable[[], None]) -> None:
    """Let it look by itself; each look comes to one of these, and the last one to all others."""
    told, done = itertools.chain(outcomes), asyncio.Event()

    async def look() -> None:
        outcome = next(told, None)
        if outcome is None:
            done.set()
            await asyncio.sleep(60)
        else:
            outcome()

    supervisor.look = look  # type: ignore[method-assign]
    supervisor.every_s = 0.001
    await supervisor.start()
    await asyncio.wait_for(done.wait(), 10)
    await supervisor.stop()


def fine() -> None:
    """A look that found nothing."""


def breaks() -> None:
    raise ZeroDivisionError


async def test_a_look_that_broke_is_not_the_last(world: World):
    await looks(world.supervisor, breaks, breaks, fine)


async def test_a_database_that_is_away_is_looked_for_as_often_as_before(world: World):
    """Everybody's lease counts from its return."""
    supervisor = world.supervisor

    def away() -> None:
        raise Transient("no database")

    await looks(supervisor, away, away)
    assert supervisor._silent_s == 0.0  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(("tries", "wait_s"), [(1, 1.0), (2, 2.0), (9, SILENT_MOST_S)])
async def test_a_broker_that_is_silent_is_asked_later_each_time_until_it_answers(
    world: World, tries: int, wait_s: float, monkeypatch: pytest.MonkeyPatch
):
    supervisor, slept, sleep = world.supervisor, list[float](), asyncio.sleep

    async def soon(seconds: float) -> None:
        slept.append(seconds)
        await sleep(0 if seconds < 60 else seconds)

    def silent() -> None:
        supervisor.reach.last += 1  # the database has answered
        raise Transient("no broker")

    monkeypatch.setattr("actalog_conductor.supervisor.asyncio.sleep", soon)
    await looks(supervisor, *[silent] * tries, fine)
    monkeypatch.undo()
    longest, after = slept[tries], slept[tries + 1]
    assert 0.75 * wait_s <= longest <= 1.25 * (wait_s + 0.01)
    assert after < 0.01
