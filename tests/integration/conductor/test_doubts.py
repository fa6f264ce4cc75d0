"""Calls in doubt, over the bus: who answers, what is refused, and who has won."""

from datetime import timedelta
from typing import Any

import pytest

from actalog_contracts.calls import CallBuried, Command, Outcome, RunTool, answer
from actalog_contracts.runs import RequirementResolved, ToolInDoubt, ToolReturned
from actalog_core.clock import parse_time
from actalog_core.events import decode
from actalog_log.call_ports import ledger_key
from tests.integration.conductor.test_supervisor import calls_of
from tests.integration.conductor.world import World

NAME = "r:t1.0:doubt1"


async def doubting(world: World) -> dict[str, Any]:
    """A run that is paused because nobody knows whether its tool has acted."""
    whole = world.outcome

    async def outcome(command: Command) -> Outcome:
        if isinstance(command, RunTool) and command.after_epoch is None:
            return ToolInDoubt(call_id=command.call_id, epoch=1, message="its worker died")
        return await whole(command)

    world.outcome = outcome  # type: ignore[method-assign]
    world.script = {1: ["lookup"]}
    await world.start()
    await world.task()
    return await world.result()


async def resolve(world: World, **answer: Any) -> None:
    told = {"type": "requirement.resolve.v1", "run_id": "r", "requirement_id": NAME, **answer}
    await world.send(**told)
    await world.bus.drained()


async def refused(world: World) -> dict[str, Any]:
    (one,) = [one for one in await world.results() if one["type"] == "message.refused.v1"]
    return {"code": one["error"]["code"], "winner": one.get("winner")}


async def test_the_result_of_the_pause_says_what_is_asked(world: World):
    paused = await doubting(world)
    assert paused["status"] == "paused"
    (asked,) = paused["requirements"]
    assert (asked["id"], asked["kind"]) == (NAME, "in_doubt")
    assert asked["tool_call"]["name"] == "lookup"
    found = await world.log.find_run("default", "r")
    assert found is not None
    assert found.standing == "paused"


@pytest.mark.parametrize(
    ("decision", "more", "content"),
    [("done", {"result": {"refund": 4}}, '{"refund":4}'), ("done", {"result": "4 EUR"}, "4 EUR")],
)
async def test_who_knows_that_it_has_acted_says_so_and_is_named(
    world: World, decision: str, more: dict[str, Any], content: str
):
    await doubting(world)
    await resolve(world, decision=decision, by="ann", **more)
    assert await world.statuses() == {"paused", "completed"}
    found = await world.log.find_run("default", "r")
    assert found is not None
    told = [decode(one.type, one.payload) for one in await world.log.read(found.row.run_no)]
    assert [one.by for one in told if isinstance(one, RequirementResolved)] == ["ann"]
    assert [one.content for one in told if isinstance(one, ToolReturned)] == [content]
    assert world.ran() == ["r:t1.0"]


async def test_not_done_lets_a_call_run_again_that_died_in_its_third_attempt(world: World):
    """Each attempt has raised the epoch in the ledger, and nobody has settled the last."""
    world.script, world.deaf = {1: ["lookup"]}, {"tools"}
    await world.start()
    await world.task()
    await world.bus.drained()
    (command,) = [one for one in world.asked if isinstance(one, RunTool)]
    key, ledger = ledger_key(command.run_no, command.call_id), calls_of(world)
    await ledger.claim(key, run_no=command.run_no, holder="w", lease_ms=60_000)
    for epoch in (1, 2):
        assert await ledger.raise_epoch(key, epoch=epoch, holder="w") == epoch + 1
    word = CallBuried(
        tenant_id="default", run_no=command.run_no, run_id="r", session_id="r",
        call_id=command.call_id, reason="unexpected", message="KeyError", source="x",
    )  # fmt: skip
    await world.postman.reply(word)
    (asked,) = (await world.result())["requirements"]
    await resolve(world, requirement_id=asked["id"], decision="not_done", by="ann")
    again = [one for one in world.asked if isinstance(one, RunTool)][-1]
    claim = await ledger.claim(
        key, run_no=command.run_no, holder="v", lease_ms=60_000,
        after_epoch=again.after_epoch or 0,
    )  # fmt: skip
    assert (world.count(RunTool), claim.state, claim.epoch) == (2, "claimed", 4)


