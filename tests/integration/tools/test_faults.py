"""Callables that hang, repeat, come late, or whose process died (protocol 6)."""

import asyncio
import contextlib
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actalog_bus.memory import MemoryBroker
from actalog_contracts.runs import ToolFailed, ToolInDoubt, ToolReturned
from actalog_core.clock import rfc3339
from actalog_log.memory import MemoryLog
from actalog_tools.reconciling import NOT_DONE, UNKNOWN, Done
from actalog_tools.threads import Threads
from tests.integration.tools.world import World, until


async def test_two_hundred_calls_of_one_turn_run_at_once_and_each_answers_once(world: World):
    begun: list[str] = []
    everybody = asyncio.Event()

    async def awaits(name: str) -> str:
        begun.append(name)
        if len(begun) == 200:
            everybody.set()
        await everybody.wait()
        return name

    await world.start(awaits=awaits)
    for at in range(200):
        await world.ask("awaits", f'{{"name": "{at}"}}', call_id=f"r1:t1.{at}")
    await world.bus.drained()
    told = {one.call_id: one for one in world.outcomes()}
    assert len(world.outcomes()) == len(told) == 200
    for at in range(200):
        one = told[f"r1:t1.{at}"]
        assert isinstance(one, ToolReturned)
        assert one.content == str(at)


async def test_plain_callables_share_a_bounded_number_of_threads(world: World):
    now, most = 0, 0
    lock = threading.Lock()

    def plain() -> str:
        nonlocal now, most
        with lock:
            now, most = now + 1, max(most, now + 1)
        time.sleep(0.002)
        with lock:
            now -= 1
        return ""

    world.threads = Threads(most=8)
    await world.start(plain=plain)
    for at in range(100):
        await world.ask("plain", call_id=str(at), effect="read_only")
    await world.bus.drained()
    assert len(world.outcomes()) == 100
    assert 1 < most <= 8


@pytest.mark.parametrize("effect", ["once", "read_only"])
async def test_a_command_delivered_twice_runs_once_and_answers_the_same(world: World, effect: str):
    ran: list[int] = []

    def charge() -> str:
        ran.append(1)
        return f"charge {len(ran)}"

    await world.start(charge=charge)
    assert await world.content("charge", effect=effect) == "charge 1"
    assert await world.content("charge", effect=effect) == "charge 1"
    world.bus.redeliver("actalog.tools")
    await world.bus.drained()
    assert ran == [1]
    assert {one.content for one in world.outcomes() if isinstance(one, ToolReturned)} == {
        "charge 1"
    }


async def test_a_deadline_ends_an_async_callable(world: World):
    ended: list[str] = []

    async def hangs() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("tidied up")

    await world.start(hangs=hangs)
    failed = await world.failed("hangs", timeout_ms=20)
    assert (failed.kind, ended) == ("timeout", ["tidied up"])
    assert "20 ms" in failed.message


async def test_an_async_callable_that_does_not_hear_it_is_cancelled_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("actalog_tools.running.GRACE_S", 0.01)
    go = asyncio.Event()

    async def deaf() -> None:
        while not go.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await go.wait()

    await world.start(deaf=deaf)
    assert (await world.failed("deaf", timeout_ms=10)).kind == "timeout"
    go.set()


async def test_the_run_s_deadline_ends_a_callable_too(world: World):
    async def hangs() -> None:
        await asyncio.sleep(60)

    await world.start(hangs=hangs)
    soon = rfc3339(datetime.now(UTC) + timedelta(milliseconds=20))
    assert (await world.failed("hangs", deadline=soon)).kind == "timeout"
    past = rfc3339(datetime.now(UTC) - timedelta(seconds=1))
    late = await world.failed("hangs", deadline=past, call_id="2")
    assert late.kind == "timeout"
    assert "was not begun" in late.message


