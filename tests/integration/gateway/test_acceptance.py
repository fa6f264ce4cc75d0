"""Tasks over HTTP: accepted once, refused with the field at fault, also while Kafka is down."""

import asyncio
import json
from typing import Any

import pytest
from httpx import Response

from actalog_bus.memory import MemoryBus
from actalog_bus.ready import PRIORITY
from actalog_core.errors import Transient
from actalog_core.identity import event_run_id
from actalog_log.beside_ports import InboxRow
from tests.integration.gateway.world import DeafBus, World, called, paused, reply, until

TASK = {"target": "agent:a", "input": "hello"}


async def test_a_task_is_in_the_inbox_and_on_the_topic(world: World):
    async with world.gateway() as (http, _):
        answer = await http.post("/v1/tasks", json={**TASK, "session_id": "s"})
        told = answer.json()
        assert (answer.status_code, told["session_id"]) == (202, "s")
        assert answer.headers["location"] == f"/v1/runs/{told['run_id']}"
        assert ("default", told["run_id"]) in world.log.inbox
        await until(lambda: world.tasks())
        assert world.tasks()[0]["run_id"] == told["run_id"]
        waiting = await http.get(answer.headers["location"])
        assert waiting.json()["status"] == "accepted"


async def test_a_priority_is_known_before_the_task_is_read(world: World):
    async with world.gateway() as (http, _):
        for number in (0, 7):
            await http.post("/v1/tasks", json={**TASK, "run_id": f"p{number}", "priority": number})
        await until(lambda: len(world.tasks()) == 2)
    told = {one.header(PRIORITY) for one in world.bus.records("actalog.tasks")}
    assert told == {None, b"7"}


async def test_kafka_down_is_no_reason_to_refuse(world: World):
    async with world.gateway(DeafBus()) as (http, _):
        answer = await http.post("/v1/tasks", json=TASK)
        assert answer.status_code == 202
        ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()["kafka"]) == (200, "bus: no broker")
    assert len(world.log.inbox) == 1


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, None),
        (b"\xff{}", 400, None),
        (b"{", 400, None),
        (b"null", 400, None),
        (b"[1]", 400, None),
        (b'{"type":"task.unknown.v1"}', 400, "type"),
        (b'{"type":"run.cancel.v1","run_id":"r"}', 400, "type"),
        (b'{"target":"agent:a","input":"x","inputt":1}', 400, "inputt"),
        (b'{"target":"agent:a","input":5}', 400, "input"),
        (b'{"target":"agent:a"}', 400, "input"),
        (b'{"target":"agent:b","input":"x"}', 404, "target"),
        (b'{"target":"agent:a","input":"\\u0000"}', 400, "input"),
        (b'{"target":"agent:a","input":"\\ud800"}', 400, "input"),
        (b'{"target":"agent:a","input":"x","metadata":{"n":NaN}}', 400, None),
        (b"[" * 10_000, 400, None),
        (json.dumps({**TASK, "input": "x" * 1_048_576}).encode(), 413, None),
        (b"x" * 3_000_000, 413, None),
    ],
)  # fmt: skip
async def test_bad_input_is_refused_by_name_and_nothing_of_it_is_kept(
    world: World, body: bytes, status: int, field: str | None
):
    async with world.gateway() as (http, _):
        answer = await http.post("/v1/tasks", content=body)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    if field:
        assert field in error["field"]
    assert error["message"]
    assert "Traceback" not in answer.text
    assert not world.log.inbox


async def test_an_unknown_target_is_told_which_are_known(world: World):
    async with world.gateway() as (http, _):
        answer = await http.post("/v1/tasks", json={**TASK, "target": "b"})
        assert answer.json()["error"]["known"] == ["agent:a"]
        bare = await http.post("/v1/tasks", json={**TASK, "target": "a"})
        assert bare.json()["target"] == "agent:a"


async def test_the_same_id_with_the_same_body_is_the_same_run_and_with_another_a_conflict(
    world: World,
):
    async with world.gateway() as (http, _):
        first = await http.post("/v1/tasks", json={**TASK, "run_id": "r"})
        again = await http.post("/v1/tasks", json={**TASK, "run_id": "r", "priority": 3})
        other = await http.post("/v1/tasks", json={**TASK, "run_id": "r", "input": "else"})
    assert first.json() == again.json()
    assert (again.status_code, other.status_code) == (202, 409)
    assert other.json()["error"]["code"] == "conflict"
    assert len(world.log.inbox) == 1


async def test_an_idempotency_key_names_one_run_for_each_tenant(world: World):
    key = {"Idempotency-Key": "k"}
    async with world.gateway() as (http, _):
        answers = await asyncio.gather(
            *(http.post("/v1/tasks", json=TASK, headers=key) for _ in range(5))
        )
        other = await http.post("/v1/tasks", json=TASK, headers=key, params={"tenant_id": "t"})
        empty = await http.post("/v1/tasks", json=TASK, headers={"Idempotency-Key": "x" * 600})
    assert {one.status_code for one in answers} == {202}
    assert len({one.json()["run_id"] for one in answers}) == 1
    assert other.json()["run_id"] != answers[0].json()["run_id"]
    assert empty.status_code == 400


