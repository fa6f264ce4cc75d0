"""Poison on `actalog.tasks`: each gets its reason, its raw bytes are kept, good tasks go on."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actalog_bus.envelope import Postman
from actalog_bus.memory import MemoryBus
from actalog_bus.ports import Delivery, Listen, Record
from actalog_conductor.app import build_app
from actalog_contracts.base import Usage
from actalog_contracts.calls import CallModel, answer
from actalog_contracts.definitions import AgentDefinition, ModelChoice
from actalog_contracts.runs import ModelReplied, PromptRecord
from actalog_core.settings import Settings
from actalog_log.memory import MemoryLog
from tests.contracts.corpus import poison

CASES = [case for case in poison() if case.code != "too_large"]  # no broker takes those
AGENT = AgentDefinition(id="a", name="a", model=ModelChoice(provider="p", id="m"))


@pytest.fixture
async def bus() -> AsyncIterator[MemoryBus]:
    """A conductor and a model over the doubles."""
    made, log = MemoryBus(), MemoryLog()
    postman = Postman(made, prefix="actalog", service="test")
    build_app(bus=made, log=log, settings=Settings())
    await log.put_definition("sha256:a", "agent", "a", AGENT.model_dump_json().encode())

    async def think(delivery: Delivery) -> None:
        command = CallModel.model_validate_json(delivery.record.value or b"")
        reply = ModelReplied(
            call_id=command.call_id, epoch=1, text="fine", finish="stop", model="m", provider="p",
            prompt=PromptRecord(digest="sha256:p", renderer="1", parts=()), usage=Usage(),
        )  # fmt: skip
        await postman.reply(answer(command, reply), causation=delivery.record)

    def lane(record: Record) -> str:
        return (record.key or b"").decode()

    made.listen(Listen(topics=["actalog.llm.commands"], group="actalog.llm", hear=think, lane=lane))
    await made.start()
    yield made
    await made.stop()


def told(bus: MemoryBus, topic: str) -> list[dict[str, Any]]:
    return [json.loads(record.value or b"") for record in bus.records(topic)]


async def test_every_poison_is_kept_with_its_reason_and_every_good_task_completes(bus: MemoryBus):
    for at, case in enumerate(CASES):
        good = {"target": "agent:a", "input": "hello", "run_id": f"good-{at}"}
        await bus.publish("actalog.tasks", value=json.dumps(good).encode())
        await bus.publish(
            "actalog.tasks", value=case.value, headers=tuple(case.headers.items()), key=b"k"
        )
    await bus.drained()
    dead = bus.records("actalog.tasks.dlq")
    assert sorted(record.value or b"" for record in dead) == sorted(c.value or b"" for c in CASES)
    assert {record.key for record in dead} == {b"k"}
    for record in dead:
        names = dict(record.headers)
        assert names["dlq-source-topic"] == b"actalog.tasks"
        assert names["dlq-source-offset"].isdigit()
    by_value = {record.value: dict(record.headers)["dlq-error"].decode() for record in dead}
    unheaded = [case for case in CASES if not case.headers]
    assert [case.name for case in unheaded if case.says not in by_value[case.value]] == []
    results = [one for one in told(bus, "actalog.results") if one["type"] == "run.result.v1"]
    assert {one["run_id"] for one in results} == {f"good-{at}" for at in range(len(CASES))}
    assert {one["status"] for one in results} == {"completed"}


async def test_who_can_be_read_hears_the_code_and_the_field(bus: MemoryBus):
    readable = [case for case in CASES if b'"poison"' in (case.value or b"")[:60]]
    for case in readable:
        await bus.publish("actalog.tasks", value=case.value, headers=tuple(case.headers.items()))
    await bus.drained()
    refusals = [one for one in told(bus, "actalog.results") if one["type"] == "message.refused.v1"]
    sizes = [len(record.value or b"") + sum(len(value) for _, value in record.headers)
             for record in bus.records("actalog.results")]  # fmt: skip
    assert max(sizes) < 4_096  # whatever was sent, it is not told again
    said = sorted((one["error"]["code"], one["error"].get("field") or "") for one in refusals)
    assert said
    wanted = {(case.code, case.field or "") for case in readable}
    assert set(said) <= wanted


async def test_the_order_of_each_session_is_kept_with_poison_between(bus: MemoryBus):
    """Poison under the key of good tasks: what comes behind it is decided in its order."""
    sessions = [f"s{at}" for at in range(5)]
    for at, case in enumerate(CASES):
        for session in sessions:
            good = {"target": "agent:a", "input": f"{at}", "run_id": f"{session}-{at:03}",
                    "session_id": session}  # fmt: skip
            await bus.publish(
                "actalog.tasks", value=json.dumps(good).encode(), key=session.encode()
            )
        key = sessions[at % len(sessions)].encode()
        await bus.publish(
            "actalog.tasks", value=case.value, headers=tuple(case.headers.items()), key=key
        )
    await bus.drained()
    assert len(bus.records("actalog.tasks.dlq")) == len(CASES)
    results = [one for one in told(bus, "actalog.results") if one["type"] == "run.result.v1"]
    for session in sessions:
        mine = [one["run_id"] for one in results if one["session_id"] == session]
        assert mine == [f"{session}-{at:03}" for at in range(len(CASES))]
    seqs: dict[str, list[int]] = {}
    for one in told(bus, "actalog.events"):
        seqs.setdefault(one["run_id"], []).append(one["seq"])
    assert all(told == list(range(1, len(told) + 1)) for told in seqs.values())


async def test_an_unknown_target_and_another_body_under_a_known_id_are_refused(bus: MemoryBus):
    first = {"target": "agent:a", "input": "hello", "run_id": "r"}
    for message in (first, {**first, "input": "other"}, {**first, "target": "agent:b",
                                                        "run_id": "s"}):  # fmt: skip
        await bus.publish("actalog.tasks", value=json.dumps(message).encode())
    await bus.drained()
    refusals = [one for one in told(bus, "actalog.results") if one["type"] == "message.refused.v1"]
    assert sorted(one["error"]["code"] for one in refusals) == ["conflict", "unknown_target"]
    dead = [json.loads(record.value or b"") for record in bus.records("actalog.tasks.dlq")]
    assert {one["run_id"] for one in dead} == {"r", "s"}


async def test_headers_that_only_redrives_have_hold_nothing_up_when_a_sender_makes_them_up(
    bus: MemoryBus,
):
    endless = b"9" * 5_000
    made_up = (
        ("redrive-origin", b"actalog.tasks/0/%s/1" % endless), ("redrive-count", endless),
    )  # fmt: skip
    good = {"target": "agent:a", "input": "hello"}
    await bus.publish("actalog.tasks", value=b"no JSON", key=b"k", headers=made_up)
    await bus.publish("actalog.tasks", value=json.dumps(good).encode(), key=b"k", headers=made_up)
    await bus.drained()
    (letter,) = bus.records("actalog.tasks.dlq")
    assert letter.header("dlq-source-topic") == b"actalog.tasks"
    assert [one["status"] for one in told(bus, "actalog.results") if "status" in one] == [
        "completed"
    ]
