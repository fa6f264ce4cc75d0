"""Where results go, what comes back with them, and what is too large to travel."""

import json
from datetime import timedelta
from typing import Any

import pytest

from actalog_bus.ports import Headers
from actalog_core.settings import Settings
from tests.integration.conductor.world import Log, World
from tests.unit.actalog_conductor.spec import GATHERS

ALLOWS = Settings(reply_topics="shop.*, other", echo_headers="x-shop-*")


def header(headers: Headers, name: str) -> bytes | None:
    return dict(headers).get(name)


@pytest.fixture
async def shop(log: Log):
    made = World(log, settings=ALLOWS)
    await made.start()
    yield made
    await made.bus.stop()


async def test_a_result_goes_where_the_task_says_and_nowhere_else(shop: World):
    await shop.task(reply_to="shop.replies")
    assert await shop.results() == []
    (result,) = await shop.results("shop.replies")
    assert result["status"] == "completed"


async def test_a_person_is_asked_also_where_the_arguments_are_too_large_to_be_told(world: World):
    world.script, world.arguments = {1: ["refund"]}, json.dumps({"text": "x" * 700_000})
    await world.start()
    await world.task(metadata={"order": "y" * 250_000})
    paused = await world.result()
    (asked,) = paused["requirements"]
    assert "/v1/runs/r/log has them" in asked["tool_call"]["arguments"]
    answer = {"type": "requirement.resolve.v1", "run_id": "r", "requirement_id": asked["id"]}
    large = {"decision": "approve", "arguments": {"text": "x" * 900_000}}
    await world.send(**answer, **large)
    (refused,) = [one for one in await world.results() if one["type"] == "message.refused.v1"]
    assert (refused["error"]["code"], refused["error"]["field"]) == ("too_large", "arguments")
    await world.send(**answer, decision="approve", digest=asked["tool_call"]["digest"])
    await world.bus.drained()
    assert await world.statuses() == {"paused", "completed"}


async def test_springs_headers_are_honoured_and_echoed(shop: World):
    value = json.dumps({"target": "agent:a", "input": "x", "run_id": "r"}).encode()
    binary = bytes(range(240, 256))
    told: dict[str, Any] = {
        "kafka_replyTopic": b"shop.replies", "kafka_correlationId": binary, "x__shop__id": b"7",
        "x__other": b"no",
    }  # fmt: skip
    await shop.raw(value, **told)
    await shop.bus.drained()
    (record,) = shop.bus.records("shop.replies")
    assert header(record.headers, "kafka_correlationId") == binary
    assert header(record.headers, "x-shop-id") == b"7"
    assert header(record.headers, "x-other") is None


async def test_no_pattern_echoes_what_the_platform_itself_says_of_a_result(log: Log):
    world = World(log, settings=Settings(echo_headers="*"))
    await world.start()
    value = json.dumps({"target": "agent:a", "input": "x", "run_id": "r"}).encode()
    await world.raw(value, ce_id=b"mine", ce_type=b"task.submit.v1", x__shop__id=b"7")
    await world.bus.drained()
    (record,) = world.bus.records("actalog.results")
    said = json.loads(record.value or b"")
    assert record.header("ce_type") == b"run.result.v1"
    assert record.header("ce_id") == said["id"].encode()
    assert record.header("x-shop-id") == b"7"
    await world.bus.stop()


async def test_a_correlation_id_that_is_text_is_told_in_the_result_too(shop: World):
    value = json.dumps({"target": "agent:a", "input": "x", "run_id": "r"}).encode()
    await shop.raw(value, kafka_correlationId=b"c-1")
    assert (await shop.result())["correlation_id"] == "c-1"


