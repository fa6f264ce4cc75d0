import pytest

from actalog_conductor import acting, agent_run, calls
from actalog_conductor.agent_states import Acting, Finished, Paused
from actalog_conductor.heard import Broken, Cancel, Heard, Resolve, StartRun, TimeIs, TurnCame
from actalog_conductor.kinds import commands
from actalog_contracts.base import ToolCall
from actalog_contracts.calls import Begun, CallModel, RunTool
from actalog_contracts.runs import (
    ContextBuilt,
    MemoryUpdated,
    OutputReviewed,
    RequirementResolved,
    RunEvent,
    RunFailed,
    ToolFailed,
)  # fmt: skip
from actalog_core.canonical import content_digest
from actalog_core.decider import fold
from tests.unit.actalog_conductor.spec import (
    ACCEPTED,
    CHECKED,
    GATHERS,
    PLAIN,
    REVIEWED,
    RUN,
    START,
    Spec,
    checked,
    failed,
    hear,
    held,
    replied,
    returned,
)  # fmt: skip

LOOKUP = ("lookup", "{}")
REFUND = ("refund", '{"order":1}')
APPROVE = Resolve("r:t1.0:confirm", "approve", by="ann")
REJECT = Resolve("r:t1.0:confirm", "reject", note="too much")
LATE = TimeIs("2026-11-24T16:10:00.000000Z")


def ending(spec: Spec) -> Finished:
    assert isinstance(spec.now, Finished)
    return spec.now


def error_of(spec: Spec) -> str:
    error = ending(spec).error
    assert error is not None
    return error.code


# --- stages


def test_an_agent_that_asks_for_nothing_thinks_at_once():
    spec = Spec().when(START).then("run.accepted", "run.started", "context.built")
    spec.asks("model.call.v1", "deadline")


def test_a_run_waits_for_its_turn_and_is_only_timed_meanwhile():
    spec = Spec().when(StartRun(ACCEPTED, free=False)).then("run.accepted").asks("deadline")
    spec = (
        spec.when(TurnCame()).then("run.started", "context.built").asks("model.call.v1", "deadline")
    )
    spec.when(TurnCame()).then_nothing()


def test_input_is_checked_before_anything_else_sees_it():
    spec = Spec(CHECKED).when(START).then("run.accepted", "run.started")
    spec = spec.asks("text.check.v1", "deadline")
    spec.when(checked()).then("input.checked", "context.built").asks("model.call.v1", "deadline")


def test_blocked_input_ends_the_run_without_a_model_call():
    spec = Spec(CHECKED).given(START).when(checked("blocked", "card", "iban"))
    spec.then("input.checked", "run.blocked").asks()
    assert ending(spec).status == "blocked"
    assert error_of(spec) == "input_blocked"


def test_context_is_gathered_where_it_is_asked_for():
    spec = Spec(GATHERS).when(START).then("run.accepted", "run.started")
    spec = spec.asks("context.gather.v1", "deadline")
    spec.when(ContextBuilt(call_id="r:g")).then("context.built").asks("model.call.v1", "deadline")
    spec.when(ContextBuilt(call_id="x:g")).then_nothing()


def test_an_answer_without_tools_completes_the_run_and_stands_in_the_log_once():
    spec = Spec().given(START).when(replied(text="Tuesday.")).then("model.replied", "run.completed")
    end = ending(spec)
    assert (end.status, end.output, end.usage.model_calls) == ("completed", "Tuesday.", 1)
    assert getattr(spec.events[1], "output_seq") == 4  # noqa: B009


def test_a_failed_model_call_ends_the_run_typed():
    spec = Spec().given(START).when(failed()).then("model.failed", "run.failed")
    assert error_of(spec) == "model_failed"


# --- tools


def test_tools_of_one_message_run_at_once_and_the_model_is_asked_when_all_are_back():
    spec = Spec().given(START).when(replied(calls=[LOOKUP, LOOKUP]))
    spec.then("model.replied", "tool.called", "tool.called")
    spec = spec.asks("tool.run.v1", "tool.run.v1", "deadline").given(returned(at=1))
    spec = spec.asks("tool.run.v1", "deadline").given(returned(at=0))
    command = agent_run.due(spec.now)[0].command
    assert isinstance(command, CallModel)
    assert (command.call_id, command.seq) == ("r:m2", 8)


