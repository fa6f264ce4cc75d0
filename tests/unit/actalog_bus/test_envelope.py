"""Everything that the platform writes is a CloudEvent, and lies where it is looked for."""

from collections.abc import Generator
from typing import Any

import pytest

from actalog_bus.envelope import AGAIN, Postman, gateway_is_at
from actalog_bus.memory import MemoryBroker, MemoryBus
from actalog_bus.ports import Record
from actalog_bus.ready import PRIORITY
from actalog_contracts.calls import CallModel, RunTool, answer
from actalog_contracts.runs import ToolReturned
from actalog_contracts.streams import Delta, Progress
from actalog_core.homes import elsewhere, home

IDS: dict[str, Any] = {"tenant_id": "t", "run_id": "r", "session_id": "s", "call_id": "r:t1"}


@pytest.fixture(autouse=True)
def gateway() -> Generator[None]:
    gateway_is_at("https://gateway.example/under/")
    yield
    gateway_is_at("http://localhost:7777")


@pytest.mark.parametrize(
    ("message", "id"),
    [
        (Delta(**IDS, epoch=1, offset=4, text="word"), "r:t1:1:text:4"),
        (Delta(**IDS, epoch=1, kind="reasoning", offset=0, text="hm"), "r:t1:1:reasoning:0"),
        (Progress(**IDS, epoch=2, what="retry"), "r:t1:2:retry"),
    ],
)
async def test_what_is_shown_to_people_says_what_it_is_of_which_run(
    message: Delta | Progress, id: str
):
    bus = MemoryBus(broker=MemoryBroker())
    await Postman(bus, prefix="actalog", service="llm").stream(message)
    (record,) = bus.records("actalog.stream")
    told = {name: value.decode() for name, value in record.headers}
    assert told.pop("ce_time").endswith("Z")
    assert told == {
        "ce_specversion": "1.0", "ce_id": id, "ce_type": message.type, "ce_subject": "r",
        "ce_source": "/actalog/t/llm", "content-type": "application/json",
        # Absolute: SDKs of CloudEvents refuse another.
        "ce_dataschema": f"https://gateway.example/under/schemas/{message.type}.json",
    }  # fmt: skip
    assert record.key == b"s"


def command(kind: type[CallModel] | type[RunTool], **more: Any) -> CallModel | RunTool:
    said = {
        **IDS, "run_no": 7, "definition": "sha256:d", "deadline": "2026-11-25T00:00:00.000000Z",
        "seq": 3, "name": "t", "path": "agent:a/tools/t", "arguments": "{}", "effect": "once",
        "timeout_ms": 1, "output_limit": 1, **more,
    }  # fmt: skip
    return kind.model_validate({name: said[name] for name in kind.model_fields if name in said})


def postman() -> tuple[Postman, MemoryBus]:
    bus = MemoryBus(broker=MemoryBroker())
    return Postman(bus, prefix="actalog", service="conductor"), bus


@pytest.mark.parametrize(("kind", "key"), [(CallModel, "r"), (RunTool, "r:t1")])
async def test_a_command_lies_where_its_lane_is_and_is_the_same_message_however_often_it_is_sent(
    kind: type[CallModel] | type[RunTool], key: str
):
    post, bus = postman()
    said = command(kind, priority=5)
    first, again = (post.request(said, traceparent="00-1", again=again) for again in (False, True))
    topic = f"actalog.{'llm' if kind is CallModel else 'tools'}.commands"
    assert (first.topic, first.key) == (topic, key.encode())
    assert first.partition == home(key, bus.partitions(topic))
    one, other = dict(first.headers), dict(again.headers)
    assert (one["ce_type"], one["ce_subject"]) == (said.type.encode(), b"r")
    assert (one["ce_source"], one["traceparent"]) == (b"/actalog/t/conductor", b"00-1")
    assert (one[PRIORITY], one.get(AGAIN), other[AGAIN]) == (b"5", None, b"1")
    assert one["ce_id"] == other["ce_id"]
    tenants = command(kind, tenant_id="other")
    assert dict(post.request(tenants).headers)["ce_id"] != one["ce_id"]
    # Not where a dead worker's partitions wait for the end of its session.
    await post.command_elsewhere(said)
    (moved,) = bus.records(topic)
    assert moved.partition == elsewhere(key, bus.partitions(topic)) != first.partition
    assert (moved.key, moved.value, moved.header(AGAIN)) == (first.key, first.value, b"1")


def test_an_answer_goes_to_its_sessions_home_and_names_what_it_answers():
    bus = MemoryBus(broker=MemoryBroker())
    post = Postman(bus, prefix="actalog", service="tools")
    said = answer(command(RunTool), ToolReturned(call_id="r:t1", content="done"))
    headers = (("ce_id", b"asked"), ("traceparent", b"00-1"))
    heard = Record("actalog.tools.commands", 0, 0, 0, b"r:t1", b"{}", headers)
    sent = post.answer(said, causation=heard)
    assert (sent.topic, sent.key) == ("actalog.replies", b"s")
    assert sent.partition == home("s", bus.partitions(sent.topic))
    told = dict(sent.headers)
    assert (told["ce_type"], told["ce_subject"]) == (b"call.answered.v1", b"r")
    assert (told["ce_causationid"], told["traceparent"]) == (b"asked", b"00-1")
    assert told["ce_source"] == b"/actalog/t/tools"
    assert told["ce_id"] != dict(post.answer(said, causation=heard).headers)["ce_id"]
    assert "ce_causationid" not in dict(post.answer(said).headers)
