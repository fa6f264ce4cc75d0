"""Cancel, deadline, approve and their like at the same time, over several conductors: one outcome,
and whoever lost is told which event won (protocol 2.3, 3.3, 6.5)."""

import asyncio
import inspect
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from itertools import combinations, permutations
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actalog_bus.memory import MemoryBus
from actalog_bus.ports import Record
from actalog_conductor.app import build_app
from actalog_conductor.handlers import ConductorHandlers
from actalog_conductor.outside import Outside
from actalog_conductor.refused import MessageWasRefused
from actalog_conductor.supervisor import Supervisor
from actalog_contracts.calls import Command, Outcome, RunTool, TimePassed, answer
from actalog_contracts.runs import ToolInDoubt, ToolReturned
from actalog_core.errors import Transient
from actalog_log.memory import MemoryLog
from actalog_log.ports import RunLog, StoredEvent
from tests.integration.conductor.world import Log, World

ENDS = ("run.completed.v1", "run.failed.v1", "run.blocked.v1", "run.cancelled.v1")
LATER = "2099-01-01T00:00:00.000000Z"
SAYS: dict[str, dict[str, Any]] = {
    "approve ann": {"decision": "approve", "by": "ann"},
    "approve bob": {"decision": "approve", "by": "bob"},
    "reject cid": {"decision": "reject", "by": "cid"},
    "done ann": {"decision": "done", "by": "ann"},
    "not_done bob": {"decision": "not_done", "by": "bob"},
    "reject eve": {"decision": "reject", "by": "eve"},
}
ON_A_CONFIRMATION = ("approve ann", "approve bob", "reject cid", "cancel", "time")
ON_A_DOUBT = ("done ann", "not_done bob", "reject eve", "late outcome", "cancel", "time")


