"""What acceptance promises where others act at the same moment, and what it refuses (protocol 1-3)."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from actalog_conductor.identity import body_digest
from actalog_contracts.runs import RunCancelled
from actalog_contracts.tasks import TaskSubmit
from actalog_core.errors import DataRefused, Transient
from actalog_core.events import decode
from actalog_log.ports import Decision, FoundRun, Head
from tests.integration.conductor.world import World
from tests.unit.actalog_conductor.spec import PLAIN


async def found(world: World, run_id: str) -> FoundRun:
    run = await world.log.find_run("default", run_id)
    assert run is not None
    return run


async def refusal(world: World) -> dict[str, Any]:
    (told,) = [one for one in await world.results() if one["type"] == "message.refused.v1"]
    return told


@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
async def test_3_3_whoever_starts_looks_after_its_own_commit_whether_the_turn_is_free_now(
    world: World, told: bool
):
    """The turn's holder ends, and finds nobody that waits, before the next run is committed."""
    world.deaf = {"llm"}
    await world.start()
    await world.task("a", session_id="s")
    await world.bus.drained()
    append = world.log.append

    async def ends_before(decision: Decision) -> Sequence[Head]:
        world.log.append = append  # type: ignore[method-assign]
        await world.send(type="run.cancel.v1", run_id="a")
        async with asyncio.timeout(5):
            while "cancelled" not in world.statuses_now():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # it has looked
        heads = await append(decision)
        if not told:
            raise Transient("the connection broke")
        return heads

    world.log.append = ends_before  # type: ignore[method-assign]
    world.deaf = set()
    await world.task("b", session_id="s")
    assert await world.statuses() == {"cancelled", "completed"}
    assert [(await found(world, one)).row.turn for one in ("a", "b")] == [1, 2]


@pytest.mark.parametrize("id", ["a:b", "a/b", "billing: refunds"])
async def test_an_id_of_an_agent_may_have_what_parts_other_names(world: World, id: str):
    await world.start()
    body = PLAIN.model_copy(update={"id": id}).model_dump_json().encode()
    await world.log.put_definition("sha256:b", "agent", id, body)
    await world.task("full", target=f"agent:{id}")
    await world.task("bare", target=id)
    told = {one["run_id"]: (one["status"], one["target"]) for one in await world.results()}
    assert told == dict.fromkeys(("full", "bare"), ("completed", f"agent:{id}"))


async def test_3_1_a_run_without_a_session_takes_the_next_turn_of_the_one_that_has_its_name(
    world: World,
):
    await world.start()
    await world.task("a", session_id="s")
    await world.bus.drained()
    await world.task("s")
    assert await world.statuses() == {"completed"}
    assert len(await world.results()) == 2
    assert [(await found(world, one)).row.turn for one in ("a", "s")] == [1, 2]


async def test_1_3_a_body_is_known_by_its_digest_under_the_installations_key(world: World):
    await world.start()
    await world.task()
    await world.bus.drained()
    task = TaskSubmit(target="agent:a", input="hello", run_id="r")
    told = (await found(world, "r")).row.body_digest
    assert told == body_digest(task, key=await world.log.installation_key())
    assert told != body_digest(task, key=b"")


async def test_2_3_a_cancel_that_came_first_says_who_and_why_in_the_log(world: World):
    world.deaf = {"llm"}
    await world.start()
    await world.send(type="run.cancel.v1", run_id="r", reason="changed my mind", by="ann")
    await world.bus.drained()
    await world.task()
    await world.bus.drained()
    (*_, last) = await world.log.read((await found(world, "r")).row.run_no)
    event = decode(last.type, last.payload)
    assert isinstance(event, RunCancelled)
    assert (event.reason, event.by) == ("changed my mind", "ann")


async def test_a_task_that_the_log_cannot_keep_is_refused_and_its_sender_told(world: World):
    await world.start()
    append = world.log.append

    async def refuses(decision: Decision) -> Sequence[Head]:
        if decision.appends and decision.appends[0].row is not None:
            raise DataRefused("it is no text")
        return await append(decision)

    world.log.append = refuses  # type: ignore[method-assign]
    await world.task()
    told = await refusal(world)
    assert (told["error"]["code"], told["run_id"]) == ("bad_input", "r")
    assert "it is no text" in told["error"]["message"]
    assert len(world.bus.records("actalog.tasks.dlq")) == 1
    assert await world.log.find_run("default", "r") is None


@pytest.mark.parametrize(
    ("task", "code", "field"),
    [
        ({"run_id": "known", "input": "another"}, "conflict", "run_id"),
        ({"session_id": "known", "user_id": "bob"}, "not_allowed", "session_id"),
        ({"target": "agent:nobody"}, "unknown_target", "target"),
        ({"deadline": "2020-01-01T00:00:00Z"}, "expired", "deadline"),
        ({"deadline": "tomorrow"}, "bad_input", "deadline"),
    ],
)
async def test_a_refusal_names_the_field_that_is_wrong(
    world: World, task: dict[str, str], code: str, field: str
):
    await world.start()
    await world.task("known", user_id="ann")
    await world.bus.drained()
    await world.send(**{"target": "agent:a", "input": "hello", **task})
    told = await refusal(world)
    assert (told["error"]["code"], told["error"]["field"]) == (code, field)
    assert told.get("winner") == ("known:1" if code == "conflict" else None)


async def test_what_is_no_json_schema_is_refused_before_a_model_is_asked_with_it(world: World):
    await world.start()
    await world.task("r", output_schema={"properties": {"total": {"type": "money"}}})
    told = (await refusal(world))["error"]
    assert (told["code"], told["field"]) == ("bad_input", "output_schema")
    assert "properties.total.type: one or several of array" in told["message"]
    assert await world.log.find_run("default", "r") is None
    assert world.asked == []