async def test_a_cloud_event_names_one_run_over_http_as_on_the_bus(world: World):
    binary = {"ce-id": "77", "ce-source": "/shop", "ce-type": "task.submit.v1"}
    told = {"id": "77", "source": "/shop", "type": "task.submit.v1", "specversion": "1.0"}
    structured = {"Content-Type": "application/cloudevents+json"}
    async with world.gateway() as (http, _):
        answers = [
            await http.post("/v1/tasks", json=TASK, headers=binary),
            await http.post("/v1/tasks", json=TASK, headers=binary),
            await http.post("/v1/tasks", json={**told, "data": TASK}, headers=structured),
        ]
        other = await http.post("/v1/tasks", json={**TASK, "input": "else"}, headers=binary)
        theirs = await http.post("/v1/tasks?tenant_id=t", json=TASK, headers=binary)
        keyed = await http.post("/v1/tasks", json=TASK, headers={**binary, "Idempotency-Key": "k"})
    key = await world.log.installation_key()
    expected = event_run_id("default", "/shop", "77", key=key)
    assert [one.json()["run_id"] for one in answers] == [expected] * 3
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")
    assert len({expected, theirs.json()["run_id"], keyed.json()["run_id"]}) == 3


@pytest.mark.parametrize("half", [{"ce-id": "77"}, {"ce-source": "/shop"}])
async def test_half_of_what_names_an_event_names_none(world: World, half: dict[str, str]):
    async with world.gateway() as (http, _):
        answers = [await http.post("/v1/tasks", json=TASK, headers=half) for _ in range(2)]
    assert [one.status_code for one in answers] == [202, 202]
    assert len({one.json()["run_id"] for one in answers}) == 2


async def test_a_cloud_event_over_http_names_what_its_result_belongs_to(world: World):
    binary = {"ce-id": "78", "ce-source": "/shop", "ce-correlationid": "c-1"}
    async with world.gateway() as (http, _):
        for body in (TASK, {**TASK, "correlation_id": "mine"}):
            answer = await http.post("/v1/tasks", json=body, headers=binary)
            assert answer.status_code == 202
        other = {**binary, "ce-id": "80", "ce-correlationid": "c-3"}
        await http.post("/v1/tasks", json={**TASK, "correlation_id": "mine"}, headers=other)
        event = {"id": "79", "source": "/shop", "correlationid": "c-2", "data": TASK}
        structured = {"Content-Type": "application/cloudevents+json"}
        await http.post("/v1/tasks", json=event, headers=structured)
        await until(lambda: len(world.tasks()) == 3)
    assert sorted(one["correlation_id"] for one in world.tasks()) == ["c-1", "c-2", "mine"]


async def test_a_run_in_the_log_with_another_body_is_a_conflict(world: World):
    await (await world.run("r")).begin()
    async with world.gateway() as (http, _):
        answer = await http.post("/v1/tasks", json={**TASK, "run_id": "r"})
    assert answer.status_code == 409


async def test_a_full_inbox_asks_to_come_back_later(world: World):
    async with world.gateway(inbox_limit=0) as (http, service):
        assert (await http.post("/v1/tasks", json=TASK)).status_code == 202
        service.parts[1]._depth_until = 0.0  # type: ignore[attr-defined]
        full = await http.post("/v1/tasks", json=TASK)
        assert (full.status_code, full.headers["retry-after"]) == (503, "5")
        assert (await http.get("/health/ready")).status_code == 503
        assert (await http.get("/health/live")).status_code == 200


async def test_one_tenants_flood_leaves_room_for_the_others(world: World):
    async with world.gateway(inbox_limit=20) as (http, service):

        async def post(tenant: str) -> Response:
            return await http.post("/v1/tasks", json=TASK, params={"tenant_id": tenant})

        flood = [(await post("loud")).status_code for _ in range(15)]
        # Also between two counts of the inbox: what was accepted here is added.
        assert flood == [202] * 11 + [429] * 4
        refused = await post("loud")
        assert (refused.json()["error"]["code"], refused.headers["retry-after"]) == (
            "overloaded", "5",
        )  # fmt: skip
        assert refused.json()["error"]["retryable"] is True
        assert [(await post("quiet")).status_code for _ in range(5)] == [202] * 5
        service.parts[1]._depth_until = 0.0  # type: ignore[attr-defined]
        assert (await post("loud")).status_code == 429
        assert (await post("quiet")).status_code == 202
        assert (await http.get("/health/ready")).status_code == 200


