"""One run whose log was changed is told as such; the others of a list as always."""

from typing import Any

import pytest

from tests.integration.gateway.world import World, called, paused

pytestmark = pytest.mark.tampers


def tamper(world: World, run_no: int, seq: int) -> None:
    """Somebody has written to the tables: an event is another than it was."""
    event = world.log.events[run_no][seq - 1]
    world.log.events[run_no][seq - 1] = event._replace(payload=event.payload + b" ")


async def three(world: World, **changed: int) -> None:
    """Runs that have ended, and which event of whom was changed."""
    for name in ("one", "two", "three"):
        run = await world.run(name)
        await run.begin(name)
        await run.finish(f"answer {name}")
        if name in changed:
            tamper(world, run.row.run_no, changed[name])


async def listed(world: World, path: str, **params: Any) -> Any:
    async with world.gateway() as (http, _):
        answer = await http.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_list_of_runs_marks_the_one_whose_log_was_changed(world: World):
    await three(world, two=5)
    told = (await listed(world, "/v1/runs"))["runs"]
    assert [(one["run_id"], one["status"]) for one in told] == [
        ("three", "completed"), ("two", "tampered"), ("one", "completed"),
    ]  # fmt: skip
    assert [one["tampered"] is None for one in told] == [True, False, True]
    assert "seq 5" in told[1]["tampered"]


async def test_a_run_of_which_nobody_knows_how_it_ended_is_under_every_ending(world: World):
    await three(world, two=5)
    for status, names in (("completed", ["three", "two", "one"]), ("failed", ["two"])):
        told = (await listed(world, "/v1/runs", status=status))["runs"]
        assert [one["run_id"] for one in told] == names
    assert (await listed(world, "/v1/runs", status="paused"))["runs"] == []


async def test_a_session_shows_its_other_runs(world: World):
    await three(world, one=2)
    told = await listed(world, "/v1/sessions/s")
    assert [(one["status"], one["output"]) for one in told["runs"]] == [
        ("tampered", None), ("completed", "answer two"), ("completed", "answer three"),
    ]  # fmt: skip
    assert told["runs"][0]["error"]["code"] == "tampered"


async def test_agentos_lists_the_run_as_an_error(world: World):
    await three(world, one=2)
    runs = await listed(world, "/sessions/s/runs")
    assert [one["status"] for one in runs] == ["ERROR", "COMPLETED", "COMPLETED"]
    assert "seq 2" in runs[0]["content"]
    (session,) = (await listed(world, "/sessions"))["data"]
    assert session["session_name"] == "s"  # what was asked first cannot be told
    assert len((await listed(world, "/sessions/s"))["chat_history"]) == 4


async def test_what_others_wait_for_is_still_shown(world: World):
    for name in ("one", "two"):
        run = await world.run(name, session=name)
        await run.begin()
        await run.say(called(name, confirm=True), paused(name), standing="paused")
        if name == "one":
            tamper(world, run.row.run_no, 3)
    told = await listed(world, "/v1/requirements")
    assert [one["run_id"] for one in told["requirements"]] == ["two"]
    assert [one["run_id"] for one in told["tampered"]] == ["one"]


async def test_the_run_itself_is_refused_in_one_clear_answer(world: World):
    await three(world, two=5)
    async with world.gateway() as (http, _):
        for path in ("/v1/runs/two", "/v1/runs/two/log"):
            answer = await http.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (500, "tampered")
            assert "seq 5" in answer.json()["error"]["message"]
