"""The very bodies that providers are sent."""

import json

import pytest

from actalog_contracts.definitions import AgentDefinition, ModelChoice
from actalog_contracts.runs import ContextBuilt, RunStarted, ToolFailed
from actalog_llm import wire
from actalog_llm.prompt import Messages, render_prompt
from actalog_llm.prompt.messages import Assistant, assemble
from actalog_llm.prompt.parts import ASSISTANT, EXTRA, USER, said
from actalog_llm.whole import as_json
from tests.unit.actalog_llm.log import AGENT, accepted, called, replied, returned, run

SCHEMA = '{"type":"object"}'
LONG = AGENT.model_copy(update={"expected_output": None, "instructions": ("Be brief.",)})
EVENTS = run(
    accepted(), RunStarted(), ContextBuilt(),
    replied("I look.", ("a", '{"q":1}'), ("b", "")), called(0, '{"q":1}'), called(1, ""),
    returned(0, "found"), ToolFailed(call_id="r:t1.1", kind="raised", message="not found"),
)  # fmt: skip


def sent(provider: str, params: str = "{}", definition: AgentDefinition = LONG) -> object:
    choice = ModelChoice(provider=provider, id="m", params=params)
    told = wire.params_text(choice)
    return wire.body(choice, render_prompt(definition, EVENTS, {}, params=told))


def test_openai_s_whole_body():
    call = {"type": "function"}
    assert sent("openai", '{"temperature":0.5,"n":3,"messages":[],"top_p":null}') == {
        "model": "m", "stream": True, "stream_options": {"include_usage": True}, "temperature": 0.5,
        "tools": [
            {
                "type": "function",
                "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}},
            }
        ],
        "messages": [
            {"role": "system", "content": "You help.\n\nBe brief."},
            {"role": "user", "content": "Where?"},
            {
                "role": "assistant", "content": "I look.",
                "tool_calls": [
                    {**call, "id": "a", "function": {"name": "look", "arguments": '{"q":1}'}},
                    {**call, "id": "b", "function": {"name": "look", "arguments": "{}"}},
                ],
            },
            {"role": "tool", "tool_call_id": "a", "content": "found"},
            {"role": "tool", "tool_call_id": "b", "content": "not found"},
        ],
    }  # fmt: skip


def test_anthropic_s_whole_body():
    assert sent("anthropic", '{"temperature":0.5,"system":"no","stop_sequences":null}') == {
        "model": "m", "stream": True, "max_tokens": 8192, "temperature": 0.5,
        "system": "You help.\n\nBe brief.",
        "tools": [
            {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "Where?"}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "a", "name": "look", "input": {"q": 1}},
                    {"type": "tool_use", "id": "b", "name": "look", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "a", "content": "found"},
                    {"type": "tool_result", "tool_use_id": "b", "content": "not found",
                     "is_error": True},
                ],
            },
        ],
    }  # fmt: skip


@pytest.mark.parametrize("params", ["", "[]", "{", "null"])
def test_parameters_that_are_no_object_are_none(params: str):
    assert sent("openai", params) == sent("openai")


def test_a_schema_is_sent_where_the_server_takes_one_and_its_author_gave_no_form():
    json = LONG.model_copy(update={"output_schema": SCHEMA})
    form = {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}}
    assert body(sent("openai", definition=json)).get("response_format") == form
    assert "response_format" not in body(sent("groq", definition=json))
    own = '{"response_format":{"type":"json_object"}}'
    assert body(sent("openai", own, json)).get("response_format") == {"type": "json_object"}


def body(told: object) -> dict[str, object]:
    assert isinstance(told, dict)
    return told  # pyright: ignore[reportUnknownVariableType]


@pytest.mark.parametrize("given", ['{"q": 18446744073709551617}', '{"q": 1e30}', '{"q": "%s"}'])
def test_a_call_goes_back_to_its_model_with_the_numbers_that_it_wrote(given: str):
    given = given.replace("%s", "9" * 30)
    events = run(
        accepted(), RunStarted(), ContextBuilt(), replied("", ("a", given)), called(0, given),
        returned(0, "found"),
    )  # fmt: skip
    choice = ModelChoice(provider="anthropic", id="m")
    told = wire.body(choice, render_prompt(LONG, events, {}, params=wire.params_text(choice)))
    assert json.loads(as_json(told))["messages"][1]["content"][0]["input"] == json.loads(given)


def messages(*parts: tuple[str, str]) -> Messages:
    return assemble(said(role, text) for role, text in parts)


def test_what_a_provider_wants_back_begins_a_message_of_its_own():
    """As after a turn in which the model thought, and said nothing."""
    one, two = '{"anthropic":[1]}', '{"anthropic":[2]}'
    told = messages((USER, "a"), (EXTRA, one), (EXTRA, two), (ASSISTANT, "b")).said[1:]
    assert told == [Assistant(extra=one), Assistant("b", two)]
    told = messages((ASSISTANT, "a"), (ASSISTANT, "b")).said
    assert told == [Assistant("a"), Assistant("b")]