@pytest.mark.parametrize(
    "body",
    [
        {"target": "agent:nobody", "input": "x"},
        {"target": "agent:a", "inputt": "a typo", "reply_to": "shop.replies"},
        {"target": "agent:a", "input": "x", "deadline": "tomorrow"},
    ],
)
async def test_a_refusal_goes_where_its_message_says_with_the_headers_that_are_waited_for(
    shop: World, body: dict[str, Any]
):
    waited_for = {
        "kafka_replyTopic": b"shop.replies",
        "kafka_correlationId": b"c-1",
        "x__shop__id": b"7",
    }
    await shop.raw(json.dumps(body).encode(), **waited_for, ce_id=b"m-1")
    await shop.bus.drained()
    assert shop.bus.records("actalog.results") == []
    (record,) = shop.bus.records("shop.replies")
    told = json.loads(record.value or b"")
    assert (told["type"], told["message_id"], told["correlation_id"]) == (
        "message.refused.v1", "m-1", "c-1",
    )  # fmt: skip
    assert header(record.headers, "kafka_correlationId") == b"c-1"
    assert header(record.headers, "x-shop-id") == b"7"
    assert header(record.headers, "ce_causationid") == b"m-1"


async def test_an_event_names_in_its_headers_the_answer_that_caused_it(shop: World):
    await shop.task()
    await shop.bus.drained()
    asked = {header(one.headers, "ce_id") for one in shop.bus.records("actalog.replies")}
    told = {
        json.loads(one.value or b"")["type"]: header(one.headers, "ce_causationid")
        for one in shop.bus.records("actalog.events")
    }
    assert told["run.accepted.v1"] is None  # a plain record has no id
    assert told["run.completed.v1"] in asked


@pytest.mark.parametrize("target", ["agent:a", "agent:nobody"])
async def test_a_structured_event_names_what_its_answer_belongs_to(shop: World, target: str):
    task = {"target": target, "input": "x", "run_id": "r"}
    event = {"id": "1", "source": "/s", "type": "task.submit.v1", "correlationid": "c-1"}
    content_type = {"content__type": b"application/cloudevents+json"}
    await shop.raw(json.dumps({**event, "data": task}).encode(), **content_type)
    (told,) = await shop.results()
    assert told["correlation_id"] == "c-1"


@pytest.mark.parametrize("target", ["agent:a", "agent:nobody"])
async def test_an_answer_lies_on_the_partition_that_its_sender_reads(shop: World, target: str):
    value = json.dumps({"target": target, "input": "x"}).encode()
    for at in (3, 1):
        told = {"kafka_replyTopic": b"shop.replies", "kafka_replyPartition": bytes((0, 0, 0, at))}
        await shop.raw(value, **told)
    no_partition = {
        "kafka_replyTopic": b"shop.replies",
        "kafka_replyPartition": b"\xff\xff\xff\xff",
    }
    await shop.raw(value, **no_partition)
    await shop.bus.drained()
    parts = shop.broker.topic("shop.replies")
    assert parts[3]
    assert parts[1]
    assert sum(map(len, parts)) == 3
    assert header(parts[1][0].headers, "kafka_replyPartition") is None


async def test_results_stay_at_their_homes_whatever_partition_is_wished(shop: World):
    value = json.dumps({"target": "agent:a", "input": "x", "session_id": "s"}).encode()
    for at in range(4):
        told = {
            "kafka_replyTopic": b"actalog.results",
            "kafka_replyPartition": bytes((0, 0, 0, at)),
        }
        await shop.raw(value, **told)
    await shop.bus.drained()
    # By their ids: a result is told again where its turn's end was heard before that was noted.
    parts = [
        {header(one.headers, "ce_id") for one in part}
        for part in shop.broker.topic("actalog.results")
    ]
    assert sorted(map(len, parts)) == [0, 0, 0, 4]


async def test_what_is_no_json_is_refused_where_its_headers_say(shop: World):
    await shop.raw(b"{", kafka_replyTopic=b"shop.replies", kafka_correlationId=b"\xff\x00")
    await shop.bus.drained()
    (record,) = shop.bus.records("shop.replies")
    assert header(record.headers, "kafka_correlationId") == b"\xff\x00"
    await shop.raw(b"{", kafka_replyTopic=b"elsewhere")
    assert await shop.refusals() == ["bad_input"]


@pytest.mark.parametrize("topic", ["elsewhere", "actalog.tasks", "actalog.tasks.dlq"])
async def test_a_topic_that_is_not_allowed_is_refused(shop: World, topic: str):
    await shop.task(reply_to=topic)
    assert await shop.refusals() == ["not_allowed"]
    assert await shop.log.find_run("default", "r") is None


