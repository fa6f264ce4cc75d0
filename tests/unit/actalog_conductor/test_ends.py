"""What the events of a run's end carry: the cost so far, who says so, and nothing that was blocked."""

import pytest

from actalog_conductor.agent_states import Acting, Finished, Thinking
from actalog_conductor.heard import Buried, Cancel, Heard, Late, Resolve, StartRun, TimeIs
from actalog_contracts.base import ToolCall, Usage
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import (
    CallSettled,
    InputChecked,
    ModelFailed,
    OutputReviewed,
    RunBlocked,
    RunCancelled,
    RunFailed,
    ToolFailed,
    ToolInDoubt,
)
from tests.unit.actalog_conductor.spec import (
    ACCEPTED,
    CHECKED,
    REVIEWED,
    START,
    Spec,
    checked,
    failed,
    held,
    replied,
    returned,
)  # fmt: skip

CALL = ToolCall(id="", provider_id="p", name="lookup", arguments='{"card":"4111"}')
BLOCKED = OutputReviewed(
    call_id="r:o1", verdict="blocked", text="card 4111", tool_calls=(CALL,), reasons=("card", "iban")
)  # fmt: skip


@pytest.mark.parametrize(
    ("definition", "heard"),
    [(CHECKED, (checked("blocked", "card"),)), (REVIEWED, (held(), BLOCKED))],
    ids=["input", "output"],
)
def test_9_1_what_was_blocked_is_never_logged_whatever_the_check_answers(
    definition: AgentDefinition, heard: tuple[Heard, ...]
):
    spec = Spec(definition).given(START, *heard[:-1]).when(heard[-1])
    verdict, _ = spec.events
    assert isinstance(verdict, (InputChecked, OutputReviewed))
    assert verdict.text is None
    assert getattr(verdict, "tool_calls", ()) == ()
    assert verdict.reasons[0] == "card"  # why it was blocked is


def test_what_was_blocked_says_by_whom_why_and_what_it_has_cost():
    spec = Spec(REVIEWED).given(START, held()).when(BLOCKED)
    end = spec.events[-1]
    assert isinstance(end, RunBlocked)
    assert (end.error.source, end.error.message) == ("guardrails", "card; iban")
    assert (end.usage.model_calls, end.usage.total_tokens) == (1, 10)


def test_a_run_that_its_model_ends_says_what_all_its_calls_have_cost():
    spec = Spec().given(START, replied(calls=[("lookup", "{}")]), returned())
    costs = failed(2).model_copy(update={"usage": Usage(model_calls=1, total_tokens=5)})
    spec = spec.when(costs).then("model.failed", "run.failed")
    assert isinstance(spec.events[0], ModelFailed)
    assert isinstance(spec.now, Finished)
    told = spec.now.usage
    assert (told.model_calls, told.tool_calls, told.total_tokens) == (2, 1, 15)


def test_a_call_of_the_dead_letters_is_in_doubt_up_to_its_epoch_and_no_further():
    """What runs after a person's "not done" has the next epoch, and its outcome counts."""
    spec = Spec().given(START, replied(calls=[("lookup", "{}")]))
    for epoch in (1, 2):
        spec = spec.given(
            Buried("r:t1.0", "no colour"), Resolve(f"r:t1.0:doubt{epoch}", "not_done")
        )
        assert isinstance(spec.now, Acting)
        spec.when(returned().model_copy(update={"epoch": epoch})).then_nothing()
        again = spec.when(returned().model_copy(update={"epoch": epoch + 1}))
        assert isinstance(again.then("tool.returned").now, Thinking)


def test_calls_of_all_messages_count_towards_the_limit_and_the_last_one_below_it_runs():
    """Five, of this definition."""
    lookup = ("lookup", "{}")
    spec = Spec().given(START, replied(calls=[lookup] * 3), *(returned(1, at) for at in range(3)))
    spec.when(replied(2, calls=[lookup] * 2)).then("model.replied", "tool.called", "tool.called")
    spec = spec.when(replied(2, calls=[lookup] * 3)).then("model.replied", "run.failed")
    assert isinstance(spec.now, Finished)
    assert spec.now.error is not None
    assert spec.now.error.code == "budget_exhausted"


def test_what_the_conductor_or_a_person_ends_says_so_and_what_it_has_cost():
    spec = Spec().given(START, replied(calls=[("lookup", "{}")]))
    late = spec.when(TimeIs(ACCEPTED.deadline)).events[-1]
    assert isinstance(late, RunFailed)
    assert (late.error.source, late.usage.model_calls) == ("conductor", 1)
    cancelled = spec.when(Cancel("no longer wanted", "ann")).events[-1]
    assert isinstance(cancelled, RunCancelled)
    assert (cancelled.reason, cancelled.by) == ("no longer wanted", "ann")
    assert cancelled.usage.model_calls == 1


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize(
    "outcome",
    [ToolInDoubt(call_id="r:t1.0", epoch=1, message="its worker died"),
     ToolFailed(call_id="r:t1.0", kind="raised", message="no such order", duration_ms=7)],
)  # fmt: skip
def test_6_5_what_a_call_came_to_after_the_end_is_recorded_once_with_why(
    outcome: ToolFailed | ToolInDoubt, late: bool
):
    """A doubt as well: what may have acted is never hidden."""
    heard = Late(outcome) if late else outcome
    spec = Spec().given(START, replied(calls=[("lookup", "{}")]), Cancel())
    spec = spec.when(heard).then("call.settled")
    (settled,) = spec.events
    assert isinstance(settled, CallSettled)
    assert (settled.outcome, settled.message) == (outcome.type, outcome.message)
    spec.when(heard).then_nothing()


def test_6_5_another_attempt_that_failed_after_the_end_is_paid_for():
    again = failed().model_copy(update={"epoch": 2, "usage": Usage(model_calls=1)})
    spec = Spec().given(START, replied(text="done")).when(again).then("call.settled")
    assert isinstance(spec.now, Finished)
    assert spec.now.facts.usage.model_calls == 2
    spec.when(again).then_nothing()


def test_6_5_another_attempt_that_failed_while_tools_run_is_paid_for():
    again = failed().model_copy(update={"epoch": 2, "usage": Usage(model_calls=1)})
    spec = Spec().given(START, replied(calls=[("lookup", "{}")])).when(again).then("call.settled")
    assert isinstance(spec.now, Acting)
    assert spec.now.facts.usage.model_calls == 2
    spec.when(again).then_nothing()


@pytest.mark.parametrize(("schema", "is_json"), [('{"type":"object"}', True), (None, False)])
def test_a_task_that_asks_for_json_gets_it_or_a_failure(schema: str | None, is_json: bool):
    """Its definition asks for none."""
    accepted = ACCEPTED.model_copy(update={"output_schema": schema})
    spec = Spec().given(StartRun(accepted, free=True), replied(text='{"order":1042}'))
    assert isinstance(spec.now, Finished)
    assert (spec.now.output, spec.now.output_is_json) == ('{"order":1042}', is_json)
    spec = Spec().given(StartRun(accepted, free=True), replied(text="on Tuesday"))
    assert isinstance(spec.now, Finished)
    assert spec.now.status == ("failed" if is_json else "completed")