def test_a_tool_result_delivered_twice_counts_once():
    spec = Spec().given(START, replied(calls=[LOOKUP, LOOKUP]), returned())
    spec.when(returned()).then_nothing()


def test_a_result_of_an_earlier_turn_means_nothing():
    spec = Spec().given(START, replied(calls=[LOOKUP]), returned(), replied(2, calls=[LOOKUP]))
    spec.when(returned(1)).then_nothing()
    spec.when(replied(1)).then_nothing()


def test_a_call_of_an_unknown_tool_or_with_broken_arguments_goes_back_to_the_model():
    deep = "[" * 100_000
    calls = [("fly", "{}"), ("lookup", "{"), ("lookup", "[]"), ("lookup", deep), ("lookup", "")]
    spec = Spec().given(START).when(replied(calls=calls))
    spec.then("model.replied", *["tool.called"] * 5, *["tool.failed"] * 4)
    spec.asks("tool.run.v1", "deadline")
    spec = Spec().given(START).when(replied(calls=[("fly", "{}")]))
    spec.then("model.replied", "tool.called", "tool.failed").asks("model.call.v1", "deadline")


def test_a_model_that_never_stops_reaches_the_limit_of_turns():
    spec = Spec().given(START, replied(1, calls=[LOOKUP]), returned(1))
    spec = spec.given(replied(2, calls=[LOOKUP]), returned(2)).when(replied(3, calls=[LOOKUP]))
    spec.then("model.replied", "run.failed")
    assert error_of(spec) == "turn_limit"


def test_two_hundred_calls_in_one_message_reach_the_limit_before_any_runs():
    spec = Spec().given(START).when(replied(calls=[LOOKUP] * 200))
    spec.then("model.replied", "run.failed")
    assert error_of(spec) == "budget_exhausted"


# --- a person


def test_a_call_to_confirm_pauses_the_run_once_the_others_are_back():
    spec = Spec().given(START).when(replied(calls=[REFUND, LOOKUP]))
    spec = spec.then("model.replied", "tool.called", "tool.called").asks("tool.run.v1", "deadline")
    spec = spec.when(returned(at=1)).then("tool.returned", "run.paused").asks("deadline")
    assert isinstance(spec.now, Paused)


def test_an_approved_call_runs_with_the_arguments_the_person_gave():
    spec = Spec().given(START).when(replied(calls=[REFUND]))
    spec = spec.then("model.replied", "tool.called", "run.paused")
    changed = Resolve("r:t1.0:confirm", "approve", arguments='{"order":2}', by="ann")
    spec = spec.when(changed).then("requirement.resolved").asks("tool.run.v1", "deadline")
    command = agent_run.due(spec.now)[0].command
    assert isinstance(command, RunTool)
    assert command.arguments == '{"order":2}'
    spec.when(changed).then_nothing()
    spec.given(returned()).asks("model.call.v1", "deadline")


def test_a_rejected_call_tells_the_model_why():
    spec = Spec().given(START, replied(calls=[REFUND])).when(REJECT)
    spec.then("requirement.resolved", "tool.failed").asks("model.call.v1", "deadline")
    assert isinstance(spec.events[1], ToolFailed)
    assert "too much" in spec.events[1].message


def test_two_confirmations_are_answered_one_after_the_other():
    spec = Spec().given(START, replied(calls=[REFUND, REFUND])).when(APPROVE)
    spec = spec.then("requirement.resolved")
    assert isinstance(spec.now, Acting)
    spec = spec.when(returned()).then("tool.returned", "run.paused")
    other = Resolve("r:t1.1:confirm", "reject")
    spec.when(other).then("requirement.resolved", "tool.failed").asks("model.call.v1", "deadline")


