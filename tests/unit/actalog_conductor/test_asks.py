"""What the commands of an agent's run carry: whoever answers knows nothing else of the run."""

from dataclasses import replace
from typing import Any

import pytest

from actalog_conductor import agent_run
from actalog_conductor.heard import StartRun
from actalog_conductor.kinds import commands
from actalog_contracts.calls import CallModel, Command, GatherContext, RunTool
from actalog_contracts.runs import ContextBuilt, RunPaused, ToolFailed
from tests.unit.actalog_conductor.spec import (
    ACCEPTED,
    GATHERS,
    PLAIN,
    RUN,
    START,
    Spec,
    replied,
    returned,
)  # fmt: skip

LOOKUP = ("lookup", "{}")


def asked(spec: Spec) -> Command:
    (command,) = commands(agent_run.due(spec.now))
    return command


@pytest.mark.parametrize(
    ("wants", "gathers"),
    [({"memories": True}, True), ({"summary": True}, True), ({"show_state": True}, True),
     ({"history_runs": 1}, True), ({"learn": True}, False)],
)  # fmt: skip
def test_whatever_a_definition_shows_its_model_is_gathered_first(
    wants: dict[str, Any], gathers: bool
):
    spec = Spec(PLAIN.model_copy(update={"history_runs": 0, **wants})).given(START)
    assert isinstance(asked(spec), GatherContext if gathers else CallModel)


def test_history_is_what_came_before_the_run_s_own_turn():
    later = replace(RUN, turn=3)
    command = asked(Spec(GATHERS, agent_run.initial(later, GATHERS)).given(START))
    assert isinstance(command, GatherContext)
    assert command.turn == 3


def test_only_a_call_that_needs_nothing_of_the_log_carries_its_prompt():
    """What carries the input is not looked up: context and later messages would be missed."""
    first = asked(Spec().given(START))
    assert isinstance(first, CallModel)
    assert first.begun is not None
    for spec in (
        Spec(GATHERS).given(START, ContextBuilt(call_id="r:g")),
        Spec().given(START, replied(calls=[LOOKUP]), returned()),
    ):
        command = asked(spec)
        assert isinstance(command, CallModel)
        assert command.begun is None


def test_a_tool_s_command_names_the_callable_and_its_limits():
    command = asked(Spec().given(START, replied(calls=[LOOKUP])))
    assert isinstance(command, RunTool)
    tool = PLAIN.tools[0]
    assert (command.path, command.timeout_ms, command.output_limit) == (
        tool.path, tool.timeout_ms, tool.output_limit,
    )  # fmt: skip
    assert (command.effect, command.after_epoch) == (tool.effect, None)


@pytest.mark.parametrize("priority", [0, 5])
def test_a_run_s_priority_goes_with_what_it_asks(priority: int):
    accepted = ACCEPTED.model_copy(update={"priority": priority})
    assert (asked(Spec().given(StartRun(accepted, free=True))).priority or 0) == priority


def test_who_calls_a_tool_that_is_not_there_hears_which_are():
    for tools, said in ((PLAIN.tools, "lookup, refund."), ((), "none.")):
        spec = Spec(PLAIN.model_copy(update={"tools": tools})).given(START)
        failed = spec.when(replied(calls=[("fly", "{}")])).events[-1]
        assert isinstance(failed, ToolFailed)
        assert failed.message.endswith(said)


def test_a_person_is_asked_of_what_can_be_carried_out_and_of_nothing_else():
    """Of a call that has failed already nobody could say anything."""
    calls = [("refund", "{"), ("fly", "{}"), ("refund", "{}")]
    spec = Spec().given(START).when(replied(calls=calls))
    spec.then("model.replied", *["tool.called"] * 3, *["tool.failed"] * 2, "run.paused")
    paused = spec.events[-1]
    assert isinstance(paused, RunPaused)
    assert [one.id for one in paused.requirements] == ["r:t1.2:confirm"]
