"""Bad input on `actalog.tasks` of a real broker, over HTTP, and from a model: each gets a clear
error, nothing is lost, and everybody else's runs complete."""

import asyncio
import json
from typing import Any, cast

import httpx2
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from actalog_contracts.runs import ModelReplied, RunCompleted, ToolCalled, ToolFailed, ToolReturned
from actalog_testing.scripted import Fault, Reply, ToolUse
from tests.acceptance.site import Site, only
from tests.contracts.corpus import Poison, poison

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(100)]
WIRES = ["support", "claude"]


def good(run_id: str, text: str = "hello") -> dict[str, Any]:
    return {"target": "plain", "input": text, "run_id": run_id}


async def uncommitted(site: Site) -> int:
    """Records of `tasks` that the conductor's group has not done with."""
    prefix = site.settings.topic_prefix
    parts = [TopicPartition(f"{prefix}.tasks", at) for at in range(site.settings.partitions)]
    group = AIOKafkaConsumer(
        bootstrap_servers=site.settings.kafka or "", group_id=f"{prefix}.conductor",
        enable_auto_commit=False,
    )  # fmt: skip
    await group.start()
    try:
        group.assign(parts)
        done = [cast("int | None", await group.committed(part)) or 0 for part in parts]
        ends = cast("dict[TopicPartition, int]", await group.end_offsets(parts))
        return sum(ends.values()) - sum(done)
    finally:
        await group.stop()


async def test_each_poison_has_its_refusal_and_its_dead_letter_and_good_tasks_complete(site: Site):
    outside = site.outside
    for at, case in enumerate(poison()):
        key = case.name.encode()  # so that what is told of it is known
        await outside.publish(case.value, key=key, headers=case.headers, partition=at % 3)
        await outside.send(good(f"beside-{case.name}"), partition=at % 3)
    dead, told = outside.records["tasks.dlq"], outside.records["results"]
    names = {case.name.encode() for case in poison()}
    await outside.until(lambda: names <= {record.key for record in dead}, within_s=60)
    await outside.until(lambda: names <= {record.key for record in told})
    results = await outside.wait_for({f"beside-{case.name}" for case in poison()})
    assert {one["status"] for one in results.values()} == {"completed"}

    letters = {record.key: record for record in dead}
    refusals = {record.key: json.loads(record.value or b"") for record in told}
    wrong = [
        case.name for case in poison()
        if not kept(case, letters[case.name.encode()], f"{site.settings.topic_prefix}.tasks")
        or not refused(case, refusals[case.name.encode()])
    ]  # fmt: skip
    assert wrong == []
    assert len(dead) == len(names)  # each once, and nothing else


def kept(case: Poison, letter: Any, topic: str) -> bool:
    """The raw bytes, the reason, where it came from, and its own headers."""
    headers = dict(letter.headers)
    return (
        letter.value == case.value
        and headers["dlq-reason"] == b"refused"
        and case.says in headers["dlq-error"].decode()
        and headers["dlq-source-topic"].decode() == topic
        and headers["dlq-source-partition"].isdigit()
        and headers["dlq-source-offset"].isdigit()
        and headers["dlq-attempts"] == b"1"
        and case.headers.items() <= headers.items()
    )


def refused(case: Poison, told: dict[str, Any]) -> bool:
    error = told["error"]
    as_expected = (error["code"], error.get("field")) == (case.code, case.field)
    return told["type"] == "message.refused.v1" and as_expected and case.says in error["message"]


async def test_an_unknown_target_another_body_and_a_foreign_session_are_told_to_their_senders(
    site: Site,
):
    outside = site.outside
    first = await outside.ask(**good("known"), session_id="s", user_id="ann")
    assert first["status"] == "completed"
    for refused in (
        {**good("lost"), "target": "agent:nobody", "correlation_id": "c"},
        {**good("known", "something else"), "session_id": "s", "user_id": "ann"},
        {**good("other"), "session_id": "s", "user_id": "bob"},
        {**good("late"), "deadline": "2020-01-01T00:00:00Z"},
        {**good("never"), "deadline": "tomorrow"},
    ):
        await outside.send(refused)
    ids = {"lost", "known", "other", "late", "never"}
    await outside.until(lambda: ids <= {told.get("run_id") for told in outside.refusals})
    said = {told["run_id"]: told for told in outside.refusals if told.get("run_id") in ids}
    assert {
        run_id: (told["error"]["code"], told["error"]["field"]) for run_id, told in said.items()
    } == {
        "lost": ("unknown_target", "target"), "known": ("conflict", "run_id"),
        "other": ("not_allowed", "session_id"), "late": ("expired", "deadline"),
        "never": ("bad_input", "deadline"),
    }  # fmt: skip
    assert said["known"]["winner"] == "known:1"
    assert said["lost"]["correlation_id"] == "c"
    assert "agent:plain" in said["lost"]["error"]["message"]
    # The run that stands is as it was.
    assert [one["id"] for one in outside.results if one["type"] == "run.result.v1"
            and one["run_id"] == "known"] == [first["id"]]  # fmt: skip