def test_an_answer_to_what_the_person_did_not_see_is_refused():
    spec = Spec().given(START, replied(calls=[REFUND]))
    seen = content_digest(REFUND[1].encode())
    wrong = Resolve("r:t1.0:confirm", "approve", digest="sha256:other")
    right = Resolve("r:t1.0:confirm", "approve", digest=seen)
    assert acting.refusal(spec.now, wrong) == "digest_mismatch"
    assert acting.refusal(spec.now, right) is None
    spec.when(wrong).then_nothing()
    assert acting.refusal(spec.given(right).now, right) == "already_resolved"
    assert acting.refusal(Spec().now, right) == "already_resolved"
    unknown = Resolve("r:t9.0:confirm", "approve")
    assert acting.refusal(spec.now, unknown) == "already_resolved"


@pytest.mark.parametrize("decision", ["provide", "done", "not_done"])
def test_what_is_no_answer_to_a_confirmation_means_nothing(decision: str):
    heard = Resolve("r:t1.0:confirm", decision)  # pyright: ignore[reportArgumentType]
    spec = Spec().given(START, replied(calls=[REFUND]))
    assert acting.refusal(spec.now, heard) == "not_allowed"
    spec.when(heard).then_nothing()


# --- held text


def test_a_text_that_must_be_reviewed_is_held_and_not_streamed():
    spec = Spec(REVIEWED).given(START)
    command = agent_run.due(spec.now)[0].command
    assert isinstance(command, CallModel)
    assert not command.stream
    spec = spec.when(held()).then("model.replied").asks("text.check.v1", "deadline")
    passed = OutputReviewed(call_id="r:o1", verdict="masked", text="***")
    spec = spec.when(passed).then("output.reviewed", "run.completed")
    assert (ending(spec).output, ending(spec).usage.model_calls) == ("***", 1)
    assert getattr(spec.events[1], "output_seq") == 5  # noqa: B009


def test_blocked_output_ends_the_run_and_is_never_shown():
    blocked = OutputReviewed(call_id="r:o1", verdict="blocked", text=None, reasons=("card",))
    spec = Spec(REVIEWED).given(START, held()).when(blocked).then("output.reviewed", "run.blocked")
    assert error_of(spec) == "output_blocked"


def test_a_review_comes_before_the_tools_of_the_same_message():
    call = ToolCall(id="", provider_id="p", name="lookup", arguments='{"card":"***"}')
    reviewed = OutputReviewed(call_id="r:o1", verdict="masked", text="Looking.", tool_calls=(call,))
    spec = Spec(REVIEWED).given(START, held())
    spec.when(OutputReviewed(call_id="r:o9", verdict="passed", text="")).then_nothing()
    spec = spec.when(reviewed).then("output.reviewed", "tool.called")
    spec.asks("tool.run.v1", "deadline")
    command = agent_run.due(spec.now)[0].command
    assert isinstance(command, RunTool)
    assert command.arguments == '{"card":"***"}'


@pytest.mark.parametrize(
    "text", ["no", "[]", '{"a": NaN}', r'{"a": "\ud800"}', '{"a":' * 101 + "1" + "}" * 101]
)
def test_an_answer_that_is_not_the_json_asked_for_fails_typed(text: str):
    wants = PLAIN.model_copy(update={"output_schema": "{}"})
    spec = Spec(wants).given(START).when(replied(text=text)).then("model.replied", "run.failed")
    assert error_of(spec) == "output_invalid"
    Spec(wants).given(START).when(replied(text="{}")).then("model.replied", "run.completed")


def test_an_answer_with_a_number_that_its_result_would_change_is_told_as_that():
    """It got into the result as 1.8446744073709552e+19."""
    wants = PLAIN.model_copy(update={"output_schema": "{}"})
    spec = Spec(wants).given(START).when(replied(text='{"order": 18446744073709551617}'))
    assert error_of(spec) == "output_invalid"
    failed = spec.events[-1]
    assert isinstance(failed, RunFailed)
    assert failed.error.message.startswith("the answer has an integer beyond 64 bits")
    large = '{"order": 18446744073709551615}'
    Spec(wants).given(START).when(replied(text=large)).then("model.replied", "run.completed")


