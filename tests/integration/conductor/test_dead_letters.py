"""No run waits for ever for what went to the dead letters."""

import json
from typing import Any

import pytest

from actalog_bus.ports import Record
from actalog_conductor.handlers import ConductorHandlers
from actalog_contracts import topics
from actalog_contracts.calls import CallModel, TurnFree
from actalog_core.errors import Permanent, Transient
from actalog_core.settings import Settings
from actalog_log.beside_ports import InboxRow
from tests.integration.conductor.world import Log, World
from tests.unit.actalog_conductor.spec import CHECKED, GATHERS

TASK = {"target": "agent:a", "input": "hello", "run_id": "r"}


async def say(world: World, **task: Any) -> None:
    await world.bus.publish("actalog.tasks", value=json.dumps({**TASK, **task}).encode(), key=b"s")
    await world.bus.drained()


def told(world: World, kind: str) -> list[dict[str, Any]]:
    read = [json.loads(one.value or b"") for one in world.bus.records("actalog.results")]
    return [one for one in read if one["type"] == kind]


def breaking(world: World, service: str) -> None:
    """The service's command can never succeed."""
    whole = world.outcome

    async def outcome(command: Any) -> Any:
        if type(command) in [k for k, t in topics.COMMAND_TOPICS.items()
                             if t.name == f"{service}.commands"]:  # fmt: skip
            raise Permanent("no such colour")
        return await whole(command)

    world.outcome = outcome  # type: ignore[method-assign]


async def test_a_dead_model_call_ends_its_run_with_a_typed_error(world: World):
    breaking(world, "llm")
    await world.start()
    await say(world)
    (letter,) = world.bus.records("actalog.llm.commands.dlq")
    assert letter.header("dlq-reason") == b"permanent"
    (result,) = told(world, "run.result.v1")
    assert (result["status"], result["error"]["code"]) == ("failed", "internal")
    assert "no such colour" in result["error"]["message"]
    assert "actalog.llm.commands/" in result["error"]["message"]


async def test_a_dead_check_and_a_dead_gathering_end_their_runs(world: World):
    breaking(world, "guardrails")
    await world.start(CHECKED)
    await say(world)
    breaking(world, "context")
    await world.log.put_definition(
        "sha256:b", "agent", "b", GATHERS.model_copy(update={"id": "b"}).model_dump_json().encode()
    )
    await say(world, target="agent:b", run_id="q")
    errors = {one["run_id"]: one["error"]["code"] for one in told(world, "run.result.v1")}
    assert errors == {"r": "internal", "q": "internal"}


async def test_word_of_a_dead_letter_that_nobody_waits_for_means_nothing(world: World):
    await world.start()
    await say(world)
    (asked,) = [one for one in world.asked if isinstance(one, CallModel)]
    found = await world.log.find_run("default", "r")
    assert found is not None
    await world.bus.publish(
        "actalog.replies",
        value=json.dumps(
            {"type": "call.buried.v1", "tenant_id": "default", "run_no": found.row.run_no,
             "run_id": "r", "session_id": "r", "call_id": asked.call_id, "reason": "killed",
             "message": "late", "source": "x"}
        ).encode(),
    )  # fmt: skip
    await world.bus.drained()
    results = {one["id"]: one["status"] for one in told(world, "run.result.v1")}
    assert list(results.values()) == ["completed"]
    again = await world.log.find_run("default", "r")
    assert again is not None
    assert again.head == found.head


async def test_a_reply_of_a_run_that_is_in_no_log_dies_and_holds_up_nothing(world: World):
    await world.start()
    nobody = TurnFree(tenant_id="default", run_no=10**9, run_id="x", session_id="s")
    lost = nobody.model_dump() | {"type": "time.passed.v1", "now": "2030-01-01T00:00:00.000000Z"}
    await world.bus.publish("actalog.replies", value=json.dumps(lost).encode(), key=b"s")
    await say(world)
    letters = world.bus.records("actalog.replies.dlq")
    # The record, and word of it, which has no word of its own.
    assert [one.header("dlq-reason") for one in letters] == [b"permanent", b"permanent"]
    ends = {at: len(part) for at, part in enumerate(world.broker.topic("actalog.replies"))}
    done = world.bus.committed("actalog.conductor", "actalog.replies")
    assert all(done.get(at, 0) == end for at, end in ends.items())


