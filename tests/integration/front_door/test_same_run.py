"""`run` with the id of a run that is there already: the same run, whoever began it and when."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import BaseModel

from actalog import Agent, App, Client, tool
from actalog.client import Refused
from actalog.run.base import RunStatus
from actalog.testing import Fault, ScriptedModel, call, isolated_platform


class Verdict(BaseModel):
    mood: str


@tool(requires_confirmation=True)
def refund(order_id: str) -> str:
    """Pays back."""
    return f"paid back {order_id}"


@pytest.fixture(autouse=True)
async def nobody_waits_for_ever() -> AsyncIterator[None]:
    async with asyncio.timeout(20):
        yield


def agent(*replies: Any, **more: Any) -> Agent:
    return Agent(name="a", model=ScriptedModel([*replies]), tools=[refund], **more)


async def test_a_run_that_has_ended_is_answered_again_and_not_run_again():
    a = agent("Once.")
    async with isolated_platform(App(agents=[a])) as platform:
        first = await platform.run(a, "x", run_id="r")
        again, events = await platform.observe(a, "x", run_id="r")
    assert (again.status, again.content, again.run_id) == (RunStatus.completed, "Once.", "r")
    assert again.metrics.total_tokens == first.metrics.total_tokens
    assert [one.event for one in events] == ["RunContent", "RunContentCompleted", "RunCompleted"]


async def test_an_answer_with_a_shape_is_the_same_object_again():
    a = agent('{"mood": "fine"}', output_schema=Verdict)
    async with isolated_platform(App(agents=[a])) as platform:
        first = await platform.run(a, "x", run_id="r")
        again = await platform.run(a, "x", run_id="r")
    assert again.content == first.content == Verdict(mood="fine")


async def test_a_run_that_failed_is_told_again_with_its_error():
    a = agent(Fault(status=401, message="no such key"))
    async with isolated_platform(App(agents=[a])) as platform:
        first = await platform.run(a, "x", run_id="r")
        again = await platform.run(a, "x", run_id="r")
    assert (again.status, again.error, again.content) == (
        RunStatus.error, first.error, first.content,
    )  # fmt: skip


async def test_a_run_that_waits_for_a_person_is_shown_again_and_goes_on():
    a = agent(call("refund", order_id="8"), "Done.")
    async with isolated_platform(App(agents=[a])) as platform:
        first = await platform.run(a, "x", run_id="r")
        again = await platform.run(a, "x", run_id="r")
        (required,) = again.active_requirements
        assert required.id == first.active_requirements[0].id
        assert required.tool_execution.tool_args == {"order_id": "8"}
        required.confirm()
        done = await platform.resume(a, again)
    assert (done.status, done.content) == (RunStatus.completed, "Done.")


async def test_a_run_that_was_cancelled_is_told_again():
    a = agent(call("refund", order_id="8"))
    async with isolated_platform(App(agents=[a])) as platform:
        await platform.run(a, "x", run_id="r")
        async with Client(platform=platform.platform) as client:
            await client.cancel("r")
            while (await client.result("r")).status != "cancelled":
                pass
        assert (await platform.run(a, "x", run_id="r")).status is RunStatus.cancelled


async def test_another_input_under_a_known_id_is_refused():
    a = agent("Once.")
    async with isolated_platform(App(agents=[a])) as platform:
        await platform.run(a, "x", run_id="r")
        with pytest.raises(Refused, match="conflict"):
            await platform.run(a, "y", run_id="r")


async def test_a_clients_stream_of_what_has_ended_ends():
    async with isolated_platform(App(agents=[agent("Once.")])) as platform:
        first = await platform.client.result(
            await platform.client.submit("agent:a", "x", run_id="r")
        )
        async with Client(platform=platform.platform) as client:
            told = asyncio.create_task(_all(client))
            await asyncio.sleep(0)
            await client.submit("agent:a", "x", run_id="r")
            assert await told == []
            assert await client.result("r") == first


async def _all(client: Client) -> list[object]:
    return [one async for one in client.stream("r")]
