"""What a model left unfinished, or said nothing in (decision 0023)."""

from typing import Any

import pytest

from actalog_contracts.definitions import LengthCheck, ModelChoice
from actalog_contracts.runs import ModelFailed, ModelReplied, ToolCalled, ToolReturned
from actalog_core.canonical import content_digest
from actalog_testing.scripted import Answer, Fault, Reply, Tokens, ToolUse
from tests.integration.llm.world import SUPPORT, Make, World

LENGTH = {"openai": "length", "anthropic": "max_tokens"}
BOTH = pytest.mark.parametrize("provider", LENGTH)
SCHEMA = '{"type":"object","properties":{"a":{"type":"string"}}}'


async def asked(
    make: Make, provider: str, *answers: Answer, params: str = "{}", **definition: Any
) -> tuple[World, Any]:
    model = ModelChoice(provider=provider, id="m", params=params, max_attempts=4)
    world = make(SUPPORT.model_copy(update={"model": model, **definition}))
    world.server.follow(list(answers))
    await world.start()
    await world.begin()
    return world, await world.ask()


def cut(provider: str, text: str = "", **more: Any) -> Reply:
    return Reply(text, finish=LENGTH[provider], usage=Tokens(70, 30), **more)


@BOTH
async def test_a_limit_reached_in_thought_fails_at_once_and_says_what_to_set(
    make: Make, provider: str
):
    world, told = await asked(
        make, provider, cut(provider, reasoning="Hm. " * 9), params='{"max_tokens":30}'
    )
    assert isinstance(told, ModelFailed)
    assert (told.kind, len(told.attempts), world.server.count) == ("truncated", 1, 1)
    assert "while it was thinking (max_tokens is 30): raise max_tokens" in told.message
    assert (told.usage.input_tokens, told.usage.output_tokens) == (70, 30)


@BOTH
async def test_a_limit_reached_before_a_word_fails(make: Make, provider: str):
    _, told = await asked(make, provider, cut(provider, " \n"))
    assert isinstance(told, ModelFailed)
    assert (told.kind, told.usage.output_tokens) == ("truncated", 30)
    assert "before its first word" in told.message


@BOTH
async def test_text_that_was_cut_is_an_answer_and_its_finish_says_so(make: Make, provider: str):
    _, told = await asked(make, provider, cut(provider, "Your order is"))
    assert isinstance(told, ModelReplied)
    assert (told.text, told.finish) == ("Your order is", "length")


@BOTH
@pytest.mark.parametrize("arguments", ["", '{"order": "10', '{"order": "1042"', '"whole"'])
async def test_a_call_that_was_cut_is_never_made(make: Make, provider: str, arguments: str):
    """Without arguments it could be taken for a call that needs none."""
    fine, broken = ToolUse("f", '{"order":"1"}'), ToolUse("f", arguments)
    _, told = await asked(make, provider, cut(provider, "Look.", tool_calls=[fine, broken]))
    assert isinstance(told, ModelFailed)
    assert (told.kind, len(told.attempts)) == ("truncated", 1)
    assert "within the arguments of a tool" in told.message


@BOTH
async def test_calls_that_are_whole_are_made_although_the_message_was_cut(
    make: Make, provider: str
):
    _, told = await asked(make, provider, cut(provider, tool_calls=[ToolUse("f", '{"a":1}')]))
    assert isinstance(told, ModelReplied)
    assert (told.finish, told.tool_calls[0].arguments) == ("length", '{"a":1}')


@BOTH
async def test_json_that_was_cut_is_no_answer(make: Make, provider: str):
    _, told = await asked(make, provider, cut(provider, '{"a": "b'), output_schema=SCHEMA)
    assert isinstance(told, ModelFailed)
    assert told.kind == "truncated"
    assert "within the JSON asked for" in told.message
    _, told = await asked(make, provider, cut(provider, '{"a": "b"}'), output_schema=SCHEMA)
    assert isinstance(told, ModelReplied)


