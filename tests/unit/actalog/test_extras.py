"""What is not installed is told before anything begins, in one line that names the extra."""

import sys
import traceback
from socket import socket

import pytest

from actalog.agent import Agent
from actalog.errors import BadDefinition
from actalog.extras import checkable, installed, installed_alone
from actalog.guardrails import FormatGuardrail, LengthGuardrail
from actalog.names import NAMES
from actalog.run.loop import BACKGROUND
from actalog.tools.function import tool
from actalog_core.errors import SettingMissing


def without(monkeypatch: pytest.MonkeyPatch, *libraries: str) -> None:
    for one in libraries:
        monkeypatch.setitem(sys.modules, one, None)


def test_all_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch):
    installed(*NAMES)
    without(monkeypatch, "fastapi", "openai")
    with pytest.raises(SettingMissing, match=r"needs openai, .*needs fastapi: .*\[llm,gateway\]"):
        installed(*NAMES)


def test_guardrails_alone_need_their_extra_and_beside_others_who_checks_a_form(
    monkeypatch: pytest.MonkeyPatch,
):
    installed_alone("guardrails")
    plain = Agent(name="plain", pre_hooks=[LengthGuardrail(3)]).definition()
    forms = Agent(name="forms", post_hooks=[FormatGuardrail({"type": "object"})]).definition()
    checkable([plain, forms])
    without(monkeypatch, "jsonschema")
    installed(*NAMES)
    checkable([plain])
    with pytest.raises(SettingMissing, match=r"guardrails service needs jsonschema: install act"):
        installed_alone("guardrails")
    with pytest.raises(SettingMissing, match=r"agent 'forms' .*: install actalog\[guardrails\]"):
        checkable([plain, forms])


@tool
def odd(at: socket) -> str:
    """No JSON is one."""
    return ""


def test_what_an_author_did_wrong_is_told_without_our_ways():
    agent = Agent(name="a", tools=[odd])
    with pytest.raises(BadDefinition) as caught:
        agent.definition()
    told = "".join(traceback.format_exception(caught.value))
    assert told.count("Traceback") == 1
    assert str(caught.value).count("'odd'") == 1

    async def deep() -> None:
        agent.definition()

    with pytest.raises(BadDefinition) as caught:
        BACKGROUND.run(deep())
    assert "definitions.py" not in "".join(traceback.format_exception(caught.value))


async def test_to_await_it_is_no_longer():
    with pytest.raises(BadDefinition) as caught:
        await Agent(name="a", tools=[odd]).arun("x")
    assert "definitions.py" not in "".join(traceback.format_exception(caught.value))
