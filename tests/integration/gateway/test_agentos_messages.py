"""A run's conversation over AgentOS's routes: Agno's own fields, and calls that fit their answers."""

import asyncio
import json

from actalog_contracts.base import TextRef, ToolCall
from actalog_contracts.definitions import ModelChoice
from actalog_contracts.runs import OutputReviewed
from actalog_core.canonical import content_digest
from tests.integration.gateway.test_agentos import CALL, begun, names, post
from tests.integration.gateway.world import (
    AGENT,
    World,
    called,
    done,
    frames,
    paused,
    reply,
    returned,
    until,
)

TOOL = {"name": "delete_file", "arguments": '{"path":"/a"}'}
SCHEMA = json.dumps({"title": "Weather", "type": "object"})


async def with_a_tool(world: World) -> None:
    run = await world.run("r", session="s1")
    await run.begin()
    asked = ToolCall(id="r:m1.0", provider_id="c", **TOOL)
    thought = reply("r", "Wait.", calls=[asked]).model_copy(update={"reasoning": "Hm, files."})
    await run.say(thought, called("r"), returned("r"), reply("r", "Done.", turn=2), done(7))


async def test_a_message_that_asks_for_a_tool_names_the_call_that_was_made(world: World):
    await with_a_tool(world)
    async with world.gateway() as (http, _):
        told = (await http.get("/v1/runs/r")).json()
    _, asking, answer, _ = told["messages"]
    assert asking["tool_calls"] == [{"id": "r:t1.0", **TOOL}]
    assert asking["reasoning"] == "Hm, files."
    assert answer["tool_call_id"] == told["tool_calls"][0]["id"] == "r:t1.0"


async def test_two_calls_of_one_message_have_their_own_names(world: World):
    run = await world.run("r")
    await run.begin()
    asked = [ToolCall(id=f"r:m1.{at}", provider_id="c", **TOOL) for at in range(2)]
    second = called("r").model_copy(update={"call_id": "r:t1.1"})
    await run.say(reply("r", None, calls=asked), called("r"), second)
    async with world.gateway() as (http, _):
        told = (await http.get("/v1/runs/r")).json()
    assert [one["id"] for one in told["messages"][-1]["tool_calls"]] == ["r:t1.0", "r:t1.1"]


async def test_agnos_clients_find_calls_in_openais_form(world: World):
    await with_a_tool(world)
    async with world.gateway() as (http, _):
        polled = (await http.get("/agents/a/runs/r")).json()
        (listed,) = (await http.get("/sessions/s1/runs")).json()
    assert polled["messages"] == listed["messages"]
    user, asking, answer, last = polled["messages"]
    assert (user["role"], user["content"]) == ("user", "hello")
    assert asking["tool_calls"] == [{"id": "r:t1.0", "type": "function", "function": TOOL}]
    assert (asking["content"], asking["reasoning_content"]) == ("Wait.", "Hm, files.")
    assert (answer["tool_call_id"], answer["tool_name"]) == ("r:t1.0", "delete_file")
    assert (answer["tool_args"], answer["tool_call_error"]) == ({"path": "/a"}, False)
    assert "reasoning_content" not in last
    assert polled["reasoning_content"] == listed["reasoning_content"] == "Hm, files."


async def test_a_call_that_waits_for_a_person_is_named_as_its_requirement(world: World):
    run = await world.run("r")
    await run.begin()
    await run.say(
        reply("r", None, calls=[CALL]), called("r", confirm=True), paused("r"), standing="paused"
    )
    async with world.gateway() as (http, _):
        told = (await http.get("/agents/a/runs/r")).json()
    (one,) = told["messages"][-1]["tool_calls"]
    assert one["id"] == told["requirements"][0]["tool_execution"]["tool_call_id"]
    assert "content" not in told["messages"][-1]


async def test_what_a_review_lets_through_is_said_once(world: World):
    """A message that waits for its review has no text of its own."""
    held = TextRef(held="h", digest="hmac:h")
    async with world.gateway() as (http, _):
        following = asyncio.create_task(post(http, "/agents/a/runs", {"message": "?"}))
        run = await begun(world)
        run_id = run.row.run_id
        waits = reply(run_id, None).model_copy(update={"held_text": held})
        await run.say(waits, OutputReviewed(verdict="masked", text="Call [PHONE]."), done(5))
        told = await following
        polled = (await http.get(f"/agents/a/runs/{run_id}")).json()
    assert [one.data["content"] for one in told if one.event == "RunContent"] == ["Call [PHONE]."]
    assert told[-1].data["content"] == polled["content"] == "Call [PHONE]."
    said = [(one["role"], one["content"]) for one in polled["messages"]]
    assert said == [("user", "?"), ("assistant", "Call [PHONE].")]


