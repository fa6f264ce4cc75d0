"""What is checked waits beside the log, and what is masked never gets there (protocol 9)."""

import pytest

from actalog_contracts.calls import CheckText, Remember, answer
from actalog_contracts.definitions import PiiCheck
from tests.integration.conductor.world import World
from tests.unit.actalog_conductor.spec import CHECKED, PLAIN

SECRET = "my card is no hex digit"
REVIEWED = PLAIN.model_copy(update={"output_checks": (PiiCheck(),)})
LEARNS = REVIEWED.model_copy(update={"learn": True})
OPENED = ["run.accepted", "run.started", "model.needed", "model.replied", "output.reviewed"]


async def logged(world: World, run_id: str = "r") -> bytes:
    found = await world.log.find_run("default", run_id)
    assert found is not None
    return b"".join(event.payload for event in await world.log.read(found.row.run_no))


async def published(world: World) -> bytes:
    await world.bus.drained()
    topics = ("events", "results", "replies", "stream", "guardrails.commands", "llm.commands")
    records = [one for name in topics for one in world.bus.records(f"actalog.{name}")]
    return b"".join(one.value or b"" for one in records)


@pytest.mark.parametrize("verdict", ["passed", "masked", "blocked"])
async def test_input_waits_beside_the_log_until_its_verdict_stands(world: World, verdict: str):
    world.verdict, world.deaf = verdict, {"guardrails"}
    await world.start(CHECKED)
    await world.task(input=SECRET)
    await world.bus.drained()
    assert await world.log.get_held("default", "r:input") == SECRET
    (command,) = [one for one in world.asked if isinstance(one, CheckText)]
    assert command.text is None
    world.deaf = set()
    await world.look(ahead_s=31)
    assert await world.log.get_held("default", "r:input") is None
    assert (SECRET.encode() in await logged(world)) == (verdict == "passed")
    assert await world.statuses() == {"blocked" if verdict == "blocked" else "completed"}
    if verdict != "passed":
        assert SECRET.encode() not in await published(world)


async def test_a_run_that_ends_before_its_check_leaves_no_text_behind(world: World):
    world.deaf = {"guardrails"}
    await world.start(CHECKED)
    await world.task(input=SECRET)
    await world.bus.drained()
    await world.send(type="run.cancel.v1", run_id="r")
    await world.bus.drained()
    assert await world.log.get_held("default", "r:input") is None


@pytest.mark.parametrize("verdict", ["passed", "masked", "blocked"])
async def test_an_answer_waits_beside_the_log_until_its_verdict_stands(world: World, verdict: str):
    world.says, world.verdict = SECRET, verdict
    await world.start(REVIEWED)
    await world.task()
    (result,) = await world.results()
    said = {"passed": SECRET, "masked": "***", "blocked": None}[verdict]
    assert result.get("output") == said
    assert await world.log.get_held("default", "r:m1:1") is None
    if verdict != "passed":
        assert SECRET.encode() not in await published(world) + await logged(world)


@pytest.mark.parametrize("verdict", ["passed", "masked", "blocked"])
async def test_9_1_what_is_to_be_remembered_waits_for_its_verdict_and_the_answer_does_not(
    world: World, verdict: str
):
    world.says, world.deaf = SECRET, {"memory"}
    await world.start(LEARNS)
    await world.task(user_id="ann")
    assert (await world.result())["status"] == "completed"
    world.verdict, world.deaf = verdict, set()
    await world.look(ahead_s=31)
    (child,) = await world.children()
    reviewed = [*OPENED, "remember.failed"] if verdict == "blocked" else [*OPENED, "memory.updated"]
    end = "run.blocked" if verdict == "blocked" else "run.completed"
    assert await world.types_of(child) == [*reviewed, end]
    log = b"".join(event.payload for event in await world.log.read(child))
    assert (SECRET.encode() in log) == (verdict == "passed")
    assert (b'"text":"***"' in log) == (verdict == "masked")
    told = [one.reply for one in world.asked if isinstance(one, Remember) and one.continuation]
    assert told == {"passed": [SECRET], "masked": ["***"], "blocked": []}[verdict]
    command = next(one for one in world.asked if isinstance(one, CheckText) and one.purpose)
    assert command.held is not None
    assert await world.log.get_held("default", command.held.held) is None
    assert (await world.result())["status"] == "completed"


async def test_a_memory_run_that_ends_before_its_review_leaves_no_text_behind(world: World):
    world.says = SECRET
    await world.start(LEARNS)
    world.deaf = {"memory"}
    await world.task(user_id="ann")
    await world.bus.drained()
    world.deaf = {"guardrails"}
    await world.look(ahead_s=31)
    (child,) = await world.children()
    assert await world.types_of(child) == OPENED[:-1]
    command = next(one for one in world.asked if isinstance(one, CheckText) and one.purpose)
    assert command.held is not None
    assert await world.log.get_held("default", command.held.held) is not None
    await world.look(ahead_s=700)
    assert (await world.types_of(child))[-1] == "run.failed"
    assert await world.log.get_held("default", command.held.held) is None


async def test_tool_calls_of_a_held_message_are_those_of_its_review(world: World):
    world.script, world.verdict = {1: ["lookup"]}, "masked"
    await world.start(REVIEWED)
    await world.task()
    assert (await world.result())["status"] == "completed"
    assert b'{\\"x\\":\\"***\\"}' in await logged(world)
    (run_tool,) = [one for one in world.asked if one.call_id == "r:t1.0"]
    assert getattr(run_tool, "arguments") == '{"x":"***"}'  # noqa: B009


async def test_a_held_message_that_comes_too_late_leaves_no_text_behind(world: World):
    world.says, world.deaf = SECRET, {"llm"}
    await world.start(REVIEWED)
    await world.task()
    await world.bus.drained()
    await world.send(type="run.cancel.v1", run_id="r")
    await world.bus.drained()
    (command,) = [one for one in world.asked if one.call_id == "r:m1"]
    await world.postman.reply(answer(command, await world.outcome(command)))
    assert await world.types() == [
        "run.accepted", "run.started", "context.built", "run.cancelled", "call.settled",
    ]  # fmt: skip
    assert await world.log.get_held("default", "r:m1:1") is None