async def test_a_slow_database_does_not_gather_requests_without_end(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("actalog_gateway.acceptance.TAKING_MOST", 5)
    going, put = asyncio.Event(), world.log.put_inbox

    async def slow(row: InboxRow) -> bool:
        await going.wait()
        return await put(row)

    monkeypatch.setattr(world.log, "put_inbox", slow)
    async with world.gateway() as (http, _):
        waiting = [asyncio.create_task(http.post("/v1/tasks", json=TASK)) for _ in range(5)]
        await asyncio.sleep(0.3)
        refused = await http.post("/v1/tasks", json=TASK)
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        going.set()
        assert [(await one).status_code for one in waiting] == [202] * 5
        assert (await http.post("/v1/tasks", json=TASK)).status_code == 202


async def test_a_cancel_is_accepted_also_for_a_run_nobody_knows(world: World):
    async with world.gateway() as (http, _):
        answer = await http.post("/v1/runs/nobody/cancel", json={"reason": "enough"})
        bare = await http.post("/v1/runs/other/cancel")
        wrong = await http.post("/v1/runs/other/cancel", json={"why": "x"})
        await until(lambda: len(world.tasks()) == 2)
    assert (answer.status_code, bare.status_code, wrong.status_code) == (202, 202, 400)
    assert wrong.json()["error"]["field"] == "why"
    told = {one["run_id"]: one for one in world.tasks()}
    assert (told["nobody"]["type"], told["nobody"]["reason"]) == ("run.cancel.v1", "enough")


@pytest.mark.parametrize("first", ["the task", "the cancel"])
async def test_a_run_that_is_called_like_a_cancel_is_none(world: World, first: str):
    """People choose the ids of their runs, and both wait in the inbox."""
    async with world.gateway() as (http, _):
        sent = [
            http.post("/v1/tasks", json={**TASK, "run_id": "cancel:r"}),
            http.post("/v1/runs/r/cancel"),
        ]
        if first == "the cancel":
            sent.reverse()
        assert [(await one).status_code for one in sent] == [202, 202]
        assert (await http.get("/v1/runs/cancel:r")).json()["target"] == "agent:a"
        assert (await http.get("/agents/a/runs/cancel:r")).json()["status"] == "PENDING"
        await until(lambda: len(world.tasks()) == 2)
    told = {one["type"]: one["run_id"] for one in world.tasks()}
    assert told == {"task.submit.v1": "cancel:r", "run.cancel.v1": "r"}


async def test_a_requirement_is_answered_once_and_only_if_it_is_open(world: World):
    run = await world.run("r")
    await run.begin()
    call = called("r", confirm=True)
    await run.say(reply("r", None), call)
    await run.say(paused("r"), standing="paused")
    path = "/v1/runs/r/requirements/r:t1.0:confirm"

    async def answer(**said: Any) -> tuple[int, str]:
        told = await http.post(path, json=said)
        return told.status_code, told.json().get("error", {}).get("code", "")

    async with world.gateway() as (http, _):
        (open,) = (await http.get("/v1/requirements")).json()["requirements"]
        assert (open["run_id"], open["tool_call"]["digest"]) == ("r", call.arguments_digest)
        assert await answer(decision="approve", digest="sha256:0") == (409, "digest_mismatch")
        assert await answer(decision="maybe") == (400, "bad_input")
        assert await answer(decision="provide") == (403, "not_allowed")
        assert await answer(decision="approve", digest=call.arguments_digest) == (202, "")
        assert await answer(decision="approve", digest=call.arguments_digest) == (202, "")
        assert await answer(decision="reject") == (409, "already_resolved")
        gone = await http.post("/v1/runs/r/requirements/x", json={"decision": "approve"})
        assert gone.status_code == 404
        lost = await http.post("/v1/runs/x/requirements/x", json={"decision": "approve"})
        assert lost.json()["error"]["code"] == "unknown_run"
    assert len(world.tasks()) == 1


class Unlearned(MemoryBus):
    """The broker has not told of the topic yet."""

    def partitions(self, topic: str) -> int:
        raise Transient(topic)


async def test_where_the_topic_is_not_known_yet_the_producer_chooses_the_partition(world: World):
    async with world.gateway(Unlearned(broker=world.broker)) as (http, _):
        await http.post("/v1/tasks", json=TASK)
        await until(world.tasks)
    assert len(world.log.inbox) == 1


class Slow(MemoryBus):
    async def publish(self, *args: Any, **kwargs: Any) -> None:
        await asyncio.sleep(0.2)
        await super().publish(*args, **kwargs)


async def test_what_is_being_published_when_the_gateway_stops_is_waited_for(world: World):
    async with world.gateway(Slow(broker=world.broker)) as (http, service):
        await http.post("/v1/tasks", json=TASK)
        assert not world.tasks()
        await service.stop()
        assert len(world.tasks()) == 1
