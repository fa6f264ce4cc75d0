"""Which run goes on, and what was decided about it."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from actalog.errors import BadCall
from actalog.given_calls import each_of_kind, text
from actalog.models.response import ToolExecution
from actalog.run.agent import RunOutput
from actalog.run.base import RunStatus
from actalog.run.front import PAUSED
from actalog.run.requirement import RunRequirement
from actalog.run.runner import Run
from actalog.run.story import Story

if TYPE_CHECKING:
    from actalog.agent import Agent


def resumed(
    agent: "Agent", response: RunOutput | None, run_id: str | None,
    requirements: Sequence[RunRequirement] | None,
) -> Run:  # fmt: skip
    """The run as this program knows it; else made of what was given: another program may have
    begun it.

    Raises:
        BadCall: it is not said which run, or not with what says it.
    """
    _response(response)
    run_id = run_id or (response.run_id if response else None)
    asked = each_of_kind("requirements", requirements, RunRequirement)
    if run_id is None and asked:
        run_id = asked[0].run_id
    if run_id is None:
        raise BadCall("continue_run() needs a run_response, a run_id or requirements.")
    if known := PAUSED.get(text("run_id", run_id)):
        return known
    output = response or RunOutput(
        run_id=run_id, session_id="", agent_id=agent.id, agent_name=agent.name or agent.id,
        status=RunStatus.paused, requirements=list(asked),
    )  # fmt: skip
    story = Story(output)
    story.tools = {
        one.tool_execution.tool_call_id: one.tool_execution for one in output.requirements
    }
    return Run(agent, story)


def _response(given: object) -> None:
    if given is not None and not isinstance(given, RunOutput):
        hint = "; an id goes into run_id=" if isinstance(given, str) else ""
        raise BadCall(f"run_response must be a RunOutput, not {type(given).__name__}{hint}.")


def decided(
    run: Run, requirements: Sequence[RunRequirement] | None, tools: Sequence[ToolExecution] | None
) -> list[RunRequirement]:
    """Every requirement of the run, with its decision.

    Raises:
        BadCall: one is open: half an answer would leave the run as it is.
    """
    by_id = {one.id: one for one in (*run.output.requirements, *(requirements or ()))}
    given = each_of_kind("updated_tools", tools, ToolExecution)
    by_call = {one.tool_call_id: one for one in given}
    for one in by_id.values():
        if (updated := by_call.get(one.tool_execution.tool_call_id)) is not None:
            one.tool_execution.confirmed = updated.confirmed
            one.tool_execution.confirmation_note = updated.confirmation_note
        if not one.is_resolved():
            raise BadCall(
                f"requirement {one.id!r} ({one.tool_execution.tool_name}) is not decided; "
                "confirm() or reject() it first."
            )
    if not by_id:
        raise BadCall(f"run {run.output.run_id!r} waits for nothing that is known here.")
    return list(by_id.values())
