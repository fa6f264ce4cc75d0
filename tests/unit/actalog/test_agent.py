"""What an author gives, what becomes of it, and what is refused with its name."""

import sys
import warnings
from typing import Any, cast

import pytest
from pydantic import BaseModel

from actalog.agent import Agent
from actalog.errors import BadDefinition, MovedParameter, NotSupported, UnknownParameter
from actalog.guardrails import (
    FormatGuardrail,
    LengthGuardrail,
    PIIDetectionGuardrail,
    PromptInjectionGuardrail,
)  # fmt: skip
from actalog.models.anthropic import Claude
from actalog.models.ollama import Ollama
from actalog.models.openai import OpenAIChat
from actalog_contracts.definitions import (
    AgentDefinition,
    InjectionCheck,
    LengthCheck,
    PiiCheck,
)  # fmt: skip


def given(**parameters: Any) -> Agent:
    """An agent whose author does not check types."""
    return cast("Any", Agent)(**parameters)


class Order(BaseModel):
    number: int


def test_what_was_given_stands_in_the_definition():
    agent = Agent(
        name="Support Desk", model="openai:gpt-5.4-mini", instructions=["Be kind.", "Be short."],
        description="Answers.", expected_output="One sentence.", add_history_to_context=True,
        update_memory_on_run=True, enable_session_summaries=True, session_state={"cart": []},
        add_session_state_to_context=True, output_schema=Order, tool_call_limit=3, turn_limit=4,
        timeout=1.5, retries=1, markdown=True,
    )  # fmt: skip
    made = agent.definition()
    assert (made.id, made.name) == ("support-desk", "Support Desk")
    assert (made.model.provider, made.model.id, made.model.max_attempts) == (
        "openai", "gpt-5.4-mini", 2,
    )  # fmt: skip
    assert made.instructions == (
        "Be kind.", "Be short.", "Use markdown to format your answers.",
    )  # fmt: skip
    assert (made.history_runs, made.learn, made.memories, made.summary) == (3, True, True, True)
    assert (made.session_state, made.show_state) == ('{"cart": []}', True)
    assert made.output_schema is not None
    assert '"number"' in made.output_schema
    assert (made.limits.tool_calls, made.limits.turns, made.limits.deadline_ms) == (3, 4, 1500)


def test_stages_that_nobody_asks_for_are_off():
    made = Agent(num_history_runs=5).definition()
    assert (made.history_runs, made.memories, made.learn, made.summary, made.show_state) == (
        0, False, False, False, False,
    )  # fmt: skip
    assert made == AgentDefinition(id="agent", name="agent", model=made.model)


def test_a_definition_survives_being_written_and_read():
    made = Agent(name="a", instructions="Grüße 🙂", output_schema=Order).definition()
    assert AgentDefinition.model_validate_json(made.model_dump_json()) == made


def test_guardrails_become_checks_before_and_after():
    agent = Agent(
        pre_hooks=[PIIDetectionGuardrail(mask_pii=True, enable_ip_check=False)],
        input_checks=[PromptInjectionGuardrail(injection_patterns=["sudo"])],
        post_hooks=[LengthGuardrail(100), PiiCheck(action="block")],
        output_checks=[FormatGuardrail(Order)],
    )
    made = agent.definition()
    assert made.input_checks == (
        PiiCheck(action="mask", entities=("card", "iban", "email", "phone", "ssn")),
        InjectionCheck(extra_patterns=("sudo",)),
    )
    assert made.output_checks[:2] == (LengthCheck(max_chars=100), PiiCheck(action="block"))
    assert made.output_checks[2].type == "format"


def test_an_unknown_parameter_is_refused_with_the_name_that_was_meant():
    with pytest.raises(TypeError, match="Did you mean 'instructions'"):
        given(instuctions="x")
    with pytest.raises(UnknownParameter, match=r"no parameter 'zzz'\.$"):
        given(zzz=1)


@pytest.mark.parametrize("name", ["knowledge", "role", "reasoning", "tool_choice", "dependencies"])
def test_what_agno_has_and_we_do_not_is_named(name: str):
    with pytest.raises(NotSupported, match=name):
        given(**{name: True})


@pytest.mark.parametrize("name", ["get_session", "aget_chat_history", "deep_copy", "cli_app"])
def test_a_method_that_agno_has_and_we_do_not_is_named(name: str):
    agent = Agent(name="a")
    with pytest.raises(NotSupported, match=rf"not have this yet: Agent\.{name}\(\)\."):
        getattr(agent, name)
    assert not hasattr(agent, name)
    with pytest.raises(AttributeError, match=r"^'Agent' object has no attribute 'get_colour'$"):
        getattr(agent, "get_colour")  # noqa: B009