async def test_no_pattern_allows_a_topic_of_the_platform(log: Log):
    world = World(log, settings=Settings(reply_topics="*"))
    await world.start()
    await world.task(reply_to="actalog.replies")
    assert await world.refusals() == ["not_allowed"]
    await world.task("s", reply_to="actalog.results")
    assert await world.statuses() == {"completed"}
    await world.bus.stop()


async def test_a_refusal_goes_to_the_reply_topic_as_well(shop: World):
    await shop.task(target="agent:nobody", reply_to="shop.replies", correlation_id="c")
    (refused,) = await shop.results("shop.replies")
    assert (refused["error"]["code"], refused["correlation_id"]) == ("unknown_target", "c")


async def test_an_output_above_the_limit_travels_by_reference(world: World):
    world.says = "x" * 950_000
    await world.start()
    await world.task()
    result = await world.result()
    assert "output" not in result
    ref = result["output_ref"]
    assert ref["bytes"] == 950_000
    stored = await world.log.get_blob("default", ref["url"].rpartition("/")[2])
    assert stored == ("text/plain; charset=utf-8", world.says.encode())
    (event,) = [
        one for one in world.bus.records("actalog.events")
        if one.header("ce_type") == b"model.replied.v1"
    ]  # fmt: skip
    assert json.loads(event.value or b"")["payload_ref"]["bytes"] > 950_000


async def test_what_travels_by_reference_is_found_within_its_tenant(world: World):
    world.says = "x" * 950_000
    await world.start()
    await world.task("a/b", tenant_id="shop one")
    path, _, said = (await world.result())["output_ref"]["url"].partition("?")
    assert said == "tenant_id=shop%20one"
    assert await world.log.get_blob("shop one", path.rpartition("/")[2])
    events = [json.loads(one.value or b"") for one in world.bus.records("actalog.events")]
    (event,) = [one for one in events if "payload_ref" in one]
    after = f"after={event['seq'] - 1}&limit=1&tenant_id=shop%20one"
    assert event["payload_ref"]["url"] == f"/v1/runs/a%2Fb/log?{after}"


async def test_a_bare_name_is_an_agents(world: World):
    await world.start()
    await world.task(target="a")
    assert (await world.result())["target"] == "agent:a"
    await world.task("t", target="team:a")
    assert await world.refusals() == ["unknown_target"]


async def test_a_deadline_that_has_passed_is_refused_unless_the_run_is_known(world: World):
    await world.start()
    await world.task(deadline="2020-01-01T00:00:00Z")
    assert await world.refusals() == ["expired"]
    soon = world.clock().isoformat().replace("+00:00", "Z")
    await world.task("s", deadline=soon[:-1] + "Z")
    assert await world.refusals() == ["expired", "expired"]


async def test_a_repeat_after_the_deadline_is_the_same_run(world: World):
    await world.start()
    soon = (world.clock() + timedelta(seconds=30)).isoformat().replace("+00:00", "Z")
    await world.task(deadline=soon, session_id="s")
    await world.bus.drained()
    world.ahead = timedelta(seconds=60)
    await world.task(deadline=soon, session_id="s")
    assert await world.refusals() == []
    await world.task(deadline=soon)
    assert await world.refusals() == ["conflict"]


async def test_a_blob_that_is_not_there_is_refused(world: World):
    await world.start()
    await world.task(media=[{"type": "image", "blob": "b1"}])
    assert await world.refusals() == ["bad_input"]
    await world.log.put_blob("default", "b1", "image/png", b"x")
    await world.task("s", media=[{"type": "image", "blob": "b1"}])
    assert await world.statuses() == {"completed"}


async def test_a_new_deploy_is_noticed_and_running_ones_keep_theirs(world: World):
    await world.waits_for("llm")
    await world.log.put_definition("sha256:b", "agent", "a", GATHERS.model_dump_json().encode())
    world.runs().definitions.monotonic = lambda: 1e12
    await world.task("s")
    assert (await world.types("s"))[:3] == ["run.accepted", "run.started", "context.built"]
    found = [await world.log.find_run("default", one) for one in ("r", "s")]
    assert [one.row.definition for one in found if one] == ["sha256:a", "sha256:b"]
