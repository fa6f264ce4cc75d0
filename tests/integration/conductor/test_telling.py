"""Where an answer may come before the broker has acknowledged the question, a run goes on; what it
told counts as told when the broker has it, and all before it (protocol 7)."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from unittest import mock

import pytest

from actalog_bus.memory import MemoryBus
from actalog_bus.ports import Outgoing
from actalog_conductor.agent_states import Paused
from actalog_conductor.live import Live
from actalog_conductor.telling import Teller
from actalog_contracts.calls import CallModel, RunTool
from actalog_core.errors import Transient
from tests.integration.conductor.world import Log, World

EVENTS = "actalog.events"


@dataclass
class Near:
    """Records are heard at once, and acknowledged one telling after the other when the test says
    so. Of a telling in `lost` the broker has nothing but its commands, and says so."""

    world: World
    lost: set[int] = field(default_factory=set[int])
    gates: list[asyncio.Event] = field(default_factory=list[asyncio.Event])
    open: bool = False

    async def publish_many(self, records: Sequence[Outgoing]) -> None:
        told = any(one.topic == EVENTS for one in records)
        mine, gate = len(self.gates), asyncio.Event()
        if told:
            self.gates.append(gate)
        reached = [one for one in records if one.topic != EVENTS or mine not in self.lost]
        await MemoryBus.publish_many(self.world.bus, reached)
        if told and not self.open:
            await gate.wait()
        if told and mine in self.lost:
            self.lost.discard(mine)
            raise Transient("the broker did not acknowledge")

    def acknowledge(self) -> None:
        self.open = True
        for gate in self.gates:
            gate.set()

    def told(self) -> list[tuple[str, int]]:
        records = self.world.bus.records(EVENTS)
        said = [json.loads(one.value or b"") for one in records]
        return [(one["run_id"], one["seq"]) for one in said]


@pytest.fixture
async def world(log: Log) -> AsyncIterator[World]:
    with mock.patch.object(MemoryBus, "near", return_value=True):
        made = World(log)
        yield made
    await made.bus.stop()


@pytest.fixture
def near(world: World) -> Iterator[Near]:
    made = Near(world)
    with mock.patch.object(world.bus, "publish_many", made.publish_many):
        yield made


async def ends(world: World) -> None:
    async with asyncio.timeout(5):
        while not world.statuses_now():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def published(world: World) -> tuple[int, int]:
    """What counts as told of the run, and what there is."""
    found = await world.log.find_run("default", "r")
    assert found is not None
    return found.published_seq, len(await world.log.read(found.row.run_no))


async def all_told(world: World) -> int:
    """How many events there are, once all of them count as told."""
    await world.bus.drained()
    async with asyncio.timeout(5):
        while (both := await published(world))[0] < both[1]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return both[1]


async def tells_something(world: World, near: Near) -> None:
    """A run has asked, and goes no further."""
    world.deaf = {"llm"}
    await world.start()
    await world.task()
    async with asyncio.timeout(5):
        while not near.gates:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def committed(world: World) -> int:
    topics = ("actalog.tasks", "actalog.replies")
    return sum(sum(world.bus.committed("actalog.conductor", one).values()) for one in topics)


async def test_a_run_goes_on_before_what_it_told_is_acknowledged(world: World, near: Near):
    world.script = {1: ["lookup", "lookup"]}
    await world.start()
    await world.task()
    await ends(world)
    assert world.count(CallModel) == 2
    assert world.count(RunTool) == 2
    assert len(near.gates) >= 4
    assert (await published(world))[0] == 0
    assert committed(world) == 0
    near.acknowledge()
    last = await all_told(world)
    assert committed(world) == 5  # the task, and four answers
    assert near.told() == [("r", seq) for seq in range(1, last + 1)]
    assert len(world.results_now()) == 1


@pytest.mark.parametrize("lost", [0, 1, 2])
async def test_what_is_behind_something_that_was_lost_is_told_again_with_it(
    world: World, near: Near, lost: int
):
    world.script = {1: ["lookup"]}
    near.lost = {lost}
    await world.start()
    await world.task()
    await ends(world)
    near.acknowledge()
    last = await all_told(world)
    assert {seq for _, seq in near.told()} == set(range(1, last + 1))
    assert world.count(RunTool) == 1
    assert {one["id"] for one in world.results_now()} == {f"r:{last}"}
    assert committed(world) == 4


async def test_a_run_whose_telling_failed_at_its_end_is_read_anew(world: World, near: Near):
    """All of it was sent; whether another one waits for the turn could not be asked."""
    world.script, near.open = {1: ["refund"]}, True
    await world.start()
    failing = [Transient("the database does not answer")]
    turn_free = Teller.turn_free

    async def fails_once(teller: Teller, live: Live) -> None:
        if failing and isinstance(live.state, Paused):
            raise failing.pop()
        await turn_free(teller, live)

    with mock.patch.object(Teller, "turn_free", fails_once):
        await world.task()
        await all_told(world)
        await world.send(
            type="requirement.resolve.v1", run_id="r", requirement_id="r:t1.0:confirm",
            decision="approve",
        )  # fmt: skip
        await all_told(world)
    assert failing == []
    assert await world.statuses() == {"paused", "completed"}


async def test_who_hears_a_message_again_waits_for_what_followed_from_it(world: World, near: Near):
    await tells_something(world, near)
    await world.task()  # the same again
    await asyncio.sleep(0.05)
    assert committed(world) == 0
    near.acknowledge()
    await world.bus.drained()
    assert committed(world) == 2
    assert (await world.statuses()) == set()


async def test_who_ends_waits_for_what_was_told_and_commits_it(world: World, near: Near):
    await tells_something(world, near)
    stopping = asyncio.create_task(world.bus.stop())
    await asyncio.sleep(0.05)
    assert not stopping.done()
    near.acknowledge()
    await asyncio.wait_for(stopping, 5)
    assert committed(world) == 1


@pytest.mark.parametrize("hears_itself", [True, False])
async def test_what_went_with_a_process_that_heard_itself_is_asked_by_the_next_at_once(
    log: Log, hears_itself: bool
):
    """A command that was handed over, and that neither its service nor the broker had yet."""
    dead = World(log)
    await dead.waits_for("llm")
    await dead.bus.crash()
    with mock.patch.object(MemoryBus, "near", return_value=hears_itself):
        world = World(log)
        await world.start()
        await world.look()
        assert await world.statuses() == ({"completed"} if hears_itself else set())
        asked = len(world.asked)
        await world.look()
        assert len(world.asked) == asked
        await world.bus.stop()


async def test_who_begins_anew_looks_at_no_run_that_waits_for_a_person(world: World):
    world.script = {1: ["refund"]}
    await world.start()
    await world.task()
    assert await world.statuses() == {"paused"}
    with mock.patch.object(world.supervisor.waking, "wake", return_value=None) as wake:
        await world.look()
        assert wake.call_count == 0
        world.supervisor.broker_began_anew()
        await world.look()
        assert wake.call_count == 1
