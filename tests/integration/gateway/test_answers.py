"""Answers of people over HTTP, to the real conductor: who gave them is an event, and what cannot
be taken is refused by name and changes nothing."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from actalog_bus.memory import MemoryBus
from actalog_contracts.calls import Command, Outcome, RunTool, answer
from actalog_contracts.runs import RequirementResolved, ToolInDoubt, ToolReturned
from actalog_core.events import decode
from actalog_core.settings import Settings
from actalog_gateway.app import build_app
from actalog_gateway.server import HttpServer
from actalog_log.memory import MemoryLog
from actalog_log.postgres import PostgresLog
from tests.integration.conductor.world import World
from tests.integration.gateway.world import read

DOUBT, CONFIRM = "r:t1.0:doubt1", "r:t1.0:confirm"


@dataclass
class Desk:
    """`world` has the conductor; `http` is a client of a gateway on the same log and broker."""

    world: World
    http: httpx.AsyncClient
    before: list[str] = field(default_factory=list[str])

    async def doubting(self) -> None:
        """Run `r` is paused: nobody knows whether its tool has acted."""
        whole = self.world.outcome

        async def outcome(command: Command) -> Outcome:
            if not isinstance(command, RunTool):
                return await whole(command)
            if command.after_epoch is None:
                return ToolInDoubt(call_id=command.call_id, epoch=1, message="its worker died")
            epoch = command.after_epoch + 1
            return ToolReturned(call_id=command.call_id, epoch=epoch, content="done")

        self.world.outcome = outcome  # type: ignore[method-assign]
        await self._begin("lookup")

    async def confirming(self) -> None:
        """Run `r` is paused: its tool must be let run."""
        await self._begin("refund")

    async def _begin(self, tool: str) -> None:
        self.world.script = {1: [tool]}
        await self.world.start()
        task = {"target": "agent:a", "input": "hello", "run_id": "r", "session_id": "s"}
        assert (await self.http.post("/v1/tasks", json=task)).status_code == 202
        await self.settled()
        assert (await self.state())["status"] == "paused"
        self.before = await self.world.types()

    async def settled(self) -> None:
        """Until what was posted has been decided."""
        async with asyncio.timeout(10):
            while sum((await self.world.log.inbox_depths()).values()):  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        await self.world.bus.drained()

    async def answer(self, name: str, run_id: str = "r", **said: Any) -> httpx.Response:
        answered = await self.http.post(f"/v1/runs/{run_id}/requirements/{name}", json=said)
        await self.settled()
        return answered

    async def state(self) -> dict[str, Any]:
        return (await self.http.get("/v1/runs/r")).json()

    async def resolutions(self) -> list[tuple[str, str | None, str | None]]:
        found = await self.world.log.find_run("default", "r")
        assert found is not None
        told = [
            decode(one.type, one.payload) for one in await self.world.log.read(found.row.run_no)
        ]
        return [
            (one.decision, one.by, one.note) for one in told if isinstance(one, RequirementResolved)
        ]

    async def seq(self, kind: str) -> str:
        return f"r:{(await self.world.types()).index(kind) + 1}"


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def desk(request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    log: MemoryLog | PostgresLog = MemoryLog()
    if request.param == "postgres":
        log = PostgresLog(request.getfixturevalue("fresh_database"))
        await log.start()
    world = World(log)
    bus = MemoryBus(broker=world.broker)
    service = build_app(bus=bus, log=log, settings=Settings(port=0))
    await service.start()
    await bus.start()
    server = service.parts[-1]
    assert isinstance(server, HttpServer)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}", timeout=10) as http:
        yield Desk(world, http)
    await bus.stop(1)
    await service.stop()
    await world.bus.stop()
    if isinstance(log, PostgresLog):
        await log.stop()


@pytest.mark.parametrize(
    ("said", "status", "ran"),
    [
        ({"decision": "done", "result": {"refund": 4}}, "completed", 1),
        ({"decision": "done"}, "completed", 1),
        ({"decision": "not_done", "note": "I looked"}, "completed", 2),
        ({"decision": "reject"}, "completed", 1),
    ],
)
async def test_each_answer_to_a_doubt_is_an_event_with_its_author(
    desk: Desk, said: dict[str, Any], status: str, ran: int
):
    await desk.doubting()
    (asked,) = (await desk.http.get("/v1/requirements")).json()["requirements"]
    assert (asked["id"], asked["kind"]) == (DOUBT, "in_doubt")
    (told,) = (await desk.world.results())[-1]["requirements"]
    assert asked == {"fields": [], **told}  # until when, too
    answered = await desk.answer(DOUBT, by="ann", digest=asked["tool_call"]["digest"], **said)
    assert (answered.status_code, answered.json()["accepted"]) == (202, True)
    assert await desk.resolutions() == [(said["decision"], "ann", said.get("note"))]
    state = await desk.state()
    assert (state["status"], state["requirements"]) == (status, [])
    assert len(desk.world.ran()) == ran
    if "result" in said:
        assert json.loads(state["tool_calls"][0]["content"]) == said["result"]


async def test_an_answer_without_an_author_is_the_gateways_wherever_it_is_heard(desk: Desk):
    """The record and the inbox row are one message: heard again it is no second answer."""
    await desk.doubting()
    assert (await desk.answer(DOUBT, decision="done")).status_code == 202
    assert await desk.resolutions() == [("done", "/actalog/default/gateway", None)]
    ends = await desk.world.types()
    records = [one for one in desk.world.bus.records("actalog.tasks")
               if one.header("ce_type") == b"requirement.resolve.v1"]  # fmt: skip
    assert len(records) == 1
    await desk.world.bus.publish(
        "actalog.tasks", value=records[0].value, key=records[0].key, headers=records[0].headers
    )
    await desk.settled()
    assert await desk.world.refusals() == []
    assert await desk.world.types() == ends


async def test_an_answer_that_only_the_inbox_has_is_decided_from_there_and_not_twice(desk: Desk):
    await desk.doubting()
    kept: list[Any] = []
    put = desk.world.log.put_inbox

    async def spying(row: Any) -> bool:
        kept.append(row)
        return await put(row)

    desk.world.log.put_inbox = spying  # type: ignore[method-assign]
    assert (await desk.answer(DOUBT, decision="done")).status_code == 202
    ends = await desk.world.types()
    await put(kept[0])  # its hearer died before the row was dropped
    await desk.world.look(ahead_s=60)
    assert await desk.world.refusals() == []
    assert await desk.world.types() == ends
    assert await desk.resolutions() == [("done", "/actalog/default/gateway", None)]


REFUSED: list[tuple[str, dict[str, Any], int, str, str | None]] = [
    ("of no call", {"name": "r:t7.0:doubt1"}, 404, "not_found", "requirement_id"),
    ("of another run", {"name": "q:t1.0:doubt1"}, 404, "not_found", "requirement_id"),
    ("of another kind", {"name": CONFIRM}, 404, "not_found", "requirement_id"),
    ("of a doubt to come", {"name": "r:t1.0:doubt2"}, 404, "not_found", "requirement_id"),
    ("of a run that is not there", {"run_id": "q"}, 404, "unknown_run", "run_id"),
    ("of another tenant", {"tenant": "other"}, 404, "unknown_run", "run_id"),
    ("about other arguments", {"digest": "sha256:0"}, 409, "digest_mismatch", "digest"),
    ("approve, to a doubt", {"decision": "approve"}, 403, "not_allowed", "decision"),
    ("provide, to a doubt", {"decision": "provide"}, 403, "not_allowed", "decision"),
    ("no decision", {"decision": None}, 400, "bad_input", "decision"),
    ("no such decision", {"decision": "perhaps"}, 400, "bad_input", "decision"),
    ("an author that is no text", {"by": 7}, 400, "bad_input", "by"),
    ("a note with NUL", {"note": "a\x00b"}, 400, "bad_input", "note"),
    ("arguments that are no object", {"arguments": [1]}, 400, "bad_input", "arguments"),
    ("an unknown field", {"who": "ann"}, 400, "bad_input", "who"),
    ("an id in the body", {"requirement_id": "x"}, 400, "bad_input", "requirement_id"),
]


async def test_what_cannot_be_taken_is_refused_by_name_and_changes_nothing(desk: Desk):
    await desk.doubting()
    for what, wrong, status, code, name in REFUSED:
        said = {"decision": "done", "by": "eve", **wrong}
        path = f"/v1/runs/{said.pop('run_id', 'r')}/requirements/{said.pop('name', DOUBT)}"
        params = {"tenant_id": said.pop("tenant")} if "tenant" in said else {}
        if said["decision"] is None:
            del said["decision"]
        answered = await desk.http.post(path, json=said, params=params)
        await desk.settled()
        error = answered.json()["error"]
        told = (answered.status_code, error["code"], error["field"])
        assert told == (status, code, name), (what, error)
        assert error["message"]
        assert await desk.world.types() == desk.before, what
    assert await desk.world.refusals() == []


async def test_a_body_that_cannot_be_read_is_refused(desk: Desk):
    await desk.doubting()
    for body in (b"{", b"[]", b'"done"', b"\xff", b'{"note":"a","note":"b"}', b"[" * 5_000):
        for path in (f"/v1/runs/r/requirements/{DOUBT}", "/v1/runs/r/cancel"):
            answered = await desk.http.post(path, content=body)
            assert (answered.status_code, answered.json()["error"]["code"]) == (400, "bad_input")
    await desk.settled()
    assert await desk.world.types() == desk.before


async def test_the_second_answer_is_told_which_event_won(desk: Desk):
    await desk.doubting()
    assert (await desk.answer(DOUBT, decision="done", by="ann")).status_code == 202
    ends = await desk.world.types()
    for said in ({"decision": "not_done", "by": "bob"}, {"decision": "done", "by": "ann"}):
        late = await desk.answer(DOUBT, **said)
        error = late.json()["error"]
        assert (late.status_code, error["code"]) == (409, "already_resolved")
        assert error["winner"] == await desk.seq("requirement.resolved")
    assert await desk.world.types() == ends


async def test_of_two_answers_at_once_one_stands_and_the_other_is_told(desk: Desk):
    await desk.doubting()
    answers = await asyncio.gather(
        *(desk.answer(DOUBT, decision=decision, by=by)
          for by, decision in (("ann", "done"), ("bob", "not_done"), ("eve", "reject")))
    )  # fmt: skip
    assert sorted(one.status_code for one in answers) == [202, 409, 409]
    (stands,) = [at for at, one in enumerate(answers) if one.status_code == 202]
    assert [by for _, by, _ in await desk.resolutions()] == [("ann", "bob", "eve")[stands]]


async def test_an_answer_to_what_a_late_outcome_has_settled_is_told_so(desk: Desk):
    await desk.doubting()
    command = next(one for one in desk.world.asked if isinstance(one, RunTool))
    late = answer(command, ToolReturned(call_id="r:t1.0", epoch=1, content="it had acted"))
    await desk.world.postman.reply(late.model_copy(update={"late": True}))
    await desk.settled()
    refused = await desk.answer(DOUBT, decision="not_done")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "already_resolved")
    assert refused.json()["error"]["winner"] == await desk.seq("tool.returned")
    assert desk.world.ran() == ["r:t1.0"]


async def test_an_answer_after_the_deadline_is_told_that_it_has_expired(desk: Desk):
    await desk.doubting()
    await desk.world.look(ahead_s=3_600)
    refused = await desk.answer(DOUBT, decision="done")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (409, "expired")
    assert error["winner"] == await desk.seq("run.failed")


async def test_an_answer_to_a_cancelled_run_is_told_what_ended_it(desk: Desk):
    await desk.confirming()
    assert (await desk.http.post("/v1/runs/r/cancel", json={"by": "ann"})).status_code == 202
    await desk.settled()
    refused = await desk.answer(CONFIRM, decision="approve")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (409, "already_resolved")
    assert error["winner"] == await desk.seq("run.cancelled")
    assert desk.world.ran() == []


async def test_a_cancel_of_an_ended_run_is_told_what_ended_it_and_one_of_a_cancelled_is_not(
    desk: Desk,
):
    await desk.doubting()
    await desk.answer(DOUBT, decision="done", by="ann")
    ends = await desk.world.types()
    late = await desk.http.post("/v1/runs/r/cancel", json={"by": "bob"})
    error = late.json()["error"]
    assert (late.status_code, error["code"], error["field"]) == (409, "already_resolved", "run_id")
    assert error["winner"] == await desk.seq("run.completed")
    assert (await desk.http.post("/agents/a/runs/r/cancel")).json() == {}  # AgentOS: always 200
    await desk.settled()
    assert await desk.world.types() == ends
    await desk.world.task("q", session_id="t")
    await desk.settled()
    for _ in range(2):
        assert (await desk.http.post("/v1/runs/q/cancel")).status_code == 202
        await desk.settled()
    assert (await desk.world.types("q")).count("run.cancelled") == 1


async def test_a_cancel_that_races_with_the_answer_ends_the_run_once(desk: Desk):
    await desk.doubting()
    cancelled, answered = await asyncio.gather(
        desk.http.post("/v1/runs/r/cancel", json={"by": "bob"}),
        desk.answer(DOUBT, decision="done", by="ann"),
    )
    await desk.settled()
    ends = [one for one in await desk.world.types() if one in ("run.completed", "run.cancelled")]
    assert len(ends) == 1
    assert {cancelled.status_code, answered.status_code} <= {202, 409}
    if ends == ["run.completed"]:
        assert answered.status_code == 202
    else:
        assert cancelled.status_code == 202


# AgentOS's own client: it sends back the tools that it was shown.


async def go_on(desk: Desk, run_id: str = "r", **said: Any) -> httpx.Response:
    poll = (await desk.http.get(f"/agents/a/runs/{run_id}")).json()
    tools = [{**one["tool_execution"], **said} for one in poll.get("requirements", [])]
    form = {"tools": json.dumps(tools), "session_id": "s", "user_id": "ann", "stream": "false"}
    return await desk.http.post(f"/agents/a/runs/{run_id}/continue", data=form)


@pytest.mark.parametrize(
    ("said", "decision", "content"),
    [
        ({"confirmed": True, "confirmation_note": "seen"}, "done", None),
        ({"confirmed": True, "result": "4 EUR"}, "done", "4 EUR"),
        ({"confirmed": False, "result": "4 EUR"}, "reject", None),
    ],
)
async def test_agentos_answers_a_doubt_as_a_confirmation_that_it_was_done(
    desk: Desk, said: dict[str, Any], decision: str, content: str | None
):
    await desk.doubting()
    poll = (await desk.http.get("/agents/a/runs/r")).json()
    (tool,) = [one["tool_execution"] for one in poll["requirements"]]
    assert (poll["status"], tool["requires_confirmation"], tool["confirmed"], tool["result"]) == (
        "PAUSED", True, None, None,
    )  # fmt: skip
    told = (await go_on(desk, **said)).json()
    assert told["status"] == "COMPLETED"
    assert await desk.resolutions() == [(decision, "ann", said.get("confirmation_note"))]
    assert desk.world.ran() == ["r:t1.0"]
    if content:
        assert told["tools"][0]["result"] == content


async def test_agentos_is_refused_what_cannot_be_taken(desk: Desk):
    await desk.doubting()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"confirmed": None}, "tools"), ({"confirmed": "yes"}, "tools"),
        ({"confirmed": True, "confirmation_note": 7}, "note"),
        ({"confirmed": True, "confirmation_note": "a\x00"}, "tools[0].confirmation_note"),
    ]  # fmt: skip
    for said, name in wrong:
        refused = await go_on(desk, **said)
        assert (refused.status_code, refused.json()["error"]["field"]) == (400, name), said
    lost = await desk.http.post("/agents/a/runs/q/continue", data={"session_id": "s"})
    assert lost.status_code == 404
    await desk.settled()
    assert await desk.world.types() == desk.before
    assert (await go_on(desk, confirmed=True)).status_code == 200
    ends = await desk.world.types()
    again = await desk.http.post(
        "/agents/a/runs/r/continue", data={"session_id": "s", "tools": "[]"}
    )
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert await desk.world.types() == ends


async def test_agentos_changes_arguments_to_an_object_or_not_at_all(desk: Desk):
    await desk.confirming()
    for changed in ([1], "text", 7):
        refused = await go_on(desk, confirmed=True, tool_args=changed)
        assert (refused.status_code, refused.json()["error"]["field"]) == (400, "arguments")
    await desk.settled()
    assert await desk.world.types() == desk.before
    told = await go_on(desk, confirmed=True, tool_args={"q": "other"})
    assert told.json()["tools"][0]["tool_args"] == {"q": "other"}


async def test_a_stream_of_a_doubt_that_is_answered_goes_on_behind_its_pause(desk: Desk):
    await desk.doubting()
    poll = (await desk.http.get("/agents/a/runs/r")).json()
    tools = [{**one["tool_execution"], "confirmed": True} for one in poll["requirements"]]
    form = {"tools": json.dumps(tools), "session_id": "s", "user_id": "ann"}
    async with desk.http.stream("POST", "/agents/a/runs/r/continue", data=form) as answered:
        names = [one.event for one in await read(answered)]
    assert names[0] == "RunContinued"
    assert names[-1] == "RunCompleted"
