"""AgentOS's forms have fields that have no effect here: which are ignored, and which are refused."""

import json
from typing import Any

import pytest

from tests.integration.gateway.world import World, called, paused

RUNS = "/agents/a/runs"


@pytest.mark.parametrize(
    "field",
    [
        {"knowledge_filters": '{"a": 1}'}, {"version": "3"}, {"factory_input": "{}"},
        {"files_metadata": "[{}]"}, {"add_history_to_context": "false"}, {"run_id": "r"},
        {"sesion_id": "s"}, {"Message": "x"}, {"x" * 300: "y"}, {"имя": "x"},
    ],
)  # fmt: skip
async def test_what_would_have_no_effect_is_refused_by_its_name(
    world: World, field: dict[str, str]
):
    async with world.gateway() as (http, _):
        answer = await http.post(RUNS, data={"message": "hello", **field})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "not_supported")
    assert error["field"] == next(iter(field))[:200]
    assert answer.json()["detail"]  # where AgentOS's clients look
    assert not world.log.inbox


async def test_a_file_under_another_name_is_not_left_out_without_a_word(world: World):
    async with world.gateway() as (http, _):
        answer = await http.post(RUNS, data={"message": "see"}, files={"file": ("f", b"x")})
        assert (answer.status_code, answer.json()["error"]["field"]) == (400, "file")
        form = {"message": "see", "stream": "false", "background": "true"}
        nothing = await http.post(RUNS, data=form, files={"file": ("f", b"")})
    assert nothing.status_code == 202


@pytest.mark.parametrize(
    "field",
    [
        {"monitor": "true"}, {"debug_mode": "true"}, {"use_json_schema": "true"},
        {"knowledge_filters": ""}, {"version": "null"}, {"factory_input": "None"},
        {"files_metadata": ""},
    ],
)  # fmt: skip
async def test_what_changes_no_run_is_ignored(world: World, field: dict[str, str]):
    form = {"message": "hello", "stream": "false", "background": "true"}
    async with world.gateway() as (http, _):
        assert (await http.post(RUNS, data={**form, **field})).status_code == 202


@pytest.mark.parametrize(
    ("field", "refused"),
    [
        ({"input": "and now"}, "input"), ({"fork": "true"}, "fork"),
        ({"regenerate": "1"}, "regenerate"), ({"continue_from": "3"}, "continue_from"),
        ({"additional_instructions": "be brief"}, "additional_instructions"),
        ({"message": "hello"}, "message"), ({"requirements": "[]"}, "requirements"),
        ({"continue_from": "end", "fork": "False", "regenerate": "false", "input": "",
          "replace_original": "false", "additional_instructions": "null"}, None),
    ],
)  # fmt: skip
async def test_a_run_goes_on_as_it_was_asked_to_or_not_at_all(
    world: World, field: dict[str, str], refused: str | None
):
    run = await world.run("r")
    await run.begin()
    await run.say(called("r", confirm=True), paused("r"), standing="paused")
    tool: dict[str, Any] = {"tool_call_id": "r:t1.0", "confirmed": True}
    form = {"tools": json.dumps([tool]), "session_id": "s", "stream": "false",
            "background": "true", **field}  # fmt: skip
    async with world.gateway() as (http, _):
        answer = await http.post(f"{RUNS}/r/continue", data=form)
    if refused is None:
        assert answer.status_code == 202, answer.text
        return
    assert (answer.status_code, answer.json()["error"]["field"]) == (400, refused)
    assert not world.log.inbox