async def test_a_thread_that_overruns_is_told_as_timed_out_and_its_slot_goes_to_others(
    world: World,
):
    go = threading.Event()

    def hangs() -> str:
        go.wait(10)
        return "late"

    def fine() -> str:
        return "fine"

    world.threads = Threads(most=1, most_overrunning=1)
    await world.start(hangs=hangs, fine=fine)
    assert (await world.failed("hangs", timeout_ms=10)).kind == "timeout"
    assert await world.content("fine", call_id="2") == "fine"
    assert await world.service.missing() == []
    assert (await world.failed("hangs", timeout_ms=10, call_id="3")).kind == "timeout"
    assert "2 tools hang" in str(await world.service.missing())
    await world.ask("fine", call_id="4")  # no slot is left
    go.set()
    await world.bus.drained()
    assert len(world.outcomes()) == 4  # what came late is not told
    await until(lambda: world.threads.overrunning == 0)
    assert await world.content("fine", call_id="5") == "fine"


@pytest.mark.parametrize(
    ("effect", "state"),
    [("once", "in doubt"), ("reconciled", "in doubt"), ("idempotent", "again"),
     ("read_only", "again")],
)  # fmt: skip
async def test_after_its_process_died_the_declaration_decides(effect: str, state: str):
    keys: list[str] = []

    async def charge(idempotency_key: str) -> str:
        keys.append(idempotency_key)
        if len(keys) == 1:
            await asyncio.sleep(60)
        return "charged"

    outcome = await after_a_death(charge, effect, lambda: len(keys) == 1)
    if state == "again":
        assert isinstance(outcome, ToolReturned)
        assert (len(keys), len(set(keys)), outcome.epoch) == (2, 1, 2)
    else:
        assert isinstance(outcome, ToolInDoubt)
        assert (len(keys), outcome.epoch) == (1, 2)


@pytest.mark.parametrize(
    ("found", "said"), [(Done("charged before"), "charged before"), (NOT_DONE, "charged again")]
)
@pytest.mark.parametrize("later", [False, True])
async def test_a_reconciler_is_asked_before_anything_is_in_doubt(
    found: Any, said: str, later: bool
):
    begun: list[int] = []

    async def charge(amount: int = 1) -> str:
        begun.append(amount)
        if len(begun) == 1:
            await asyncio.sleep(60)
        return "charged again"

    def reconciler(idempotency_key: str) -> Any:
        assert idempotency_key
        return found

    async def asks(idempotency_key: str) -> Any:
        return reconciler(idempotency_key)

    charge.reconciler = asks if later else reconciler  # type: ignore[attr-defined]
    outcome = await after_a_death(charge, "reconciled", lambda: begun)
    assert isinstance(outcome, ToolReturned)
    assert outcome.content == said


async def test_a_reconciler_that_cannot_tell_leaves_the_doubt():
    begun: list[int] = []

    async def charge() -> str:
        begun.append(1)
        await asyncio.sleep(60)
        return ""

    def reconciler() -> None:
        raise ConnectionError("no bank")

    charge.reconciler = reconciler  # type: ignore[attr-defined]
    outcome = await after_a_death(charge, "reconciled", lambda: begun)
    assert isinstance(outcome, ToolInDoubt)
    assert "ConnectionError: no bank" in outcome.message


@pytest.mark.parametrize(
    ("said", "told"),
    [(UNKNOWN, "does not know"), (None, "NOT_DONE or UNKNOWN, not NoneType"),
     ("charged", "NOT_DONE or UNKNOWN, not str"), (Done(b"x"), "bytes")],
)  # fmt: skip
async def test_what_is_no_clear_answer_of_a_reconciler_leaves_the_doubt(said: Any, told: str):
    begun: list[int] = []

    async def charge() -> str:
        begun.append(1)
        await asyncio.sleep(60)
        return ""

    charge.reconciler = lambda: said  # type: ignore[attr-defined]
    outcome = await after_a_death(charge, "reconciled", lambda: begun)
    assert isinstance(outcome, ToolInDoubt)
    assert told in outcome.message
    assert begun == [1]