async def test_a_full_window_is_a_context_that_is_too_long(make: Make):
    full = Reply(finish="model_context_window_exceeded")
    _, told = await asked(make, "anthropic", full)
    assert (told.kind, len(told.attempts)) == ("context_overflow", 1)
    _, told = await asked(make, "openai", Reply(finish="model_length"))
    assert (told.kind, len(told.attempts)) == ("context_overflow", 1)


async def test_what_was_cut_and_counts_nothing_is_estimated(make: Make):
    _, told = await asked(
        make, "openai", Reply(reasoning="four" * 5, finish="length", usage="none")
    )
    assert (told.usage.estimated, told.usage.output_tokens) == (True, 5)
    assert told.usage.input_tokens > 0


@BOTH
async def test_silence_is_asked_again_once(make: Make, provider: str):
    silent = Reply("\n", reasoning="Hm.", usage=Tokens(70, 30))
    world, told = await asked(make, provider, silent, Reply("Here.", usage=Tokens(7, 3)))
    assert isinstance(told, ModelReplied)
    assert (told.text, told.usage.input_tokens, told.usage.output_tokens) == ("Here.", 77, 33)
    assert [one.kind for one in told.attempts] == ["malformed", None]
    assert world.server.count == 2


@BOTH
async def test_who_is_silent_twice_before_any_tool_has_failed(make: Make, provider: str):
    silent = Reply(reasoning="Hm. I think so.", usage=Tokens(70, 30))
    world, told = await asked(make, provider, *[silent] * 4)
    assert isinstance(told, ModelFailed)
    assert (told.kind, world.server.count, told.usage.input_tokens) == ("malformed", 2, 140)
    assert "without a word after 15 characters of thought" in told.message


async def test_other_faults_between_do_not_make_silence_asked_more_often(make: Make):
    world, told = await asked(make, "openai", Reply(), Fault(status=500), Reply(), Reply("late"))
    assert isinstance(told, ModelFailed)
    assert (told.kind, world.server.count) == ("malformed", 3)


async def after_a_tool(make: Make, *answers: Answer, **model: Any) -> tuple[World, Any]:
    world = make(
        SUPPORT.model_copy(update={"model": ModelChoice(provider="openai", id="m", **model)})
    )
    world.server.follow([Reply(tool_calls=[ToolUse("f", "{}")]), *answers])
    await world.start()
    await world.begin()
    call_id = (await world.replied()).tool_calls[0].id
    digest = content_digest(b"{}")
    called = ToolCalled(
        call_id=call_id, name="f", arguments="{}", arguments_digest=digest, effect="read_only"
    )
    await world.write([called, ToolReturned(call_id=call_id, content="done")])
    return world, await world.ask(turn=2)


async def test_who_is_silent_twice_after_tools_has_nothing_to_add(make: Make):
    world, told = await after_a_tool(make, *[Reply(usage=Tokens(70, 30))] * 2)
    assert isinstance(told, ModelReplied)
    assert (told.text, told.finish, told.usage.input_tokens) == ("", "stop", 140)
    assert [one.kind for one in told.attempts] == ["malformed", None]
    assert world.server.count == 3


async def test_silence_after_tools_is_an_answer_where_no_attempt_is_left(make: Make):
    _, told = await after_a_tool(make, Reply(), max_attempts=1)
    assert isinstance(told, ModelReplied)


async def test_an_end_that_is_none_is_no_answer_after_tools_either(make: Make):
    _, told = await after_a_tool(make, *[Reply(finish="recitation")] * 2)
    assert isinstance(told, ModelFailed)
    assert "the model ended (recitation) without a word" in told.message


async def test_what_is_to_be_reviewed_is_no_less_cut(make: Make):
    checks = (LengthCheck(max_chars=10),)
    _, told = await asked(make, "openai", cut("openai", reasoning="Hm."), output_checks=checks)
    assert told.kind == "truncated"
