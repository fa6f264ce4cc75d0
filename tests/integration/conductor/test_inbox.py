"""What the gateway accepted is decided, whether its record comes or not (protocol 2.1)."""

import json

import pytest

from actalog_conductor.telling import Teller
from actalog_log.ports import InboxRow
from tests.integration.conductor.world import World

TASK = json.dumps({"target": "agent:a", "input": "hello", "run_id": "r"}).encode()
CANCEL = json.dumps({"type": "run.cancel.v1", "run_id": "r"}).encode()


async def put(world: World, inbox_id: str, body: bytes) -> None:
    await world.log.put_inbox(InboxRow("default", inbox_id, body))


async def test_the_decision_that_accepts_a_task_takes_its_row(world: World):
    await world.start()
    await put(world, "r", TASK)
    await world.raw(TASK, actalog__inbox__id=b"r")
    assert await world.statuses() == {"completed"}
    assert await world.log.inbox_depth() == 0


async def test_rows_that_nobody_picked_up_are_the_supervisors(world: World):
    await world.start()
    await put(world, "r", TASK)
    await world.look()
    assert await world.log.inbox_depth() == 1
    await world.look(ahead_s=4)
    assert await world.statuses() == {"completed"}
    assert await world.log.inbox_depth() == 0


async def not_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor decides a row's task, and comes to its end before it tells what follows."""

    async def send(*_: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(Teller, "_send", send)
        await world.look(ahead_s=10)
    world.supervisor.__post_init__()  # another looks


async def test_a_row_stays_until_what_follows_from_its_task_was_told(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """No record brings it again: without its row nobody would look for half a minute."""
    await world.start()
    await put(world, "r", TASK)
    await not_told(world, monkeypatch)
    assert await world.log.find_run("default", "r") is not None
    assert await world.log.inbox_depth() == 1
    await world.look(ahead_s=6)
    assert await world.statuses() == {"completed"}
    assert await world.log.inbox_depth() == 0


async def test_a_row_whose_task_was_decided_is_not_buried(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    await world.start()
    await put(world, "r", TASK)
    for _ in range(3):
        await not_told(world, monkeypatch)
        assert await world.log.inbox_depth() == 1
    await world.look(ahead_s=10)
    assert await world.log.inbox_depth() == 0
    assert await world.refusals() == []
    assert world.bus.records("actalog.tasks.dlq") == []
    await world.look(ahead_s=60)
    assert await world.statuses() == {"completed"}


async def test_a_row_whose_record_comes_late_is_still_one_run(world: World):
    await world.start()
    await put(world, "r", TASK)
    await world.look(ahead_s=4)
    await world.raw(TASK, actalog__inbox__id=b"r")
    results = await world.results()
    assert len({one["id"] for one in results}) == 1


async def test_a_control_leaves_the_inbox_once_it_was_heard(world: World):
    await world.waits_for("llm")
    await put(world, "c1", CANCEL)
    await world.raw(CANCEL, actalog__inbox__id=b"c1")
    assert await world.statuses() == {"cancelled"}
    assert await world.log.inbox_depth() == 0


@pytest.mark.parametrize("body", [b"{", b'{"target":"agent:nobody","input":"x","run_id":"r"}'])
async def test_a_row_that_is_refused_is_told_and_goes(world: World, body: bytes):
    await world.start()
    await put(world, "r", body)
    await world.look(ahead_s=4)
    assert len(await world.refusals()) == 1
    assert await world.log.inbox_depth() == 0


async def test_a_forged_header_takes_nobody_elses_row(world: World):
    await world.start()
    await put(world, "mine", TASK.replace(b'"r"', b'"mine"'))
    await world.raw(TASK, actalog__inbox__id=b"mine")
    await world.raw(CANCEL, actalog__inbox__id=b"mine")
    await world.bus.drained()
    assert await world.log.inbox_depth() == 1
    await world.look(ahead_s=4)
    assert (await world.types("mine"))[-1] == "run.completed"


async def test_a_task_that_conflicts_goes_from_the_inbox_and_hurts_nobody(world: World):
    await world.start()
    await world.task(input="another")
    await world.bus.drained()
    await put(world, "r", TASK)
    await world.look(ahead_s=4)
    assert await world.refusals() == ["conflict"]
    assert await world.log.inbox_depth() == 0
