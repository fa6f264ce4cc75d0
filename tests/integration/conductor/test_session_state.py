"""Session state is changed by operations in a recorded order (protocol 10)."""

import json

from actalog_contracts.runs import StateOp
from tests.integration.conductor.world import World
from tests.unit.actalog_conductor.spec import PLAIN


async def operations(world: World, session_id: str = "s") -> list[tuple[int, str, str | None]]:
    await world.bus.drained()
    told: list[tuple[int, str, str | None]] = []
    for row in await world.log.session_ops("default", session_id):
        told += [(row.state_version, one["key"], one.get("value")) for one in json.loads(row.ops)]
    return told


async def test_a_tasks_state_and_what_tools_change_have_one_order(world: World):
    world.script, world.ops = {1: ["lookup"]}, (StateOp(op="increment", key="n", value="1"),)
    await world.start()
    await world.task(session_id="s", session_state={"n": 1, "who": {"name": "ann"}})
    assert await operations(world) == [(1, "n", "1"), (1, "who", '{"name":"ann"}'), (2, "n", "1")]
    found = await world.log.find_run("default", "r")
    assert found is not None
    rows = await world.log.session_ops("default", "s")
    events = {one.seq: one.type for one in await world.log.read(found.row.run_no)}
    assert [events[row.seq] for row in rows] == ["run.accepted.v1", "tool.returned.v1"]


async def test_eight_runs_that_set_eight_keys_leave_eight_keys(world: World):
    world.script = {1: ["lookup"]}
    await world.start(PLAIN.model_copy(update={"overlap": True}))
    for n in range(8):
        await world.task(f"r{n}", session_id="s", session_state={f"k{n}": n})
    told = await operations(world)
    assert sorted(key for _, key, _ in told) == [f"k{n}" for n in range(8)]
    assert [version for version, _, _ in told] == list(range(1, 9))


async def test_everything_heard_twice_changes_the_state_once(world: World):
    world.script, world.ops = {1: ["lookup"]}, (StateOp(op="increment", key="n", value="1"),)
    await world.start()
    await world.task(session_id="s", session_state={"n": 1})
    first = await operations(world)
    world.bus.redeliver("actalog.conductor")
    assert await operations(world) == first
