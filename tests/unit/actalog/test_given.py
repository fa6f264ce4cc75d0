"""What an author gives in a wrong kind is told with the name it was given under."""

import sys
from typing import Any, cast

import pytest

from actalog.agent import Agent
from actalog.app import App
from actalog.errors import BadDefinition
from actalog.guardrails import (
    FormatGuardrail,
    LengthGuardrail,
    PIIDetectionGuardrail,
    PromptInjectionGuardrail,
)
from actalog.models.openai import OpenAIChat
from actalog.tools import Toolkit, tool

# The author checks no types.
agent, app, declared, chat, kit = (
    cast("Any", one) for one in (Agent, App, tool, OpenAIChat, Toolkit)
)
length, injection, form = (
    cast("Any", one) for one in (LengthGuardrail, PromptInjectionGuardrail, FormatGuardrail)
)


def look_up(order_id: str) -> str:
    """Look an order up."""
    return order_id


class Unmade(Toolkit):
    def __init__(self) -> None: ...


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"name": 3}, "an agent: name must be text, not int"),
        ({"id": 3}, "an agent: id must be text, not int"),
        ({"id": "a\0b"}, r"cannot be called 'a\\x00b'"),
        ({"name": " "}, "an agent cannot be called ''"),
        *(({"id": id}, f"cannot be called '{id}'; give it another name or id")
          for id in ("..", "a/", "/a", "a//b", "a/../b", "a/runs", "a/sessions/b")),
        ({"id": "a" * 195}, "an agent's id 'a+'... has 195 characters, and 194 are the most"),
        ({"timeout": "10"}, "agent 'a': timeout='10'; give a positive number of seconds"),
        ({"timeout": 0}, "timeout=0; give a positive number of seconds"),
        ({"timeout": -1.5}, "timeout=-1.5; give a positive number of seconds"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"timeout": float("inf")}, "timeout=inf"),
        ({"timeout": 1e300}, r"timeout=1e\+300"),
        ({"timeout": 1e12}, r"timeout=1000000000000\.0"),
        ({"timeout": True}, "timeout=True"),
        ({"turn_limit": 2**60}, "turn_limit=1152921504606846976"),
        ({"tool_call_limit": 1.5}, "tool_call_limit=1.5; give a positive number"),
        ({"retries": -1}, "agent 'a': retries=-1; give a whole number, 0 or more"),
        ({"retries": "3"}, "retries='3'"),
        ({"instructions": 3}, "agent 'a': instructions must be a list, not 3"),
        ({"instructions": {"be": "kind"}}, "instructions must be a list"),
        ({"instructions": [None]}, "instructions must be text, not NoneType"),
        ({"tools": Toolkit()}, "agent 'a': tools must be a list, not <"),
        ({"tools": "abc"}, "tools must be a list, not 'abc'"),
        ({"tools": (one for one in [look_up])}, "tools must be a list, not <generator"),
        ({"tools": [Unmade()]}, r"Unmade.__init__ must call super\(\).__init__"),
        ({"pre_hooks": PIIDetectionGuardrail()}, "agent 'a': pre_hooks must be a list"),
        ({"output_checks": "pii"}, "agent 'a': output_checks must be a list"),
        ({"session_state": [1]}, r"agent 'a': session_state must be a dict, not \[1\]"),
        ({"update_memory_on_run": "yes"}, "agent 'a': update_memory_on_run='yes'; give True or"),
        ({"overlap": 1}, "overlap=1; give True or False"),
        ({"output_schema": {"type": "nonsense"}}, "agent 'a': output_schema is no JSON Schema"),
    ],
)  # fmt: skip
def test_an_agent_names_the_parameter_that_is_of_a_wrong_kind(given: dict[str, Any], told: str):
    with pytest.raises(BadDefinition, match=told):
        agent(**{"name": "a", **given}).definition()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"timeout": "10"}, "agent 'a', tool 'look_up': timeout='10'; give a positive number of"),
        ({"timeout": 0}, "timeout=0"),
        ({"timeout": 0.0001}, "timeout=0.0001"),
        ({"output_limit": -1}, "tool 'look_up': output_limit=-1; give a positive number"),
        ({"description": 3}, "tool 'look_up': description must be text, not int"),
        ({"requires_confirmation": "x"}, "requires_confirmation='x'; give True or False"),
        ({"name": 3}, "agent 'a', a tool: name must be text, not int"),
        ({"name": "x" * 65}, "cannot be called 'x+'; give it a name= of at most 64 letters"),
        ({"name": "straße"}, "cannot be called 'straße'"),
    ],
)
def test_a_tool_names_the_parameter_that_is_of_a_wrong_kind(given: dict[str, Any], told: str):
    with pytest.raises(BadDefinition, match=told):
        Agent(name="a", tools=[declared(**given)(look_up)]).definition()