async def test_an_answer_that_breaks_the_conductor_ends_its_run(world: World, monkeypatch: Any):
    """A fault of ours must not leave a run that waits for its deadline."""
    whole = ConductorHandlers.hear_reply

    async def hear_reply(self: ConductorHandlers, record: Record, *more: Any) -> None:
        if b'"model.replied.v1"' in (record.value or b""):
            raise KeyError("colour")
        await whole(self, record, *more)

    monkeypatch.setattr(ConductorHandlers, "hear_reply", hear_reply)
    await world.start()
    await say(world)
    (letter,) = world.bus.records("actalog.replies.dlq")
    assert letter.header("dlq-reason") == b"unexpected"
    assert letter.header("dlq-attempts") == b"3"
    (result,) = told(world, "run.result.v1")
    assert (result["status"], result["error"]["code"]) == ("failed", "internal")


def break_acceptance(world: World) -> None:
    async def accept(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    handlers: Any = world.supervisor.hear_row
    handlers.__self__.acceptance.accept = accept


async def test_a_task_that_cannot_be_decided_is_refused_and_kept(world: World):
    await world.start()
    break_acceptance(world)
    await say(world)
    (letter,) = world.bus.records("actalog.tasks.dlq")
    assert letter.header("dlq-reason") == b"unexpected"
    (refused,) = told(world, "message.refused.v1")
    assert (refused["run_id"], refused["error"]["code"]) == ("r", "internal")


@pytest.mark.parametrize("away", [False, True])
async def test_who_waits_on_a_topic_of_its_own_hears_there_that_it_cannot_be_decided(
    log: Log, away: bool
):
    world = World(log, settings=Settings(reply_topics="shop.*"))
    await world.start()
    break_acceptance(world)
    publish = world.bus.publish

    async def refusing(topic: str, **record: Any) -> None:
        if away and topic == "shop.replies":
            raise Transient("no such topic")
        await publish(topic, **record)

    world.bus.publish = refusing
    await say(world, reply_to="shop.replies")
    (said,) = world.bus.records("actalog.results" if away else "shop.replies")
    assert json.loads(said.value or b"")["error"]["code"] == "internal"
    assert len(world.bus.records("actalog.tasks.dlq")) == 1
    await world.bus.stop()


async def test_an_accepted_task_that_cannot_be_decided_leaves_the_inbox_after_three_tries(
    world: World,
):
    await world.start()
    break_acceptance(world)
    await world.log.put_inbox(InboxRow("default", "r", json.dumps(TASK).encode()))
    for _ in range(3):
        await world.look(ahead_s=10)
        assert await world.log.inbox_depth() == 1
        world.supervisor.__post_init__()  # the supervisor died, and another looks
    await world.look(ahead_s=10)
    assert await world.log.inbox_depth() == 0
    (letter,) = world.bus.records("actalog.tasks.dlq")
    assert json.loads(letter.value or b"")["run_id"] == "r"
    (refused,) = told(world, "message.refused.v1")
    assert (refused["run_id"], refused["error"]["code"]) == ("r", "internal")


async def test_1_2_a_redriven_task_without_an_id_is_the_run_it_was(world: World):
    """Its first hearing began the run and died of something that was mended since."""
    await world.start()
    task = json.dumps({"target": "agent:a", "input": "hello"}).encode()
    await world.bus.publish("actalog.tasks", value=task, key=b"k")
    await world.bus.drained()
    (first,) = world.bus.records("actalog.tasks")
    where = f"actalog.tasks/{first.partition}/{first.offset}/{first.timestamp_ms}".encode()
    await world.bus.publish(
        "actalog.tasks", value=task, key=b"k",
        headers=(("redrive-origin", where), ("redrive-from", b"actalog.tasks.dlq/0/0")),
    )  # fmt: skip
    await world.bus.drained()
    assert len({one["run_id"] for one in told(world, "run.result.v1")}) == 1
