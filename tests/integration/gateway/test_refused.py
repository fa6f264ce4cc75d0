"""What the conductor would refuse: said to whoever sends it, and to whoever follows it."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.integration.gateway.world import World, read, until

TASK = {"target": "agent:a", "input": "hello"}


@pytest.mark.parametrize(
    ("more", "status", "code", "field"),
    [
        ({"deadline": "tomorrow"}, 400, "bad_input", "deadline"),
        ({"deadline": "2026-11-24T16:00:00"}, 400, "bad_input", "deadline"),
        ({"deadline": "0001-01-01T00:00:00+14:00"}, 400, "bad_input", "deadline"),
        ({"deadline": "2020-01-01T00:00:00Z"}, 409, "expired", "deadline"),
        ({"session_id": "s", "user_id": "eve"}, 403, "not_allowed", "session_id"),
        ({"session_id": "s"}, 403, "not_allowed", "session_id"),
        ({"media": [{"type": "file", "blob": "hmac:no"}]}, 400, "bad_input", "media.0.blob"),
        ({"output_schema": {"type": "nonsense"}}, 400, "bad_input", "output_schema"),
        ({"output_schema": {"properties": {"a": 3}}}, 400, "bad_input", "output_schema"),
        ({"reply_to": "others.replies"}, 403, "not_allowed", "reply_to"),
        ({"reply_to": "actalog.replies"}, 403, "not_allowed", "reply_to"),
    ],
)
async def test_what_could_never_become_a_run_is_refused_at_once(
    world: World, more: Mapping[str, Any], status: int, code: str, field: str
):
    await (await world.run("first", session="s")).begin()  # of user u
    async with world.gateway() as (http, _):
        answer = await http.post("/v1/tasks", json={**TASK, **more})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["field"]) == (status, code, field)
    assert not world.log.inbox


@pytest.mark.parametrize("topic", ["shop.replies", "actalog.results"])
async def test_a_result_may_go_where_the_operator_says(world: World, topic: str):
    async with world.gateway() as (http, _):
        answer = await http.post("/v1/tasks", json={**TASK, "run_id": "r", "reply_to": topic})
        # The same id again is the same run, wherever its result is wanted now.
        again = await http.post("/v1/tasks", json={**TASK, "run_id": "r", "reply_to": "others"})
    assert (answer.status_code, again.status_code) == (202, 202)


async def test_a_session_goes_on_under_its_own_user(world: World):
    await (await world.run("first", session="s")).begin()
    async with world.gateway() as (http, _):
        task = {**TASK, "session_id": "s", "user_id": "u"}
        mine = await http.post("/v1/tasks", json=task)
        others = await http.post("/agents/a/runs", data={"message": "x", "session_id": "s"})
    assert (mine.status_code, others.status_code) == (202, 403)


async def test_a_repeat_of_an_accepted_task_is_no_new_one_whose_time_has_passed(world: World):
    task = {**TASK, "run_id": "r"}
    async with world.gateway() as (http, _):
        await http.post("/v1/tasks", json=task)
        again = await http.post("/v1/tasks", json={**task, "deadline": "2020-01-01T00:00:00Z"})
    assert again.status_code == 202


@pytest.mark.parametrize(("minutes", "status"), [(30, 202), (-1, 409)])
async def test_a_gateway_whose_clock_is_ahead_refuses_what_has_really_passed_alone(
    world: World, minutes: int, status: int
):
    """As the conductor, which counts by the database's time, too."""
    deadline = datetime.now(UTC) + timedelta(minutes=minutes)
    ahead = lambda: datetime.now(UTC) + timedelta(hours=1)
    async with world.gateway(clock=ahead) as (http, _):
        answer = await http.post("/v1/tasks", json={**TASK, "deadline": deadline.isoformat()})
    assert answer.status_code == status


async def test_streams_of_a_task_that_was_refused_end_and_say_so(world: World):
    async with world.gateway() as (http, service):

        async def stream(method: str, path: str, **more: Any) -> dict[str, Any]:
            async with http.stream(method, path, **more) as answer:
                return {one.event: one.data for one in await read(answer)}

        await http.post("/v1/tasks", json={**TASK, "run_id": "r"})
        form = {"message": "hello"}
        following = [
            asyncio.create_task(one) for one in (
                stream("GET", "/v1/runs/r/events"), stream("POST", "/agents/a/runs", data=form),
            )
        ]  # fmt: skip
        whole = asyncio.create_task(http.post("/agents/a/runs", data={**form, "stream": "false"}))
        await until(lambda: len(world.log.inbox) == 3)
        await asyncio.sleep(0.5)
        assert not any(one.done() for one in (*following, whole))  # it may still become a run
        world.log.inbox.clear()  # as the conductor does when it refuses
        ours, agnos = await asyncio.gather(*following)
        answer = await whole
        assert service.parts[0].followers == 0  # type: ignore[attr-defined]
    assert ours["message.refused.v1"]["error"]["code"] == "unknown_run"
    assert list(agnos) == ["RunStarted", "RunError"]
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_run")