async def test_not_done_runs_it_again_under_the_same_call(world: World):
    await doubting(world)
    await resolve(world, decision="not_done", by="ann")
    assert world.ran() == ["r:t1.0", "r:t1.0"]
    again = [one for one in world.asked if isinstance(one, RunTool)][-1]
    assert again.after_epoch == 1


async def test_a_message_without_an_author_is_its_senders(world: World):
    await doubting(world)
    value = (
        b'{"type":"requirement.resolve.v1","run_id":"r","requirement_id":"%b","decision":"reject"}'
    )
    await world.raw(value % NAME.encode(), ce_source=b"/crm", ce_id=b"1")
    await world.bus.drained()
    found = await world.log.find_run("default", "r")
    assert found is not None
    told = [decode(one.type, one.payload) for one in await world.log.read(found.row.run_no)]
    assert [one.by for one in told if isinstance(one, RequirementResolved)] == ["/crm"]


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"requirement_id": "r:t7.0:doubt1"}, "bad_input"),
        ({"requirement_id": "q:t1.0:doubt1"}, "bad_input"),
        ({"requirement_id": "r:t1.0:confirm"}, "bad_input"),
        ({"run_id": "q"}, "unknown_run"),
        ({"tenant_id": "other"}, "unknown_run"),
        ({"digest": "sha256:other"}, "digest_mismatch"),
        ({"decision": "approve"}, "not_allowed"),
        ({"decision": "provide"}, "not_allowed"),
    ],
)
async def test_a_wrong_answer_is_refused_and_changes_nothing(
    world: World, wrong: dict[str, Any], code: str
):
    await doubting(world)
    before = await world.types()
    await resolve(world, **{"decision": "done", **wrong})
    assert (await refused(world))["code"] == code
    assert await world.types() == before


async def test_the_second_answer_is_told_which_event_won(world: World):
    await doubting(world)
    await resolve(world, decision="done", by="ann")
    seq = (await world.types()).index("requirement.resolved") + 1
    await resolve(world, decision="not_done", by="bob")
    assert await refused(world) == {"code": "already_resolved", "winner": f"r:{seq}"}
    assert (await world.types()).count("requirement.resolved") == 1


async def test_an_answer_after_the_deadline_is_told_that_it_has_expired(world: World):
    await doubting(world)
    await world.look(ahead_s=3_600)
    assert "failed" in await world.statuses()
    end = len(await world.types())
    await resolve(world, decision="done")
    assert await refused(world) == {"code": "expired", "winner": f"r:{end}"}


async def test_an_answer_after_the_deadline_has_expired_although_nobody_looked_yet(world: World):
    paused = await doubting(world)
    (asked,) = paused["requirements"]
    left = parse_time(asked["expires_at"]) - world.clock()
    world.ahead += left + timedelta(milliseconds=1)
    await resolve(world, decision="done")
    seq = (await world.types()).index("run.failed") + 1
    assert await refused(world) == {"code": "expired", "winner": f"r:{seq}"}
    assert world.ran() == ["r:t1.0"]


async def test_an_answer_to_what_a_late_outcome_has_settled_is_told_so(world: World):
    await doubting(world)
    command = next(one for one in world.asked if isinstance(one, RunTool))
    late = answer(command, ToolReturned(call_id="r:t1.0", epoch=1, content="it had acted"))
    await world.postman.reply(late.model_copy(update={"late": True}))
    assert await world.statuses() == {"paused", "completed"}
    seq = (await world.types()).index("tool.returned") + 1
    await resolve(world, decision="not_done")
    assert await refused(world) == {"code": "already_resolved", "winner": f"r:{seq}"}
    assert world.ran() == ["r:t1.0"]


async def test_a_zombie_that_comes_after_the_person_is_refused_and_recorded(world: World):
    await doubting(world)
    await resolve(world, decision="done", by="ann")
    command = next(one for one in world.asked if isinstance(one, RunTool))
    zombie = ToolReturned(call_id="r:t1.0", epoch=1, content="it had acted", duration_ms=7)
    for _ in range(2):
        late = answer(command, zombie)
        await world.postman.reply(late.model_copy(update={"late": True}))
    types = await world.types()
    assert types.count("call.settled") == 1
    assert types.count("tool.returned") == 1
    results = {one["id"] for one in await world.results()}
    assert len(results) == 2  # paused, completed: a late outcome is no result
