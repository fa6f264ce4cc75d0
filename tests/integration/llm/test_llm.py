"""The llm service: a command comes, a model is asked, one reply goes."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from actalog_contracts.calls import Begun
from actalog_contracts.definitions import LengthCheck, ModelChoice
from actalog_contracts.runs import ModelFailed, ModelNeeded, ModelReplied
from actalog_core.canonical import keyed_digest
from actalog_core.clock import rfc3339
from actalog_testing.scripted import Fault, Reply, ToolUse
from tests.integration.llm.world import SUPPORT, Make, World


async def test_a_command_becomes_one_whole_reply(world: World):
    world.server.follow([Reply("Order 1042 left on Tuesday.", chunks=3)])
    await world.start()
    await world.begin()
    reply = await world.ask()
    assert isinstance(reply, ModelReplied)
    assert (reply.text, reply.finish, reply.epoch) == ("Order 1042 left on Tuesday.", "stop", 1)
    assert (reply.provider, reply.model, reply.usage.model_calls) == ("openai", "gpt-x", 1)
    assert [one.kind for one in reply.attempts] == [None]


async def test_deltas_come_with_offsets_and_join_to_the_text(world: World):
    text = "Grüße 👋 und auf Wiedersehen"
    world.server.follow([Reply(text, reasoning="Hm.", chunks=6, delay_ms=15)])
    await world.start()
    await world.begin()
    reply = await world.ask()
    await world.shown(text, epoch=1)
    for kind, whole in (("text", text), ("reasoning", "Hm.")):
        deltas = [one for one in world.streamed() if one.get("kind", "text") == kind]
        offset = 0
        for one in deltas:
            assert (one["offset"], one["epoch"], one["call_id"]) == (offset, 1, "r:m1")
            offset += len(one["text"])
        assert "".join(one["text"] for one in deltas) == whole
    assert reply.reasoning == "Hm."
    assert len([one for one in world.streamed()]) > 2


async def test_no_delta_where_a_check_may_block(world: World):
    await world.start()
    await world.begin()
    await world.ask(stream=False)
    assert world.streamed() == []


async def test_a_stream_topic_that_takes_nothing_does_not_fail_the_call(world: World):
    await world.start()
    await world.begin()
    world.refuse("actalog.stream")
    assert isinstance(await world.ask(), ModelReplied)


async def test_no_delta_leaves_before_the_claim_stands(world: World):
    world.server.follow([Reply("word " * 8, chunks=8, delay_ms=5)])
    await world.start()
    await world.begin()
    gate = world.slow_claims()
    await world.postman.command(world.command())
    await world.server_has(1)
    await asyncio.sleep(0.1)
    assert (world.server.count, world.streamed(), world.outcomes("r:m1")) == (1, [], [])
    gate.set()
    await world.bus.drained()
    assert isinstance(world.outcome(), ModelReplied)
    await world.shown("word " * 8, epoch=1)


async def test_a_command_heard_twice_asks_the_model_once(world: World):
    await world.start()
    await world.begin()
    first = await world.ask()
    world.bus.redeliver("actalog.llm")
    await world.bus.drained()
    assert world.server.count == 1
    assert world.outcomes("r:m1") == [first, first]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(status=429, retry_after=0.001), "rate_limited"), (Fault(status=429), "rate_limited"),
        (Fault(status=500), "overloaded"), (Fault(status=503), "overloaded"),
        (Fault(status=529), "overloaded"), (Fault(status=408), "timeout"),
        (Fault(cut_after_chunks=3), "truncated"), (Fault(missing_finish=True), "truncated"),
        (Fault(error_after_chunks=2), "overloaded"),
        (Fault(stall_before_headers=True), "timeout"), (Fault(stall_after_chunks=3), "timeout"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_a_fault_is_tried_again_under_an_epoch_of_its_own(
    make: Make, provider: str, fault: Fault, kind: str
):
    model = ModelChoice(provider=provider, id="m")
    if fault.stall_before_headers or fault.stall_after_chunks is not None:  # others need no haste
        model = model.model_copy(
            update={"first_token_timeout_ms": 1_000, "between_tokens_timeout_ms": 500}
        )
    world = make(SUPPORT.model_copy(update={"model": model}))
    world.server.follow([fault, Reply("Here it is.")])
    await world.start()
    await world.begin()
    reply = await world.ask()
    await world.shown("Here it is.", epoch=2)
    assert isinstance(reply, ModelReplied)
    assert (reply.text, reply.epoch, reply.usage.model_calls) == ("Here it is.", 2, 1)
    assert [(one.epoch, one.kind) for one in reply.attempts] == [(1, kind), (2, None)]
    told = world.streamed()
    (retry,) = [one for one in told if one["type"] == "stream.progress.v1"]
    assert (retry["what"], retry["epoch"], retry["detail"]) == ("retry", 2, kind)
    second = [one for one in told if one.get("epoch") == 2 and "text" in one]
    assert "".join(one["text"] for one in second) == "Here it is."
    assert second[0]["offset"] == 0
    await asyncio.sleep(0.1)  # nobody goes on showing what the first had begun
    assert [one for one in asyncio.all_tasks() if "_send_all" in str(one.get_coro())] == []


async def test_attempts_end_and_all_of_them_are_told(world: World):
    world.server.follow([Fault(status=500)] * 9)
    await world.start()
    await world.begin()
    told = await world.ask()
    assert isinstance(told, ModelFailed)
    assert (told.kind, len(told.attempts), told.epoch) == ("overloaded", 4, 4)
    assert told.prompt is not None


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "invalid_request"), (401, "auth"), (404, "invalid_request")]
)
async def test_what_another_attempt_does_not_mend_is_told_at_once(
    world: World, status: int, kind: str
):
    world.server.follow([Fault(status=status)] * 9)
    await world.start()
    await world.begin()
    told = await world.ask()
    assert (told.kind, len(told.attempts), world.server.count) == (kind, 1, 1)


async def test_a_provider_that_asks_for_too_long_a_wait_is_not_waited_for(world: World):
    world.server.follow([Fault(status=429, retry_after=3_600)] * 9)
    await world.start()
    await world.begin()
    told = await world.ask()
    assert (told.kind, len(told.attempts)) == ("rate_limited", 1)
    assert told.attempts[0].retry_after_ms == 3_600_000


async def test_a_missing_key_names_its_setting_and_sends_no_request(make: Make):
    model = ModelChoice(provider="groq", id="m")
    world = make(SUPPORT.model_copy(update={"model": model}))
    await world.start()
    await world.begin()
    told = await world.ask()
    assert (told.kind, told.attempts, world.server.count) == ("auth", (), 0)
    assert "GROQ_API_KEY" in told.message


async def test_a_server_that_is_not_there_is_a_failed_connection(world: World):
    await world.start()
    await world.begin()
    await world.server.stop()
    told = await world.ask()
    assert (told.kind, len(told.attempts)) == ("connection", 4)


@pytest.mark.parametrize("purpose", ["answer", "memories"])
async def test_a_message_to_be_reviewed_waits_beside_the_log(make: Make, purpose: str):
    checked = SUPPORT.model_copy(update={"output_checks": (LengthCheck(max_chars=10),)})
    world = make(checked)
    world.server.follow([Reply("secret", [ToolUse("f", {"a": "secret"})], reasoning="secret")])
    await world.start()
    await world.begin()
    if purpose != "answer":
        needed = ModelNeeded(call_id="r:1", purpose=purpose, template="t", continuation="")
        await world.write([needed])
    reply = await world.ask(stream=False, purpose=purpose)
    held = await world.log.get_held("default", "r:m1:1")
    key = await world.log.installation_key()
    assert "secret" not in reply.model_dump_json()
    assert held is not None
    assert reply.held_text.digest == keyed_digest(key, held.encode())
    told = json.loads(held)
    assert (told["text"], told["tool_calls"][0]["arguments"]) == ("secret", '{"a":"secret"}')
    everything = [*world.bus.records("actalog.replies"), *world.bus.records("actalog.stream")]
    assert all(b"secret" not in (record.value or b"") for record in everything)


@pytest.mark.parametrize("checks", [(), (LengthCheck(max_chars=10),)])
@pytest.mark.parametrize(
    ("provider", "answer"),
    [("anthropic", Reply("secret", finish="refusal")),
     ("openai", Fault(status=400, message="your input was flagged: secret"))],
)  # fmt: skip
async def test_9_1_a_refusal_is_a_message_of_the_model_and_is_not_shown_unreviewed(
    make: Make, provider: str, answer: Reply | Fault, checks: tuple[LengthCheck, ...]
):
    choice = ModelChoice(provider=provider, id="m", max_attempts=1)
    world = make(SUPPORT.model_copy(update={"output_checks": checks, "model": choice}))
    world.server.follow([answer])
    await world.start()
    await world.begin()
    told = await world.ask(stream=False)
    assert (told.kind, len(told.attempts)) == ("refused", 1)
    assert ("secret" in told.message) == (not checks)
    assert ("secret" in told.model_dump_json()) == (not checks)
    everything = [*world.bus.records("actalog.replies"), *world.bus.records("actalog.stream")]
    assert any(b"secret" in (one.value or b"") for one in everything) == (not checks)


async def test_missing_usage_is_estimated_and_says_so(world: World):
    world.server.follow([Reply("four char tokens", usage="none")])
    await world.start()
    await world.begin()
    usage = (await world.ask()).usage
    assert (usage.estimated, usage.output_tokens, usage.model_calls) == (True, 4, 1)


async def test_two_hundred_calls_run_at_once(make: Make):
    model = ModelChoice(provider="openai", id="m", first_token_timeout_ms=50_000)
    world = make(SUPPORT.model_copy(update={"model": model}))
    world.server.follow([Fault(stall_before_headers=True)] * 200)
    await world.start()
    for at in range(200):
        await world.begin(run_id=f"r{at}")
        await world.postman.command(world.command(f"r{at}"))
    await world.server_has(200)  # none of them is answered: all wait at the same time
    await world.bus.crash()  # a stop would wait for them


async def test_a_broken_command_is_a_dead_letter(world: World):
    await world.start()
    await world.bus.publish("actalog.llm.commands", value=b"{", key=b"r")
    await world.bus.drained()
    assert len(world.bus.records("actalog.llm.commands.dlq")) == 1


async def test_a_model_is_not_asked_for_a_run_whose_deadline_has_passed(world: World):
    await world.start()
    await world.begin()
    world.runs["r"].deadline = rfc3339(datetime.now(UTC) - timedelta(seconds=1))
    told = await world.ask()
    assert isinstance(told, ModelFailed)
    assert (told.kind, told.attempts, told.usage.model_calls) == ("timeout", (), 0)
    assert world.server.count == 0


async def test_a_first_call_that_carries_its_input_reads_no_log_and_the_next_one_does(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    world.server.follow([Reply("One."), Reply("Two."), Reply("Two again.")])
    await world.start()
    await world.begin("Where is it?")
    read, reads = world.log.read, list[int]()

    async def counted(run_no: int, **more: Any) -> Any:
        reads.append(run_no)
        return await read(run_no, **more)

    monkeypatch.setattr(world.log, "read", counted)
    first = await world.ask(begun=Begun(input="Where is it?"))
    assert not reads
    await world.write([first])
    second = await world.ask(turn=2)
    assert reads
    (sent, again) = world.server.requests
    assert [one.text for one in sent.messages] == ["Be kind.", "Where is it?"]
    assert [one.text for one in again.messages] == ["Be kind.", "Where is it?", "One."]
    # The second record stands on the first one's digest, which was made without the log.
    assert [part.role for part in second.prompt.parts] == ["prompt", "assistant"]
    assert second.prompt.parts[0].digest == first.prompt.digest


async def test_what_a_command_carries_is_not_taken_for_the_log(world: World):
    world.server.follow([Reply("One."), Reply("Two.")])
    await world.start()
    await world.begin("The log's words")
    await world.ask(begun=Begun(input="Other words"))
    await world.ask(turn=2)
    assert world.server.requests[1].messages[-1].text == "The log's words"
