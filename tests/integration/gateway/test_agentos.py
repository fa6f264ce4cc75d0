"""AgentOS's routes, as Agno's own client and agent-ui use them."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import httpx
import pytest

from actalog_contracts.base import Error, ToolCall, Usage
from actalog_contracts.definitions import Limits
from actalog_contracts.runs import (
    MemoryOp,
    MemoryUpdated,
    RequirementResolved,
    RunCancelled,
    RunCompleted,
    RunFailed,
    SessionSummarised,
)  # fmt: skip
from tests.integration.gateway.world import (
    AGENT,
    Frame,
    Run,
    World,
    accepted,
    called,
    done,
    frames,
    paused,
    read,
    reply,
    returned,
    until,
)  # fmt: skip

CALL = ToolCall(id="", provider_id="c", name="delete_file", arguments='{"path":"/a"}')
SIMPLE = [
    "RunStarted", "ModelRequestStarted", "RunContent", "ModelRequestCompleted",
    "RunContentCompleted", "RunCompleted",
]  # fmt: skip


async def post(
    http: httpx.AsyncClient, path: str, form: Mapping[str, Any], **more: Any
) -> list[Frame]:
    async with http.stream("POST", path, data=form, **more) as answer:
        assert answer.status_code == 200, await answer.aread()
        return await read(answer)


async def begun(world: World) -> Run:
    """The run of the task that was sent and not begun yet: partitions have no order together."""

    def waiting() -> list[dict[str, Any]]:
        return [one for one in world.tasks() if ("default", one["run_id"]) not in world.log.ids]

    await until(lambda: bool(waiting()))
    (task,) = waiting()
    run = await world.run(task["run_id"], session=task.get("session_id", task["run_id"]))
    await run.begin(task["input"])
    return run


def names(told: list[Frame]) -> list[str]:
    assert all(one.event == one.data["event"] and not one.id for one in told)
    shown = [one.event for one in told]
    return [name for at, name in enumerate(shown) if shown[at - 1 : at] != [name]]


async def test_a_streamed_run_has_agnos_events_in_agnos_order(world: World):
    async with world.gateway() as (http, _):
        form = {"message": "hello", "stream": "true", "session_id": "", "user_id": "u1"}
        following = asyncio.create_task(post(http, "/agents/a/runs", form))
        run = await begun(world)
        await run.delta("Hel")
        await asyncio.sleep(0.05)
        await run.finish("Hello!")
        told = await following
    assert names(told) == SIMPLE
    assert [one.data["content"] for one in told if one.event == "RunContent"] == ["Hel", "lo!"]
    first, last = told[0].data, told[-1].data
    assert (first["agent_id"], first["model"], first["session_id"]) == (
        "a", "m", world.tasks()[0]["run_id"],
    )  # fmt: skip
    assert (last["content"], last["metrics"]["total_tokens"]) == ("Hello!", 5)


@pytest.mark.parametrize("cut", range(1, 6))
async def test_a_client_that_was_cut_polls_the_whole_answer_from_another_gateway(
    world: World, cut: int
):
    """This wire has no ids to come back with; the run goes on, and any gateway knows it."""
    async with world.gateway() as (one, service), world.gateway() as (two, _):

        async def until_cut() -> list[Frame]:
            seen: list[Frame] = []
            form = {"message": "hello", "stream": "true"}
            async with one.stream("POST", "/agents/a/runs", data=form) as answer:
                async for frame in frames(answer):
                    seen.append(frame)
                    if len(seen) == cut:
                        return seen
            return seen

        following = asyncio.create_task(until_cut())
        run = await begun(world)
        await run.delta("Hel")
        await asyncio.sleep(0.05)
        await run.finish("Hello!")
        seen = await following
        told = (await two.get(f"/agents/a/runs/{run.row.run_id}")).json()
        await until(lambda: service.parts[0].followers == 0, 1)  # type: ignore[attr-defined]
    assert len(seen) == cut
    assert (told["status"], told["content"]) == ("COMPLETED", "Hello!")


async def test_without_streaming_the_whole_run_is_one_json(world: World):
    async with world.gateway() as (http, _):
        form = {"message": "hello", "stream": "false", "session_id": "s1", "metadata": '{"k": 1}'}
        asking = asyncio.create_task(http.post("/agents/a/runs", data=form))
        await (await begun(world)).finish("Hello!")
        told = (await asking).json()
    assert (told["status"], told["content"], told["session_id"]) == ("COMPLETED", "Hello!", "s1")
    assert told["input"] == {"input_content": "hello"}
    assert world.tasks()[0]["metadata"] == {"k": 1}


async def test_a_key_names_one_run_also_where_the_session_is_a_new_one(world: World):
    form = {"message": "hello", "stream": "false", "background": "true", "session_id": ""}
    async with world.gateway() as (http, _):
        answers = [
            await http.post("/agents/a/runs", data=form, headers={"Idempotency-Key": "k"})
            for _ in range(2)
        ]
        other = await http.post("/agents/a/runs", data=form)
    first, again = [one.json() for one in answers]
    assert [one.status_code for one in answers] == [202, 202]
    assert first == again
    assert other.json()["session_id"] != first["session_id"]


async def test_multipart_with_a_file_is_a_task_with_media(world: World):
    async with world.gateway() as (http, _):
        answer = await http.post(
            "/agents/a/runs", data={"message": "see", "stream": "false", "background": "true"},
            files={"files": ("a.txt", b"text", "text/plain")},
        )  # fmt: skip
        await until(lambda: world.tasks())
        poll = await http.get(f"/agents/a/runs/{answer.json()['run_id']}")
    assert (answer.status_code, poll.json()["status"]) == (202, "PENDING")
    assert world.tasks()[0]["media"][0]["filename"] == "a.txt"


async def test_a_tool_call_is_shown_with_all_its_keys(world: World):
    async with world.gateway() as (http, _):
        following = asyncio.create_task(post(http, "/agents/a/runs", {"message": "go"}))
        run = await begun(world)
        run_id = run.row.run_id
        await run.say(reply(run_id, "Wait.", calls=[CALL]), called(run_id), returned(run_id))
        await run.say(reply(run_id, "Done.", turn=2), done(7))
        told = await following
    assert names(told) == [
        "RunStarted", "ModelRequestStarted", "RunContent", "ModelRequestCompleted",
        "ToolCallStarted", "ToolCallCompleted", *SIMPLE[1:],
    ]  # fmt: skip
    (completed,) = [one.data for one in told if one.event == "ToolCallCompleted"]
    assert len(completed["tool"]) == 21
    assert completed["tool"]["tool_args"] == {"path": "/a"}
    assert completed["content"] == "delete_file(path=/a) completed in 0.0020s. "
    assert told[-1].data["content"] == "Wait.Done."


async def test_another_attempt_ends_the_streaming_and_the_end_has_the_whole_text(world: World):
    async with world.gateway() as (http, _):
        following = asyncio.create_task(post(http, "/agents/a/runs", {"message": "go"}))
        run = await begun(world)
        await run.delta("wrong")
        await asyncio.sleep(0.05)
        await run.delta("right", epoch=2)
        await asyncio.sleep(0.05)
        await run.say(reply(run.row.run_id, "right", epoch=2), done(4))
        told = await following
    assert [one.data["content"] for one in told if one.event == "RunContent"] == ["wrong"]
    assert told[-1].data["content"] == "right"


async def test_a_confirmation_pauses_and_goes_on_under_the_same_run(world: World):
    async with world.gateway() as (http, _):
        following = asyncio.create_task(
            post(http, "/agents/a/runs", {"message": "go", "session_id": "s5"})
        )
        run = await begun(world)
        run_id = run.row.run_id
        await run.say(reply(run_id, None, calls=[CALL]), called(run_id, confirm=True))
        await run.say(paused(run_id), standing="paused")
        told = await following
        assert names(told)[-2:] == ["RunContentCompleted", "RunPaused"]
        (tool,) = told[-1].data["tools"]
        assert told[-1].data["requirements"][0]["tool_execution"] == tool
        path = f"/agents/a/runs/{run_id}/continue"
        without = await http.post(path, data={"tools": "[]"})
        undecided = await http.post(path, data={"tools": "[]", "session_id": "s5"})
        assert (without.status_code, without.json()["detail"]) == (
            400, "session_id is required for this action",
        )  # fmt: skip
        assert undecided.status_code == 400
        form = {"tools": json.dumps([{**tool, "confirmed": True}]), "session_id": "s5"}
        following = asyncio.create_task(post(http, path, form))
        await until(lambda: len(world.tasks()) == 2)
        approve = RequirementResolved(requirement_id=f"{run_id}:t1.0:confirm", decision="approve")
        await run.say(approve, returned(run_id), standing="active")
        await run.say(reply(run_id, "Gone.", turn=2), done(9))
        told = await following
    assert names(told) == ["RunContinued", "ToolCallStarted", "ToolCallCompleted", *SIMPLE[1:]]
    assert [one.data["event_index"] for one in told] == list(range(len(told)))
    assert {one.data["run_id"] for one in told} == {run_id}


async def test_failed_and_cancelled_runs_are_told_in_200s(world: World):
    async with world.gateway() as (http, _):
        following = asyncio.create_task(post(http, "/agents/a/runs", {"message": "go"}))
        run = await begun(world)
        await run.say(RunFailed(error=Error(code="model_failed", message="upstream failed")))
        told = await following
        assert names(told)[-1] == "RunError"
        assert told[-1].data["error_type"] == "model_provider_error"
        following = asyncio.create_task(post(http, "/agents/a/runs", {"message": "stop"}))
        run = await begun(world)
        assert (await http.post(f"/agents/a/runs/{run.row.run_id}/cancel")).json() == {}
        await run.say(RunCancelled(usage=Usage()))
        assert names(await following)[-2:] == ["RunCancelled", "RunCompleted"]


async def test_remembering_is_shown_before_the_end(world: World):
    await world.deploy(
        AGENT.model_copy(update={"learn": True, "summary": True, "limits": Limits()})
    )
    async with world.gateway() as (http, _):
        following = asyncio.create_task(post(http, "/agents/a/runs", {"message": "I like tea"}))
        run = await begun(world)
        child = await world.run(f"{run.row.run_id}:memory", parent=run.row, kind="memory")
        await child.say(accepted())
        await run.finish("Noted.")
        await asyncio.sleep(0.1)
        assert not following.done()
        note = MemoryOp(op="add", id="1", text="User likes tea.")
        await child.say(
            MemoryUpdated(call_id="c", ops=(note,)),
            SessionSummarised(call_id="d", summary="Tea was spoken of."), RunCompleted(),
        )  # fmt: skip
        told = await following
    assert names(told)[-5:] == [
        "MemoryUpdateStarted", "MemoryUpdateCompleted", "SessionSummaryStarted",
        "SessionSummaryCompleted", "RunCompleted",
    ]  # fmt: skip
    assert told[-4].data["memories"][0]["memory"] == "User likes tea."


async def test_what_clients_ask_at_start_and_as_history(world: World):
    run = await world.run("r", session="s1")
    await run.begin("First question")
    await run.finish("First answer")
    async with world.gateway() as (http, _):
        config = (await http.get("/config")).json()
        (agent,) = (await http.get("/agents")).json()
        assert (await http.get("/teams")).json() == []
        assert (await http.get("/health")).json()["status"] == "ok"
        listed = (await http.get("/sessions", params={"type": "agent", "component_id": "a"})).json()
        (told,) = (await http.get("/sessions/s1/runs")).json()
        lost = [
            await http.get("/agents/b"), await http.get("/sessions/none/runs"),
            await http.get("/agents/a/runs/none"),
            await http.post("/agents/a/runs/none/continue", data={"session_id": "s"}),
        ]  # fmt: skip
        bare = await http.post("/agents/a/runs", data={})
        wrong = await http.post("/agents/a/runs", data={"message": "x", "metadata": "[1]"})
    assert (config["agents"][0]["id"], config["company"]) == ("a", None)
    assert agent["model"] == {"name": "OpenAI", "model": "m", "provider": "OpenAI"}
    assert agent["db_id"] == config["databases"][0]
    assert (listed["data"][0]["session_name"], listed["meta"]["total_count"]) == (
        "First question", 1,
    )  # fmt: skip
    assert (told["run_input"], told["content"], told["status"]) == (
        "First question", "First answer", "COMPLETED",
    )  # fmt: skip
    assert [one.status_code for one in lost] == [404] * 4
    assert lost[0].json()["detail"] == "Agent not found"
    assert (bare.status_code, wrong.json()["error"]["field"]) == (422, "metadata")
    assert bare.json()["detail"][0]["loc"] == ["body", "message"]
