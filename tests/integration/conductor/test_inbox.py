"""What the gateway accepted is decided, whether its record comes or not (protocol 2.1)."""

import asyncio
import json
from datetime import timedelta

import pytest

from actalog_conductor.telling import Teller
from actalog_core.errors import Transient
from actalog_log.beside_ports import InboxRow
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


async def test_a_conductor_whose_clock_is_behind_picks_rows_up_in_time(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("actalog_conductor.supervisor.INBOX_AFTER", timedelta())
    world.supervisor.clock.apart = timedelta(seconds=5)
    world.ahead = -timedelta(hours=1)
    await world.start()
    await world.look()  # learns what time it is
    await put(world, "r", TASK)
    await world.look(ahead_s=1)
    assert await world.statuses() == {"completed"}


async def test_what_waited_out_an_outage_is_decided_in_one_look_and_in_order(world: World):
    await world.start()
    for at in range(170):
        session = f"s{at % 60}"
        body = {"target": "agent:a", "input": "x", "run_id": f"r{at}", "session_id": session}
        await put(world, f"r{at}", json.dumps(body).encode())
    await world.look(ahead_s=4)
    assert await world.log.inbox_depth() == 0
    found = [await world.log.find_run("default", f"r{at}") for at in range(170)]
    turns = [(one.row.session_id, one.row.turn) for one in found if one is not None]
    assert turns == [(f"s{at % 60}", at // 60 + 1) for at in range(170)]


class Hearers:
    """How many rows are heard at once, and which; some bring their hearer to an end."""

    def __init__(self, world: World, *, deadly: str = "") -> None:
        self.hear_row, self.deadly = world.supervisor.hear_row, deadly
        self.now = self.most = 0
        self.heard: list[str] = []

    async def hear(self, row: InboxRow) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        self.heard.append(row.inbox_id)
        await asyncio.sleep(0)
        self.now -= 1
        if row.inbox_id == self.deadly:
            raise ZeroDivisionError
        await self.hear_row(row)


async def test_rows_that_somebody_died_of_are_heard_alone_and_first(world: World):
    await world.start()
    for at in range(30):
        body = {"target": "agent:a", "input": "x", "run_id": f"r{at}"}
        await put(world, f"r{at}", json.dumps(body).encode())
    for at in range(10, 20):  # they were being heard when their hearer was killed
        await world.log.try_inbox("default", f"r{at}")
    hearers = Hearers(world)
    world.supervisor.hear_row = hearers.hear
    before = [f"r{at}" for at in range(10, 20)]
    await world.look(ahead_s=4)
    assert hearers.heard[:10] == before
    assert hearers.most > 1  # the others
    assert await world.log.inbox_depth() == 0


async def test_rows_that_were_being_heard_when_it_was_stopped_are_not_suspected(world: World):
    begun, forever = asyncio.Event(), asyncio.Event()

    async def hear(_: InboxRow) -> None:
        begun.set()
        await forever.wait()

    await world.start()
    for at in range(5):
        body = {"target": "agent:a", "input": "x", "run_id": f"r{at}"}
        await put(world, f"r{at}", json.dumps(body).encode())
    world.supervisor.hear_row = hear
    looking = asyncio.create_task(world.look(ahead_s=4))
    await begun.wait()
    looking.cancel()
    await asyncio.wait([looking])
    rows = await world.log.due_inbox(world.clock() + timedelta(seconds=60), 10)
    assert [(row.inbox_id, row.tries) for row in rows] == [(f"r{at}", 0) for at in range(5)]


async def test_of_rows_heard_at_once_only_the_deadly_one_is_given_up(world: World):
    await world.start()
    for at in range(20):
        body = {"target": "agent:a", "input": "x", "run_id": f"r{at}"}
        await put(world, f"r{at}", json.dumps(body).encode())
    hearers = Hearers(world, deadly="r7")
    world.supervisor.hear_row = hearers.hear
    for _ in range(4):
        world.supervisor.__post_init__()  # another looks
        await world.look(ahead_s=10)
    assert await world.log.inbox_depth() == 0
    assert hearers.heard.count("r7") == 3
    assert await world.refusals() == ["internal"]
    told = [await world.log.find_run("default", f"r{at}") for at in range(20)]
    assert [at for at, one in enumerate(told) if one is None] == [7]


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
    await put(world, "r", TASK)  # its sender asks once more, and its record is heard first
    await world.raw(TASK, actalog__inbox__id=b"r")
    await world.bus.drained()
    assert await world.log.inbox_depth() == 0


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


async def test_a_row_is_heard_with_its_headers(world: World):
    await world.start()
    row = InboxRow("default", "r", TASK, headers={"kafka_correlationId": "c1"})
    await world.log.put_inbox(row)
    await world.look(ahead_s=4)
    assert (await world.result())["correlation_id"] == "c1"


async def test_an_answer_that_is_heard_as_a_record_and_as_a_row_is_one(world: World):
    """Whoever answered is not told that somebody was first."""
    world.script = {1: ["refund"]}
    await world.start()
    await world.task()
    await world.bus.drained()
    answer = {
        "type": "requirement.resolve.v1", "run_id": "r", "requirement_id": "r:t1.0:confirm",
        "decision": "approve",
    }  # fmt: skip
    said = json.dumps(answer).encode()
    await world.raw(said, actalog__inbox__id=b"i", ce_id=b"of the record")
    await world.bus.drained()
    await put(world, "i", said)  # its insert came late
    await world.look(ahead_s=4)
    assert await world.log.inbox_depth() == 0
    assert await world.statuses() == {"paused", "completed"}
    assert await world.refusals() == []


async def test_a_hearing_that_the_servers_broke_off_counts_for_no_row(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """However long an outage is, it buries nothing."""

    tries: list[int] = []

    async def away(row: InboxRow) -> None:
        tries.append(row.tries)
        raise Transient("no broker")

    await world.start()
    await put(world, "r", TASK)
    with monkeypatch.context() as patched:
        patched.setattr(world.supervisor, "hear_row", away)
        for _ in range(5):
            with pytest.raises(Transient):
                await world.look(ahead_s=10)
    assert tries == [0] * 5
    await world.look(ahead_s=10)
    assert await world.statuses() == {"completed"}
    assert await world.refusals() == []