async def test_what_comes_twice_or_with_a_gap_is_told_once_and_in_order(world: World):
    async with (
        world.gateway() as (http, _),
        http.stream("POST", "/agents/a/runs", data={"message": "?"}) as answer,
    ):
        run, told = await begun(world), frames(answer)
        pieces = ((0, "Hel"), (0, "Hel"), (1, "el"), (2, "llo"), (8, "you"))
        for offset, text in pieces:
            await run.delta(text, offset=offset, kind="reasoning")
        await run.delta("Hm.", epoch=2, kind="reasoning")  # another attempt, which answers
        for offset, text in pieces:
            await run.delta(text, offset=offset, epoch=2)
        seen = [await anext(told) for _ in range(6)]
        await asyncio.sleep(0.1)
        await run.say(reply(run.row.run_id, "Hello, you", epoch=2), done(4))
        seen += [one async for one in told]
    said = [one.data for one in seen if one.event == "RunContent"]
    assert [one["content"] for one in said if one["content"]] == ["Hel", "lo", ", you"]
    assert [one["reasoning_content"] for one in said if one["reasoning_content"]] == ["Hel", "lo"]


async def test_a_run_is_told_with_the_agent_that_it_began_with(world: World):
    """Whatever is deployed by now."""
    before = AGENT.model_copy(update={"session_state": f'{{"visits":{2**64}}}'})
    body = before.model_dump_json().encode()
    run = await world.run("r", definition=content_digest(body))
    await world.log.put_definition(content_digest(body), "agent", "a", body)
    await run.begin()
    await run.say(reply("r", None, calls=[CALL]), called("r", confirm=True))
    await run.say(paused("r"), standing="paused")
    await world.deploy(AGENT.model_copy(update={"model": ModelChoice(provider="x", id="new")}))
    async with world.gateway() as (http, _):
        form = {"session_id": "s", "tools": '[{"tool_call_id": "r:t1.0", "confirmed": true}]'}
        following = asyncio.create_task(post(http, "/agents/a/runs/r/continue", form))
        await until(lambda: world.tasks())
        await run.say(returned("r"), standing="active")
        await run.finish("Gone.")
        told = await following
        polled = (await http.get("/agents/a/runs/r")).json()
    assert {one.data["model"] for one in told if "model" in one.data} == {"m"}
    assert (polled["model"], polled["model_provider"]) == ("m", "OpenAI")
    assert polled["session_state"] == told[-1].data["session_state"] == {"visits": 2**64}


async def test_a_structured_answer_is_of_the_type_that_its_schema_names(world: World):
    await world.deploy(AGENT.model_copy(update={"output_schema": SCHEMA}))
    async with world.gateway() as (http, _):
        following = asyncio.create_task(post(http, "/agents/a/runs", {"message": "?"}))
        run = await begun(world)
        structured = done(4).model_copy(update={"output_is_json": True})
        await run.say(reply(run.row.run_id, '{"city": "Oslo"}'), structured)
        told = await following
        polled = (await http.get(f"/agents/a/runs/{run.row.run_id}")).json()
    assert names(told)[-3:] == ["RunContent", "RunContentCompleted", "RunCompleted"]
    for one in (told[-3].data, told[-1].data, polled):
        assert (one["content"], one["content_type"]) == ({"city": "Oslo"}, "Weather")


async def test_an_agent_is_shown_with_what_it_was_given(world: World):
    full = {
        "description": "Helps.",
        "instructions": ("Be kind.",),
        "history_runs": 3,
        "learn": True,
    }
    await world.deploy(AGENT.model_copy(update=full))
    run = await world.run("r")
    await run.begin()
    await run.finish()
    async with world.gateway() as (http, _):
        shown = (await http.get("/agents/a")).json()
        told = (await http.get("/agents/a/runs/r")).json()
        listed = (await http.get("/sessions/s/runs/r")).json()
    assert shown["description"] == "Helps."
    assert shown["sessions"] == {"add_history_to_context": True, "num_history_runs": 3}
    assert shown["memory"] == {"update_memory_on_run": True}
    assert shown["system_message"] == {"instructions": ["Be kind."]}
    used = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    assert used.items() <= told["metrics"].items()
    assert listed["metrics"] == used
    assert (told["user_id"], told["model"], told["metrics"]["duration"]) == ("u", "m", 0.123456)