# --- endings


@pytest.mark.parametrize(
    "before",
    [(), (START,), (START, replied(calls=[LOOKUP])), (START, replied(calls=[REFUND]))],
)  # fmt: skip
def test_a_cancel_ends_whatever_has_begun(before: tuple[Heard, ...]):
    spec = Spec().given(*before).when(Cancel("enough", "ann"))
    spec.then(*(["run.cancelled"] if before else []))
    spec.when(Cancel()).then_nothing()


def test_what_cannot_be_kept_ends_the_run_typed():
    spec = Spec().given(START).when(Broken("a float")).then("run.failed")
    assert error_of(spec) == "internal"
    spec.when(Broken("a float")).then_nothing()


def test_the_deadline_ends_a_run_that_still_waits():
    spec = Spec().given(StartRun(ACCEPTED, free=False))
    spec.when(TimeIs("2026-11-24T16:09:59.999999Z")).then_nothing()
    spec = spec.when(LATE).then("run.failed")
    assert error_of(spec) == "deadline_exceeded"
    spec.when(LATE).then_nothing()


def test_an_outcome_that_comes_after_the_end_is_recorded_once_with_its_cost():
    spec = Spec().given(START, Cancel()).when(replied(text="late")).then("call.settled")
    assert ending(spec).facts.usage.total_tokens == 10
    spec.when(replied(text="late")).then_nothing()
    spec = Spec().given(START, replied(calls=[LOOKUP]), Cancel()).when(returned())
    spec.then("call.settled").when(returned()).then_nothing()
    Spec().given(START, Cancel()).when(failed()).then("call.settled")


@pytest.mark.parametrize("message", [TurnCame(), checked(), replied(), returned(), LATE, APPROVE])
def test_a_run_nobody_has_begun_hears_nothing(message: Heard):
    Spec().when(message).then_nothing()


def test_the_same_task_twice_is_one_run():
    Spec().given(START).when(START).then_nothing()
    Spec(CHECKED).given(START).when(checked().model_copy(update={"call_id": "x"})).then_nothing()


def test_the_log_alone_gives_the_same_state():
    state = Spec().now
    log: list[RunEvent] = []
    for message in (START, replied(calls=[LOOKUP, REFUND]), returned(), APPROVE, Cancel()):
        state, events = hear(state, message)
        log += events
    assert fold(agent_run, log, agent_run.initial(RUN, PLAIN)) == state  # pyright: ignore


@pytest.mark.parametrize(("over", "carries"), [(0, True), (1, False)])
def test_the_first_call_carries_a_short_input_and_the_task_s_schema(over: int, carries: bool):
    schema = '{"type":"object"}'
    text = "x" * (calls.MOST_CARRIED - len(schema) + over)
    accepted = ACCEPTED.model_copy(update={"input": text, "output_schema": schema})
    spec = Spec().given(StartRun(accepted, free=True))
    (asked,) = [one for one in commands(agent_run.due(spec.now)) if isinstance(one, CallModel)]
    assert asked.begun == (Begun(input=text, output_schema=schema) if carries else None)


def test_an_event_of_a_memory_run_changes_only_the_seq():
    state = Spec().given(START).now
    for event in (MemoryUpdated(call_id="x"), ACCEPTED):
        after = agent_run.evolve(state, event)
        assert getattr(after, "facts").seq == getattr(state, "facts").seq + 1  # noqa: B009


def test_an_answer_that_the_decider_did_not_need_changes_nothing():
    state = Spec().given(START, replied(calls=[REFUND])).now
    rejected = RequirementResolved(requirement_id="r:t1.0:confirm", decision="reject")
    after = agent_run.evolve(state, rejected)
    assert isinstance(after, Acting)
    assert list(after.awaiting) == ["r:t1.0"]


def test_a_failure_says_what_ended_the_run():
    spec = Spec().given(START).when(failed())
    assert isinstance(spec.events[1], RunFailed)
    assert spec.events[1].error.retryable