@pytest.mark.parametrize("id", ["a/b", "runs", "sessions/a", "a/runs2", "v1.2", "...", "a" * 194])
def test_an_agent_may_have_an_id_with_slashes(id: str):
    assert Agent(id=id).definition().id == id


def test_a_tool_may_have_a_name_that_providers_take_and_python_does_not():
    made = Agent(name="a", tools=[tool(name="look-up")(look_up)]).definition()
    assert made.tools[0].name == "look-up"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"id": 3}, "OpenAIChat: id must be text, not int"),
        ({"base_url": 3}, "OpenAIChat: base_url must be text, not int"),
        (
            {"base_url": "localhost:1234"},
            "base_url='localhost:1234': an address is wanted, as http",
        ),
        ({"timeout": -1}, "OpenAIChat: timeout=-1; give a positive number of seconds"),
        ({"retries": -1}, "OpenAIChat: retries=-1; give a whole number, 0 or more"),
        ({"extra_body": "x"}, "OpenAIChat: extra_body must be a dict, not 'x'"),
        ({"request_params": [1]}, "OpenAIChat: request_params must be a dict"),
    ],
)
def test_a_model_names_the_parameter_that_is_of_a_wrong_kind(given: dict[str, Any], told: str):
    with pytest.raises(BadDefinition, match=told):
        chat(**given).choice()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: length("3"), "LengthGuardrail: max_chars='3'; give a positive number"),
        (lambda: length(None), "max_chars=None"),
        (lambda: injection(injection_patterns="abc"), "injection_patterns must be a list"),
        (lambda: injection(injection_patterns=[3]), "injection_patterns must be text, not int"),
        (lambda: injection(injection_patterns=["x", " "]), "injection_patterns is empty"),
        (
            lambda: injection(injection_patterns=["x", "("]),
            "injection_patterns: '\\(' is no regular",
        ),
        (
            lambda: injection(injection_patterns=["(?=x)(a+)+"]),
            "injection_patterns: .* looks around",
        ),
        (
            lambda: form({"required": 3}).to_check(),
            "schema=...\\) is no JSON Schema: required: a list",
        ),
        (lambda: kit(tools=look_up), "toolkit 'toolkit': tools must be a list"),
        (lambda: app(agents=Agent(name="a")), "App: agents must be a list, not Agent"),
        (lambda: app(agents=[Agent]), "is no agent"),
        (lambda: app(agents=[agent(name=3)]), "an agent: name must be text"),
    ],
)
def test_guardrails_toolkits_and_apps_do_so_too(make: Any, told: str):
    with pytest.raises(BadDefinition, match=told):
        make()


def test_a_schema_is_looked_at_where_its_library_is_not_installed_too(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    assert agent(name="a", output_schema={"type": "object"}).definition().output_schema
    with pytest.raises(BadDefinition, match="output_schema is no JSON Schema: type: one or sev"):
        agent(name="a", output_schema={"type": "nonsense"}).definition()
