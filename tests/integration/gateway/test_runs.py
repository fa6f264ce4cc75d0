"""What is rebuilt from the log: runs, their events, sessions; blobs, health, contracts."""

from datetime import timedelta

from actalog_contracts.runs import StateOp
from actalog_core.canonical import content_digest
from actalog_core.session_state import write_ops
from actalog_log.ports import Decision, SessionOp
from tests.integration.gateway.world import (
    AGENT,
    NOW,
    World,
    accepted,
    called,
    done,
    paused,
    reply,
    returned,
)


async def test_a_run_is_rebuilt_at_any_of_its_events(world: World):
    run = await world.run("r")
    await run.begin("What now?")
    await run.say(reply("r", "Let me see."), called("r"), returned("r"))
    await run.say(reply("r", "All is well.", turn=2), done(7))
    async with world.gateway() as (http, _):
        last = (await http.get("/v1/runs/r")).json()
        early = (await http.get("/v1/runs/r", params={"at": 5})).json()
        beyond = await http.get("/v1/runs/r", params={"at": 50})
    assert (last["status"], last["input"], last["output"]) == (
        "completed", "What now?", "All is well.",
    )  # fmt: skip
    assert [one["role"] for one in last["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert last["tool_calls"][0]["content"] == "deleted /a"
    assert (early["status"], early["events"], early["tool_calls"][0]["status"]) == (
        "running", 5, "running",
    )  # fmt: skip
    assert beyond.json()["error"]["field"] == "at"


async def test_the_log_is_paged_in_the_shape_of_the_audit_feed(world: World):
    run = await world.run("r")
    await run.begin()
    await run.finish()
    async with world.gateway() as (http, _):
        first = (await http.get("/v1/runs/r/log", params={"limit": 3})).json()
        rest = (await http.get("/v1/runs/r/log", params={"after": first["next"]})).json()
        wrong = await http.get("/v1/runs/r/log", params={"after": "x"})
        nul = await http.get("/v1/runs/r%00")
    events = [*first["events"], *rest["events"]]
    assert [one["seq"] for one in events] == [1, 2, 3, 4, 5]
    assert (events[0]["id"], events[0]["type"], rest["next"]) == ("r:1", "run.accepted.v1", None)
    assert (wrong.status_code, wrong.json()["error"]["field"]) == (422, "after")
    assert nul.status_code == 422


async def test_runs_are_listed_by_status_and_page_by_page(world: World):
    for number in range(5):
        run = await world.run(f"r{number}")
        await run.begin()
        if number % 2:
            await run.finish()
    async with world.gateway() as (http, _):
        ended = (await http.get("/v1/runs", params={"status": "completed"})).json()
        page = (await http.get("/v1/runs", params={"limit": 2})).json()
        more = (await http.get("/v1/runs", params={"before": page["next"]})).json()
        none = (await http.get("/v1/runs", params={"older_than": "2015-01-01T00:00:00Z"})).json()
        wrong = await http.get("/v1/runs", params={"older_than": "soon"})
    assert [one["run_id"] for one in ended["runs"]] == ["r3", "r1"]
    assert [one["run_id"] for one in page["runs"] + more["runs"]] == ["r4", "r3", "r2", "r1", "r0"]
    assert (none["runs"], wrong.status_code) == ([], 400)


async def test_a_session_begins_with_the_state_of_its_definition(world: World):
    begins = AGENT.model_copy(update={"session_state": f'{{"basket":[],"visits":{2**64}}}'})
    await world.deploy(begins)
    digest = content_digest(begins.model_dump_json().encode())
    run = await world.run("r", session="s8", definition=digest)
    await run.begin()
    ops = [
        StateOp(op="append", key="basket", value='"lamp"'),
        StateOp(op="increment", key="visits", value="1"),
        StateOp(op="increment", key="basket", value="1"),
    ]  # fits nothing: changes nothing
    await world.log.append(
        Decision(
            (), session_ops=(SessionOp("default", "s8", 1, run.row.run_no, 1, write_ops(ops)),)
        )
    )
    async with world.gateway() as (http, _):
        told = (await http.get("/v1/sessions/s8")).json()
        assert told["state"] == {"basket": ["lamp"], "visits": 2**64 + 1}
        assert told["state_version"] == 1


async def test_a_session_shows_its_runs_in_the_order_of_their_turns(world: World):
    for name in ("one", "two"):
        run = await world.run(name, session="s9")
        await run.say(accepted(name))
        await run.finish(f"answer {name}")
    async with world.gateway() as (http, _):
        told = (await http.get("/v1/sessions/s9")).json()
        assert (await http.get("/v1/sessions/none")).status_code == 404
    assert [one["output"] for one in told["runs"]] == ["answer one", "answer two"]


async def test_blobs_are_kept_under_a_digest_nobody_can_guess(world: World):
    async with world.gateway() as (http, _):
        put = await http.post("/v1/blobs", content=b"<h1>", headers={"content-type": "text/html"})
        got = await http.get(put.headers["location"])
        assert (put.status_code, got.content) == (201, b"<h1>")
        assert got.headers["content-disposition"] == "attachment"
        assert put.json()["id"].startswith("hmac:")
        assert (await http.get("/v1/blobs/none")).status_code == 404
        assert (await http.post("/v1/blobs")).status_code == 400


async def test_answers_are_safe_and_later_routes_name_themselves(world: World):
    async with world.gateway() as (http, _):
        later = await http.post("/v1/chat/completions", json={})
        lost = await http.get("/nothing")
        ui = {"Origin": "http://ui.example", "Access-Control-Request-Method": "GET"}
        asked = await http.options("/agents", headers=ui)
        measured = await http.get("/metrics")
        openapi = (await http.get("/openapi.json")).json()
        for name in ("..%2Fx", "a" * 300):
            assert (await http.get(f"/schemas/{name}.json")).status_code == 404
    assert (later.status_code, "chat completions" in later.json()["detail"]) == (501, True)
    assert (lost.status_code, lost.json()["error"]["code"]) == (404, "not_found")
    assert lost.headers["x-content-type-options"] == "nosniff"
    assert asked.headers["access-control-allow-origin"] == "http://ui.example"
    assert "actalog_inbox_depth" in measured.text
    assert "/v1/runs/{run_id}/events" in openapi["paths"]


async def test_an_active_run_is_found_by_the_name_of_either_list(world: World):
    """`actalog runs` calls it active, a run's own state running."""
    run = await world.run("r1")
    await run.begin()
    done_long_ago = await world.run("r2", session="s2")
    await done_long_ago.begin()
    await done_long_ago.finish()
    async with world.gateway() as (http, _):
        for status in ("active", "running"):
            (told,) = (await http.get("/v1/runs", params={"status": status})).json()["runs"]
            assert (told["run_id"], told["status"], told["standing"]) == (
                "r1", "running", "active",
            )  # fmt: skip


async def test_older_is_a_run_in_which_nothing_happened_since(world: World):
    """As `actalog runs --older-than` has it: a long run that goes on is not stuck."""
    run = await world.run("r")
    await run.begin()
    async with world.gateway() as (http, _):

        async def older(minutes: int) -> list[str]:
            at = (NOW + timedelta(minutes=minutes)).isoformat()
            found = await http.get("/v1/runs", params={"older_than": at})
            return [one["run_id"] for one in found.json()["runs"]]

        assert (await older(0), await older(1)) == ([], ["r"])
        await run.say(reply("r", "Wait."), at=NOW + timedelta(minutes=5))
        assert (await older(1), await older(6)) == ([], ["r"])
        (told,) = (await http.get("/v1/runs")).json()["runs"]
    assert told["last_event_at"] == "2026-11-24T16:05:00.123456Z"


async def test_requirements_are_paged_while_others_come_and_go(world: World):
    async def pause(name: str) -> None:
        run = await world.run(name, session=name)
        await run.begin()
        await run.say(called(name, confirm=True), paused(name), standing="paused")

    for number in range(5):
        await pause(f"r{number}")
    seen: list[str] = []
    async with world.gateway() as (http, _):
        page = (await http.get("/v1/requirements", params={"limit": 2})).json()
        while True:
            seen += [one["run_id"] for one in page["requirements"]]
            if page["next"] is None:
                break
            await pause(f"new{len(seen)}")
            params = {"limit": 2, "before": page["next"]}
            page = (await http.get("/v1/requirements", params=params)).json()
    assert seen == ["r4", "r3", "r2", "r1", "r0"]