async def test_over_http_each_poison_is_refused_with_the_field_it_names(site: Site):
    wrong: list[str] = []
    async with httpx2.AsyncClient(base_url=site.http, timeout=20) as http:
        for case in poison():
            if "ce_type" in case.headers:
                continue  # a record's header
            headers = {name: value.decode() for name, value in case.headers.items()}
            answer = await http.post("/v1/tasks", content=case.value or b"", headers=headers)
            if not told_over_http(case, answer):
                wrong.append(f"{case.name}: {answer.status_code} {answer.text[:300]}")
        unknown = await http.post("/v1/tasks", json={**good("http"), "target": "agent:nobody"})
        assert (unknown.status_code, unknown.json()["error"]["field"]) == (404, "target")
        first = await http.post("/v1/tasks", json=good("http-known"))
        other = await http.post("/v1/tasks", json=good("http-known", "something else"))
        assert (first.status_code, other.status_code) == (202, 409)
        assert other.json()["error"]["field"] == "run_id"
    assert wrong == []
    told = await site.outside.wait_for({"http-known"})
    assert told["http-known"]["status"] == "completed"
    assert "http" not in {one.get("run_id") for one in site.outside.results}


def told_over_http(case: Poison, answer: Any) -> bool:
    if answer.status_code != (413 if case.code == "too_large" else 400):
        return False
    error = answer.json()["error"]
    named = case.field is None or error["field"] == case.field
    return error["code"] == case.code and named and bool(error["message"])


MALFORMED = [
    ('{"order_id": 7', "must be a JSON object"),
    ("[7]", "must be a JSON object"),
    ("seven", "must be a JSON object"),
    ('{"order_id": "seven"}', "order_id"),
    ('{"order_id": null}', "order_id"),
    ('{"order_id": 7, "colour": "red"}', "colour"),
    ('{"verbose": true}', "order_id"),
    ('{"order_id": NaN}', "order_id"),
    ('{"order_id": "\\u0000"}', "order_id"),
    ('{"order_id": "\\ud800"}', "order_id"),
    ("[" * 10_000, "must be a JSON object"),
    ('{"order_id": ' + "9" * 5_000 + "}", "order_id"),
]


@pytest.mark.parametrize("target", WIRES)
async def test_arguments_that_no_tool_takes_are_told_to_the_model_which_may_try_again(
    site: Site, target: str
):
    asked = f"what {target} cannot call"
    calls = [ToolUse("order_status", arguments) for arguments, _ in MALFORMED]
    again = [ToolUse("order_status", {"order_id": 7})]
    site.script(asked, Reply(tool_calls=calls), Reply(tool_calls=again), Reply("It left."))
    run_id = f"malformed-{target}"
    told = await site.outside.ask(target=target, input=asked, run_id=run_id)
    assert (told["status"], told["output"]) == ("completed", "It left.")
    story = await site.story(run_id)
    failed = {one.call_id: one for one in story if isinstance(one, ToolFailed)}
    assert len(only(story, ToolCalled)) == len(MALFORMED) + 1
    assert len(only(story, ToolReturned)) == 1
    for at, (arguments, says) in enumerate(MALFORMED):
        outcome = failed[f"{run_id}:t1.{at}"]
        assert outcome.kind == "arguments", arguments[:50]
        assert says in outcome.message, (arguments[:50], outcome.message)
    # The model was told what was wrong with each, and what it may call.
    second = site.requests(asked)[1]
    said = [one.text for one in second.messages if one.role == "tool"]
    assert [says for (_, says), text in zip(MALFORMED, said, strict=True) if says not in text] == []