def test_what_moved_is_accepted_with_one_warning_that_names_the_replacement():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        Agent(name="a", db=object(), telemetry=False, checkpoint="runs")
    (warning,) = told
    assert warning.category is MovedParameter
    assert warning.filename == __file__
    for name in ("db=", "ACTALOG_DATABASE_URL", "telemetry=", "checkpoint="):
        assert name in str(warning.message)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"model": "gpt-5.4"}, "provider:model"),
        ({"model": "openai:"}, "provider:model"),
        ({"model": "nobody:x"}, r"unknown provider 'nobody'; known are .*anthropic.*openai"),
        ({"model": 3}, "provider:model"),
        ({"instructions": ["a", 3]}, "instructions must be text, not int"),
        ({"session_state": {"at": object()}}, "session_state is not JSON"),
        ({"session_state": {"at": float("nan")}}, "session_state is not JSON"),
        ({"output_schema": 3}, "output_schema"),
        ({"tool_call_limit": 0}, "tool_call_limit=0"),
        ({"timeout": -1}, "timeout"),
        ({"instructions": "\ud800"}, "agent 'agent'"),
        ({"tools": [3]}, "3 is no tool"),
    ],
)
def test_what_cannot_be_a_definition_says_which_part_and_whose(wrong: dict[str, Any], said: str):
    with pytest.raises(BadDefinition, match=said) as raised:
        given(**wrong).definition()
    assert "agent 'agent'" in str(raised.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"instructions": lambda: "x"}, {"tools": list}, {"pre_hooks": [print]},
        {"enable_session_summaries": True, "add_session_summary_to_context": False},
    ],
)  # fmt: skip
def test_what_a_definition_cannot_say_yet_is_refused(wrong: dict[str, Any]):
    with pytest.raises(NotSupported):
        given(**wrong).definition()


def test_models_are_values():
    chosen = OpenAIChat(id="gpt-5.4", temperature=0.5, retries=2, timeout=3).choice()
    assert (chosen.params, chosen.max_attempts) == ('{"temperature": 0.5}', 3)
    assert (chosen.first_token_timeout_ms, chosen.between_tokens_timeout_ms) == (3000, 3000)
    assert Agent(model=Claude(max_tokens=10)).definition().model.provider == "anthropic"


@pytest.mark.parametrize(
    ("asked", "first_ms"),
    [
        ({"reasoning_effort": "high"}, 300_000), ({"reasoning_effort": "none"}, 60_000),
        ({"reasoning_effort": "high", "timeout": 7}, 7_000), ({}, 60_000),
        ({"request_params": {"thinking": {"type": "adaptive"}}}, 300_000),
        ({"request_params": {"thinking": {"type": "disabled"}}}, 60_000),
        ({"extra_body": {"reasoning": {"effort": "high"}}}, 300_000),
        ({"extra_body": {"reasoning": {"max_tokens": 9}}}, 300_000),
    ],
)  # fmt: skip
def test_a_model_that_is_to_think_is_waited_for_longer(asked: dict[str, Any], first_ms: int):
    chosen = OpenAIChat(id="gpt-5.4", **asked).choice()
    assert chosen.first_token_timeout_ms == first_ms
    assert asked.get("timeout") or chosen.between_tokens_timeout_ms == 30_000


@pytest.mark.parametrize("model", ["ollama:llama3.2", Ollama("llama3.2"), "lmstudio:x"])
def test_a_model_that_may_have_to_be_loaded_is_waited_for_longer(model: Any):
    assert given(model=model).definition().model.first_token_timeout_ms == 300_000
    assert given(model="groq:x").definition().model.first_token_timeout_ms == 60_000


def test_a_key_is_no_part_of_a_definition():
    with pytest.raises(NotSupported, match="OPENAI_API_KEY"):
        cast("Any", OpenAIChat)(id="x", api_key="secret")


def test_agents_that_look_back_have_a_session_for_each_user_and_others_none():
    plain, looking = Agent(), Agent(add_history_to_context=True)
    assert plain.session_for("ann") is None
    assert looking.session_for("ann") == looking.session_for("ann")
    assert looking.session_for("ann") != looking.session_for("bob")
    assert Agent(session_id="s").session_for("ann") == "s"


def test_an_agent_is_small():
    agent = Agent(name="a", model="openai:x", instructions="y")
    assert not hasattr(agent, "__dict__")
    assert sys.getsizeof(agent) <= 1.1 * 1024


def test_what_a_stream_gives_is_known_to_a_type_checker():
    """Never run: the checker reads it."""

    async def read(agent: Agent) -> list[str]:
        told = [one.event for one in agent.run("x", stream=True)]
        return told + [one.event async for one in agent.arun("x", stream=True)]

    assert read
