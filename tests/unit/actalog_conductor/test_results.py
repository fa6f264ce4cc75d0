"""A run that has ended or paused always has a result that a message can carry."""

from dataclasses import replace

import pytest

from actalog_bus.envelope import body
from actalog_conductor.agent_states import Finished
from actalog_conductor.results import result_of
from actalog_contracts.tasks import RunResult
from tests.unit.actalog_conductor.spec import PLAIN, START, replied
from tests.unit.actalog_conductor.test_draft import after

DEEP = '{"a":' * 300 + "1" + "}" * 300


@pytest.mark.parametrize("arguments", ['{"a": NaN}', r'{"a": "\ud800"}', DEEP])
def test_a_pause_tells_arguments_that_no_message_can_carry_as_their_text(arguments: str):
    paused = after(PLAIN, START, replied(calls=[("refund", arguments)]))
    told = RunResult.model_validate_json(body(result_of(paused)))
    (asked,) = told.requirements
    assert asked.tool_call is not None
    assert asked.tool_call.arguments == arguments


@pytest.mark.parametrize("text", ['{"a": NaN}', r'{"a": "\ud800"}', DEEP])
def test_an_answer_that_rules_before_4_took_for_json_is_told_as_its_text(text: str):
    ended = after(PLAIN, START, replied(text=text))
    assert isinstance(ended.state, Finished)
    recorded = replace(ended, state=replace(ended.state, output_is_json=True))
    told = RunResult.model_validate_json(body(result_of(recorded)))
    assert (told.status, told.output) == ("completed", text)
