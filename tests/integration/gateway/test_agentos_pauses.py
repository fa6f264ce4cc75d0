"""Where AgentOS's clients stop reading: at a pause for which somebody is needed, and at no other."""

import asyncio
import json
from typing import Any

import pytest

from actalog_contracts.base import ToolCall
from actalog_contracts.runs import (
    CallSettled,
    RequirementResolved,
    RunPaused,
    ToolCalled,
    ToolFailed,
)  # fmt: skip
from tests.integration.gateway.test_agentos import begun, names, post
from tests.integration.gateway.world import (
    Run,
    World,
    called,
    done,
    frames,
    paused,
    reply,
    returned,
    until,
)  # fmt: skip

ASKED = ToolCall(id="", provider_id="c", name="delete_file", arguments='{"path":"/a"}')
END = ["ModelRequestCompleted", "RunContentCompleted", "RunCompleted"]


def second(run_id: str) -> ToolCalled:
    return called(run_id, confirm=True).model_copy(update={"call_id": f"{run_id}:t1.1"})


def resolved(run: Run, at: int, decision: Any) -> RequirementResolved:
    name = f"{run.row.run_id}:t1.{at}:confirm"
    return RequirementResolved(requirement_id=name, decision=decision)


async def two_that_wait(world: World) -> Run:
    run = await world.run("r")
    await run.begin()
    first, other = called("r", confirm=True), second("r")
    await run.say(reply("r", None, calls=[ASKED, ASKED]), first, other)
    (one,) = paused("r").requirements
    two = one.model_copy(update={"id": "r:t1.1:confirm", "call_id": "r:t1.1"})
    await run.say(RunPaused(requirements=(one, two)), standing="paused")
    return run


async def first_is_rejected(run: Run) -> None:
    """As the conductor decides it: what is left is asked again."""
    no = ToolFailed(call_id="r:t1.0", kind="rejected", message="no")
    (one,) = paused("r").requirements
    left = one.model_copy(update={"id": "r:t1.1:confirm", "call_id": "r:t1.1"})
    await run.say(
        resolved(run, 0, "reject"), no, RunPaused(requirements=(left,)), standing="paused"
    )


async def goes_on(run: Run) -> None:
    back = returned("r").model_copy(update={"call_id": "r:t1.1"})
    await run.say(resolved(run, 1, "approve"), back, standing="active")
    await run.say(reply("r", "Gone.", turn=2), done(run.head.seq + 1))


def form(*confirmed: bool, stream: str) -> dict[str, str]:
    tools = [{"tool_call_id": f"r:t1.{at}", "confirmed": yes} for at, yes in enumerate(confirmed)]
    return {"session_id": "s", "tools": json.dumps(tools), "stream": stream}


async def test_of_two_answers_the_first_leaves_no_pause_for_who_has_given_both(world: World):
    run = await two_that_wait(world)
    async with world.gateway() as (http, _):
        path = "/agents/a/runs/r/continue"
        following = asyncio.create_task(post(http, path, form(False, True, stream="true")))
        waiting = asyncio.create_task(http.post(path, data=form(False, True, stream="false")))
        await until(lambda: len(world.tasks()) == 2)
        await first_is_rejected(run)
        await asyncio.sleep(0.1)
        await goes_on(run)
        told, answer = await following, (await waiting).json()
    assert [one for one in names(told) if one in ("RunPaused", *END)] == END
    assert (answer["status"], answer["content"]) == ("COMPLETED", "Gone.")


async def test_who_answers_and_does_not_wait_is_told_at_once(world: World):
    await two_that_wait(world)
    async with world.gateway() as (http, _):
        path, said = "/agents/a/runs/r/continue", form(True, True, stream="false")
        answer = await http.post(path, data={**said, "background": "true"})
        await until(lambda: len(world.tasks()) == 2)
    assert (answer.status_code, answer.json()) == (
        202, {"run_id": "r", "session_id": "s", "status": "PENDING"},
    )  # fmt: skip


async def test_who_asks_again_by_its_key_is_not_told_of_a_pause_that_is_over(world: World):
    said = {"message": "go", "session_id": "s"}
    key = {"Idempotency-Key": "k"}
    async with world.gateway() as (http, _):
        following = asyncio.create_task(post(http, "/agents/a/runs", said, headers=key))
        run = await begun(world)
        id = run.row.run_id
        await run.say(reply(id, None, calls=[ASKED]), called(id, confirm=True))
        await run.say(paused(id), standing="paused")
        assert names(await following)[-1] == "RunPaused"
        await run.say(CallSettled(call_id=f"{id}:m1", epoch=0, outcome="late"), standing="paused")
        assert names(await post(http, "/agents/a/runs", said, headers=key))[-1] == "RunPaused"
        await run.say(resolved(run, 0, "approve"), standing="active")
        async with http.stream("POST", "/agents/a/runs", data=said, headers=key) as answer:
            again = frames(answer)
            early = [await anext(again) for _ in range(4)]
            await run.say(returned(id), reply(id, "Gone.", turn=2), done(10))
            rest = [one async for one in again]
        late = await http.post("/agents/a/runs", data={**said, "stream": "false"}, headers=key)
    assert "RunPaused" not in names([*early, *rest])
    assert names([*early, *rest])[-3:] == END
    assert late.json()["status"] == "COMPLETED"


@pytest.mark.parametrize("confirmed", [True, False])
async def test_a_number_that_readers_of_json_disagree_about_comes_back_as_it_was(
    world: World, confirmed: bool
):
    """JavaScript would make another one of it, and a call could be neither confirmed nor refused."""
    run = await world.run("r")
    await run.begin()
    large = '{"ids":[1234567890123456789,-9007199254740993,7],"yes":true,"by":{"n":18446744073709551615}}'
    asked = called("r", confirm=True).model_copy(update={"arguments": large})
    await run.say(reply("r", None, calls=[ASKED]), asked, paused("r"), standing="paused")
    async with world.gateway() as (http, _):
        (tool,) = (await http.get("/agents/a/runs/r")).json()["tools"]
        assert tool["tool_args"] == {
            "ids": ["1234567890123456789", "-9007199254740993", 7], "yes": True,
            "by": {"n": "18446744073709551615"},
        }  # fmt: skip
        said = {"session_id": "s", "tools": json.dumps([{**tool, "confirmed": confirmed}])}
        following = asyncio.create_task(post(http, "/agents/a/runs/r/continue", said))
        await until(lambda: world.tasks())
        await run.say(returned("r"), standing="active")
        await run.finish()
        await following
    (answer,) = world.tasks()
    assert answer["decision"] == ("approve" if confirmed else "reject")
    assert "arguments" not in answer