@pytest.mark.parametrize("target", WIRES)
async def test_tools_that_nobody_has_and_ids_that_repeat(site: Site, target: str):
    asked = f"what {target} makes up"
    calls = [
        ToolUse("launch_rocket", {"at": "once"}, id="same"),
        ToolUse("order_status", {"order_id": 1}, id="same"),
        ToolUse("order_status", {"order_id": 2}, id="same"),
        ToolUse("no tool has such a name! \u0000", {}, id="spaces are no id"),
    ]
    site.script(
        asked, Reply(tool_calls=calls),
        Reply(tool_calls=[ToolUse("stock", {"name": "boots"}, id="same")]), Reply("Done."),
    )  # fmt: skip
    run_id = f"made-up-{target}"
    told = await site.outside.ask(target=target, input=asked, run_id=run_id)
    assert (told["status"], told["output"]) == ("completed", "Done.")
    story = await site.story(run_id)
    kinds = {one.call_id[-4:]: one.kind for one in story if isinstance(one, ToolFailed)}
    assert kinds == {"t1.0": "unknown_tool", "t1.3": "unknown_tool"}
    returned = {one.call_id[-4:]: one.content for one in story if isinstance(one, ToolReturned)}
    assert returned == {
        "t1.1": "Order 1 left on Tuesday.", "t1.2": "Order 2 left on Tuesday.",
        "t2.0": "3 x boots",
    }  # fmt: skip
    # Providers refuse a prompt in which two calls have one id: each result names its own call.
    last = site.requests(asked)[-1]
    ids = ids_of_calls(last.body, target)
    assert len(ids) == len(set(ids)) == 5
    assert ids == ids_of_results(last.body, target)


def ids_of_calls(body: dict[str, Any], target: str) -> list[str]:
    if target == "support":
        return [call["id"] for said in body["messages"] for call in said.get("tool_calls", ())]
    return [part["id"] for part in blocks(body) if part["type"] == "tool_use"]


def ids_of_results(body: dict[str, Any], target: str) -> list[str]:
    if target == "support":
        return [said["tool_call_id"] for said in body["messages"] if said["role"] == "tool"]
    return [part["tool_use_id"] for part in blocks(body) if part["type"] == "tool_result"]


def blocks(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [part for said in body["messages"] for part in said["content"]]


async def test_two_hundred_calls_of_one_turn_are_all_made_and_one_more_ends_the_run(site: Site):
    def many(count: int) -> Reply:
        return Reply(tool_calls=[ToolUse("stock", {"name": f"n{at}"}) for at in range(count)])

    site.script("two hundred", many(200), Reply("All of them."))
    site.script("one more", many(201))
    all_made = await site.outside.ask(target="support", input="two hundred", run_id="many")
    too_many = await site.outside.ask(target="support", input="one more", run_id="too-many")
    assert (all_made["status"], all_made["usage"]["tool_calls"]) == ("completed", 200)
    returned = [one for one in await site.story("many") if isinstance(one, ToolReturned)]
    assert {one.content for one in returned} == {f"0 x n{at}" for at in range(200)}
    assert (too_many["status"], too_many["error"]["code"]) == ("failed", "budget_exhausted")
    assert only(await site.story("too-many"), ToolCalled) == []


async def test_a_model_that_only_calls_tools_is_stopped(site: Site):
    site.script("again and again", *[Reply(tool_calls=[ToolUse("stock", {"name": "x"})])] * 30)
    told = await site.outside.ask(target="support", input="again and again", run_id="endless")
    assert (told["status"], told["error"]["code"]) == ("failed", "turn_limit")
    assert told["usage"]["model_calls"] == 25


@pytest.mark.parametrize("target", WIRES)
async def test_a_model_that_breaks_off_is_asked_again_and_both_attempts_are_told(
    site: Site, target: str
):
    asked = f"{target}, are you there?"
    faults = [Fault(status=500), Fault(cut_after_chunks=2), Fault(missing_finish=True)]
    site.script(asked, *faults, Reply("Now I am."))
    told = await site.outside.ask(target=target, input=asked, run_id=f"broken-{target}")
    assert (told["status"], told["output"]) == ("completed", "Now I am.")
    (reply,) = [one for one in await site.story(f"broken-{target}")
                if isinstance(one, ModelReplied)]  # fmt: skip
    assert len(reply.attempts) == 4, reply.attempts
    assert len(only(await site.story(f"broken-{target}"), RunCompleted)) == 1


async def test_nothing_of_all_this_holds_up_the_topic(site: Site):
    told = await site.outside.ask(**good("the-last"))
    assert told["status"] == "completed"
    async with asyncio.timeout(20):
        while await uncommitted(site):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