class Jittery:
    """The log; each question is answered a few turns of the loop later."""

    def __init__(self, log: Log, dice: random.Random) -> None:
        self._log, self._dice = log, dice

    def __getattr__(self, name: str) -> Any:
        found: Any = getattr(self._log, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def late(*args: Any, **kwargs: Any) -> Any:
            for _ in range(self._dice.randint(0, 4)):
                await asyncio.sleep(0)
            told = await found(*args, **kwargs)
            for _ in range(self._dice.randint(0, 4)):
                await asyncio.sleep(0)
            return told

        return late


class Race:
    """Several conductors over one log and one bus; each message is heard by another one."""

    def __init__(self, world: World, dice: random.Random) -> None:
        self.world, self.dice = world, dice
        self.refused: set[str] = set()
        self.sent = 0

    def conductor(self) -> tuple[Outside, ConductorHandlers]:
        log = cast(RunLog, Jittery(self.world.log, self.dice))
        made = build_app(
            bus=MemoryBus(broker=self.world.broker), log=log, settings=self.world.settings,
            clock=self.world.clock,
        )  # fmt: skip
        supervisor: Any = cast(Supervisor, made.parts[0])
        return supervisor.hear_row.__self__, supervisor.hear_answer.__self__

    async def hears(self, name: str, run_id: str, requirement: str, number: int) -> None:
        outside, handlers = self.conductor()
        about: dict[str, Any] = {
            "run_no": number,
            "run_id": run_id,
            "session_id": run_id,
            "tenant_id": "default",
        }
        if name == "time":
            await self._until(lambda r: handlers.hear_reply(r), TimePassed(**about, now=LATER))
        elif name == "late outcome":
            command = next(
                one for one in self.world.asked
                if isinstance(one, RunTool) and one.run_no == number
            )  # fmt: skip
            said = ToolReturned(call_id=command.call_id, epoch=1, content="it had acted")
            told = answer(command, said).model_copy(update={"late": True})
            await self._until(lambda r: handlers.hear_reply(r), told)
        elif name == "cancel":
            await self._says(
                outside, name, {"type": "run.cancel.v1", "run_id": run_id, "by": "dan"}
            )
        else:
            said = {"type": "requirement.resolve.v1", "run_id": run_id, **SAYS[name]}
            await self._says(outside, name, {**said, "requirement_id": requirement})

    async def _says(self, outside: Outside, name: str, body: dict[str, Any]) -> None:
        try:
            await self._until(outside.hear, json.dumps(body).encode(), id=name)
        except MessageWasRefused:
            self.refused.add(name)

    async def _until(
        self, hear: Callable[[Record], Awaitable[None]], body: Any, id: str = "a reply"
    ) -> None:
        """As the dispatcher does: what is transient is heard again."""
        value = body if isinstance(body, bytes) else body.model_dump_json().encode()
        self.sent += 1
        now = int(self.world.clock().timestamp() * 1_000)
        headers = (("ce_id", id.encode()), ("ce_source", b"/test"))
        record = Record("actalog.tasks", 0, self.sent, now, b"k", value, headers)
        for _ in range(20):
            try:
                return await hear(record)
            except Transient:
                await asyncio.sleep(0.001)
        raise AssertionError("it was never heard")


async def confirming(world: World, run_id: str) -> str:
    vars(world).pop("outcome", None)
    world.script = {1: ["refund"]}
    await world.task(run_id)
    return f"{run_id}:t1.0:confirm"


async def doubting(world: World, run_id: str) -> str:
    plain = World.outcome

    async def outcome(command: Command) -> Outcome:
        if not isinstance(command, RunTool):
            return await plain(world, command)
        if command.after_epoch is None:
            return ToolInDoubt(call_id=command.call_id, epoch=1, message="its worker died")
        return ToolReturned(call_id=command.call_id, epoch=command.after_epoch + 1, content="done")

    world.outcome = outcome  # type: ignore[method-assign]
    world.script = {1: ["lookup"]}
    await world.task(run_id)
    return f"{run_id}:t1.0:doubt1"


async def raced(
    world: World, names: Sequence[str], dice: random.Random, run_id: str = "r", *,
    together: bool = True,
) -> None:  # fmt: skip
    """Let them race, and judge what came of it."""
    pauses = confirming if set(names) <= set(ON_A_CONFIRMATION) else doubting
    requirement = await pauses(world, run_id)
    await world.bus.drained()
    found = await world.log.find_run("default", run_id)
    assert found is not None
    assert found.standing == "paused"
    race, number = Race(world, dice), found.row.run_no
    if together:
        await asyncio.gather(*(race.hears(one, run_id, requirement, number) for one in names))
    else:
        for one in names:
            await race.hears(one, run_id, requirement, number)
    await world.bus.drained()
    await judge(world, race, names, run_id, number)


async def judge(world: World, race: Race, names: Sequence[str], run_id: str, number: int) -> None:
    events = await world.log.read(number)
    ends = [one for one in events if one.type in ENDS]
    assert len(ends) == 1, [one.type for one in events]
    assert {one.type for one in events[ends[0].seq :]} <= {"call.settled.v1"}
    resolved = [one for one in events if one.type == "requirement.resolved.v1"]
    assert len(resolved) <= 1
    told = {
        one["message_id"]: one for one in await world.results()
        if one["type"] == "message.refused.v1" and one["run_id"] == run_id
    }  # fmt: skip
    assert set(told) == race.refused
    for name in names:
        if name in SAYS:
            won = any(one.causation_id == name for one in resolved)
            assert won != (name in told), f"{name}: {[one.type for one in events]}"
        elif name == "cancel":
            assert (ends[0].type == "run.cancelled.v1") != (name in told)
    for name, refusal in told.items():
        assert refusal["error"]["code"] in ("already_resolved", "expired")
        assert refusal["winner"] in {f"{run_id}:{one.seq}" for one in _winners(events)}, name
    # The one in doubt, and another when a person has said that it has not acted; repeats of a
    # command are the same call, which its claim recognises.
    ran = [one for one in world.asked if isinstance(one, RunTool) and one.run_no == number]
    assert {one.call_id for one in ran} <= {f"{run_id}:t1.0"}
    assert len({one.after_epoch for one in ran}) <= 2


def _winners(events: Sequence[StoredEvent]) -> list[StoredEvent]:
    settles = (*ENDS, "requirement.resolved.v1", "tool.returned.v1", "tool.failed.v1")
    return [one for one in events if one.type in settles]


SMALL = [
    *(order for few in combinations(ON_A_CONFIRMATION, 3) for order in permutations(few)),
    *(order for few in combinations(ON_A_DOUBT, 2) for order in permutations(few)),
]


@pytest.mark.parametrize("together", [True, False], ids=["together", "in-order"])
def test_every_order_of_a_few_messages_has_one_outcome(together: bool):
    async def one(names: Sequence[str], n: int) -> None:
        world = World(MemoryLog())
        await world.start()
        await raced(world, names, random.Random(n), together=together)
        await world.bus.stop()

    async def every() -> None:
        for n, names in enumerate(SMALL):
            await one(names, n)

    asyncio.run(every())


@settings(max_examples=40, deadline=None)
@given(
    st.one_of(
        st.lists(st.sampled_from(ON_A_CONFIRMATION), min_size=2, max_size=5, unique=True),
        st.lists(st.sampled_from(ON_A_DOUBT), min_size=2, max_size=6, unique=True),
    ),
    st.integers(0, 2**32),
)
def test_whatever_passes_whatever_there_is_one_outcome(names: list[str], seed: int):
    async def one() -> None:
        world = World(MemoryLog())
        await world.start()
        await raced(world, names, random.Random(seed))
        await world.bus.stop()

    asyncio.run(one())


async def test_races_over_a_real_log_have_one_outcome(world: World):
    await world.start()
    orders = [
        ON_A_CONFIRMATION,
        ON_A_DOUBT,
        ("approve ann", "approve bob"),
        ("cancel", "approve ann"),
    ]
    for n in range(12):
        await raced(world, orders[n % len(orders)], random.Random(n), f"r{n}")