async def after_a_death(charge: Any, effect: str, begun: Any) -> Any:
    """The outcome that a second process gives of a call whose first process was killed."""
    now = datetime(2026, 11, 24, tzinfo=UTC)
    log, broker = MemoryLog(clock=lambda: now), MemoryBroker()
    dead = await World(log=log, broker=broker, lease_ms=120).start(charge=charge)
    await dead.accept()
    await dead.ask("charge", effect=effect)
    await until(begun)
    await dead.bus.crash()
    await dead.service.stop()
    now += timedelta(seconds=1)
    second = await World(log=log, broker=broker, lease_ms=120).start(charge=charge)
    await asyncio.sleep(0.4)  # more than one lease in which others might have renewed
    await second.ask("charge", effect=effect)
    # Not at once where this machine paused meanwhile: then another lease is waited for.
    await until(second.outcomes)
    await second.stop()
    (outcome,) = second.outcomes()
    return outcome


@pytest.mark.parametrize(
    ("effect", "known", "told"),
    [
        ("read_only", None, "cancelled in the middle"),
        ("idempotent", None, "it may have acted"),
        ("once", None, "in doubt"),
        ("reconciled", NOT_DONE, "it has not acted"),
        ("reconciled", UNKNOWN, "in doubt"),
        ("reconciled", Done("charged"), "charged"),
    ],
)
async def test_when_the_run_is_cancelled_an_async_callable_is_and_what_it_may_have_done_is_told(
    effect: str, known: Any, told: str
):
    world = World(lease_ms=100)
    begun = asyncio.Event()

    async def hangs() -> None:
        begun.set()
        await asyncio.sleep(60)

    async def asks() -> Any:
        return known

    if known is not None:
        hangs.reconciler = asks  # type: ignore[attr-defined]
    await world.accept()
    await world.start(hangs=hangs)
    await world.ask("hangs", effect=effect)
    await begun.wait()
    world.end()
    await world.bus.drained()
    (outcome,) = world.outcomes()
    match outcome:
        case ToolFailed(kind=kind, message=message):
            assert kind == "cancelled"
            assert told in message
        case ToolInDoubt(message=message):
            assert told == "in doubt"
            assert "cancelled in the middle" in message
        case ToolReturned(content=content):
            assert content == told
    await world.stop()


async def test_when_the_run_is_cancelled_a_thread_is_left_to_finish_and_its_outcome_recorded():
    world = World(lease_ms=100)
    begun, go = threading.Event(), threading.Event()

    def charges() -> str:
        begun.set()
        go.wait(10)
        return "charged"

    await world.accept()
    await world.start(charges=charges)
    await world.ask("charges")
    await until(begun.is_set)
    world.end()
    await asyncio.sleep(0.1)
    assert world.outcomes() == []
    go.set()
    await world.bus.drained()
    (told,) = world.outcomes()
    assert isinstance(told, ToolReturned)
    assert told.content == "charged"
    await world.stop()


async def test_when_the_run_is_cancelled_a_call_that_waits_for_a_thread_never_runs():
    world = World(lease_ms=100, threads=Threads(most=1))
    begun, go = threading.Event(), threading.Event()
    ran: list[str] = []

    def charges(name: str) -> str:
        ran.append(name)
        begun.set()
        go.wait(10)
        return name

    await world.accept()
    await world.start(charges=charges)
    await world.ask("charges", '{"name": "a"}')
    await until(begun.is_set)
    await world.ask("charges", '{"name": "b"}', call_id="2")
    await asyncio.sleep(0.02)
    world.end()
    await until(lambda: len(world.outcomes()) == 1)
    go.set()
    await world.bus.drained()
    kinds = {one.call_id: one.type for one in world.outcomes()}
    assert kinds == {"2": "tool.failed.v1", "r1:t1.0": "tool.returned.v1"}
    assert ran == ["a"]
    await world.stop()


async def test_what_cannot_be_read_is_a_dead_letter_and_holds_nobody_up(world: World):
    def fine() -> str:
        return "fine"

    await world.start(fine=fine)
    await world.bus.publish("actalog.tools.commands", value=b'{"type": "tool.run.v1"}', key=b"k")
    assert await world.content("fine") == "fine"
    assert len(world.bus.records("actalog.tools.commands.dlq")) == 1


async def test_a_command_that_is_heard_after_its_run_has_ended_runs_nothing(world: World):
    ran: list[str] = []

    def charges() -> None:
        ran.append("charged")

    await world.accept()
    world.end()
    await world.start(charges=charges)
    assert (await world.failed("charges")).kind == "cancelled"
    assert ran == []
