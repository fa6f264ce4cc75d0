"""Calls of which nobody knows whether they have acted: paused, answered, settled late."""

from typing import Any

import pytest

from actalog_conductor import acting, agent_run
from actalog_conductor.agent_states import Acting, Finished, Paused, Thinking
from actalog_conductor.heard import Broken, Buried, Cancel, Late, Resolve, TimeIs
from actalog_contracts.calls import RunTool
from actalog_contracts.runs import (
    CallSettled,
    RequirementResolved,
    RunPaused,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)
from actalog_core.canonical import content_digest
from tests.unit.actalog_conductor.spec import START, Spec, replied, returned

CALL = ("lookup", '{"order":1}')
ASK = ("refund", '{"order":1}')
DOUBT = ToolInDoubt(call_id="r:t1.0", epoch=2, message="its worker died")
NAME = "r:t1.0:doubt2"
PASSED = TimeIs("2026-11-24T17:00:00.000000Z")


def doubted(*calls: Any) -> Spec:
    return Spec().given(START, replied(calls=calls or [CALL]))


def answered(decision: Any, name: str = NAME, **more: Any) -> Resolve:
    return Resolve(name, decision, by="ann", **more)


def test_a_doubt_pauses_the_run_and_asks_a_person():
    spec = doubted().when(DOUBT).then("tool.in_doubt", "run.paused").asks("deadline")
    paused = spec.events[-1]
    assert isinstance(paused, RunPaused)
    (asked,) = paused.requirements
    assert (asked.id, asked.kind, asked.call_id) == (NAME, "in_doubt", "r:t1.0")


def test_calls_beside_a_doubt_finish_first():
    spec = doubted(CALL, CALL).when(DOUBT).then("tool.in_doubt").asks("tool.run.v1", "deadline")
    spec = spec.when(returned(at=1)).then("tool.returned", "run.paused")
    spec.when(answered("done")).then("requirement.resolved", "tool.returned").asks(
        "model.call.v1", "deadline"
    )


def test_done_gives_the_model_what_the_person_knows():
    spec = doubted().given(DOUBT)
    told = spec.when(answered("done", result="refunded 4 EUR"))
    told.then("requirement.resolved", "tool.returned").asks("model.call.v1", "deadline")
    answer, outcome = told.events
    assert isinstance(answer, RequirementResolved)
    assert (answer.by, answer.result) == ("ann", "refunded 4 EUR")
    assert isinstance(outcome, ToolReturned)
    assert (outcome.content, outcome.epoch) == ("refunded 4 EUR", DOUBT.epoch)
    answer, bare = spec.when(answered("done", note="seen in the bank")).events
    assert isinstance(answer, RequirementResolved)
    assert answer.note == "seen in the bank"
    assert isinstance(bare, ToolReturned)
    assert bare.content == "It has acted, a person says. seen in the bank"


def test_not_done_runs_it_again_and_earlier_outcomes_mean_nothing():
    spec = doubted().given(DOUBT).when(answered("not_done"))
    spec = spec.then("requirement.resolved").asks("tool.run.v1", "deadline")
    command = agent_run.due(spec.now)[0].command
    assert isinstance(command, RunTool)
    assert (command.call_id, command.after_epoch) == ("r:t1.0", 2)
    spec.when(DOUBT).then_nothing()
    old = ToolReturned(call_id="r:t1.0", epoch=1, content="a zombie's")
    spec.when(old).then_nothing()
    spec.when(Late(old)).then("call.settled").asks("tool.run.v1", "deadline")
    new = ToolReturned(call_id="r:t1.0", epoch=3, content="fine")
    spec.when(new).then("tool.returned").asks("model.call.v1", "deadline")


def test_what_was_run_again_may_be_in_doubt_again():
    again = ToolInDoubt(call_id="r:t1.0", epoch=4, message="another worker died")
    spec = doubted().given(DOUBT, answered("not_done")).when(again)
    spec.then("tool.in_doubt", "run.paused")
    spec.when(answered("done")).then_nothing()  # the doubt before
    assert acting.refusal(spec.now, answered("done")) == "already_resolved"
    spec.when(answered("done", "r:t1.0:doubt4")).then("requirement.resolved", "tool.returned")


def test_reject_leaves_it_and_tells_the_model():
    spec = doubted().given(DOUBT).when(answered("reject", note="ask the customer"))
    spec.then("requirement.resolved", "tool.failed").asks("model.call.v1", "deadline")
    outcome = spec.events[1]
    assert isinstance(outcome, ToolFailed)
    assert outcome.kind == "rejected"
    assert "Nobody knows whether this call has acted" in outcome.message
    assert outcome.message.endswith("ask the customer")


def test_6_5_a_late_outcome_settles_a_doubt_that_no_person_has_settled():
    zombie = ToolReturned(call_id="r:t1.0", epoch=1, content="refunded", duration_ms=900)
    spec = doubted().given(DOUBT)
    spec.when(Late(zombie)).then("tool.returned").asks("model.call.v1", "deadline")
    # Its doubt was on its way: the outcome is as good before it.
    early = doubted().when(Late(zombie)).then("tool.returned")
    early.when(DOUBT).then_nothing()
    # A person was first: refused, and recorded once, with what it cost.
    spec = spec.given(answered("done"))
    assert isinstance(spec.now, Thinking)
    late = spec.when(Late(zombie)).then("call.settled").asks("model.call.v1", "deadline")
    (settled,) = late.events
    assert isinstance(settled, CallSettled)
    assert (settled.epoch, settled.outcome, settled.duration_ms) == (1, "tool.returned.v1", 900)
    late.when(Late(zombie)).then_nothing()


def test_6_5_a_doubt_that_the_ledger_refused_puts_no_call_in_doubt():
    """Whoever doubted held the call no more: its next holder is at it."""
    spec = doubted().when(Late(DOUBT)).then("call.settled").asks("tool.run.v1", "deadline")
    assert isinstance(spec.now, Acting)
    third = ToolReturned(call_id="r:t1.0", epoch=3, content="fine")
    spec.when(third).then("tool.returned").asks("model.call.v1", "deadline")


def test_a_zombie_of_a_call_that_is_run_again_by_itself_is_refused_and_recorded():
    zombie = ToolReturned(call_id="r:t1.0", epoch=1, content="first")
    state = doubted().now
    assert isinstance(state, Acting)
    again = {k: v.model_copy(update={"effect": "idempotent"}) for k, v in state.running.items()}
    spec = Spec(state=Acting(state.facts, again, {}))
    spec = spec.when(Late(zombie)).then("call.settled").asks("tool.run.v1", "deadline")
    second = ToolReturned(call_id="r:t1.0", epoch=2, content="second")
    spec.when(second).then("tool.returned").asks("model.call.v1", "deadline")


@pytest.mark.parametrize(
    ("heard", "code"),
    [
        (answered("approve"), "not_allowed"),
        (answered("provide"), "not_allowed"),
        (answered("done", "r:t9.0:doubt2"), "already_resolved"),
        (answered("done", "r:t1.0:doubt1"), "already_resolved"),
        (answered("done", "r:t1.0:confirm"), "already_resolved"),
        (answered("done", digest="sha256:other"), "digest_mismatch"),
        (answered("done", digest=content_digest(CALL[1].encode())), None),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_refused_and_changes_nothing(heard: Resolve, code: str | None):
    spec = doubted().given(DOUBT)
    assert acting.refusal(spec.now, heard) == code
    if code is not None:
        spec.when(heard).then_nothing()


def test_an_answer_after_the_deadline_has_expired_and_after_another_end_comes_too_late():
    ended = doubted().given(DOUBT, PASSED)
    assert acting.refusal(ended.now, answered("done")) == "expired"
    ended.when(answered("done")).then_nothing()
    for other in (Cancel(), Broken("no canonical form")):
        ended = doubted().given(DOUBT, other)
        assert acting.refusal(ended.now, answered("done")) == "already_resolved"


def test_a_doubt_that_outlives_its_run_is_settled_by_an_outcome_and_by_no_second_doubt():
    spec = doubted().given(DOUBT, Cancel())
    assert isinstance(spec.now, Finished)
    spec.when(DOUBT).then_nothing()
    zombie = ToolReturned(call_id="r:t1.0", epoch=1, content="refunded")
    spec.when(Late(zombie)).then("call.settled").when(Late(zombie)).then_nothing()


def test_doubts_and_confirmations_are_asked_together_and_answered_one_by_one():
    spec = doubted(CALL, ASK).when(DOUBT).then("tool.in_doubt", "run.paused")
    paused = spec.events[-1]
    assert isinstance(paused, RunPaused)
    assert [one.kind for one in paused.requirements] == ["confirmation", "in_doubt"]
    spec = spec.when(answered("done")).then("requirement.resolved", "tool.returned", "run.paused")
    assert isinstance(spec.now, Paused)
    spec = spec.when(answered("reject", "r:t1.1:confirm"))
    spec.then("requirement.resolved", "tool.failed").asks("model.call.v1", "deadline")


def test_who_rejects_one_of_two_confirmations_leaves_the_run_paused_for_the_other():
    spec = Spec().given(START, replied(calls=[ASK, ASK]))
    spec = spec.when(answered("reject", "r:t1.0:confirm"))
    spec.then("requirement.resolved", "tool.failed", "run.paused").asks("deadline")
    assert isinstance(spec.now, Paused)
    assert list(acting.asked(spec.now)) == ["r:t1.1:confirm"]


def test_a_dead_tool_call_is_in_doubt():
    spec = doubted().when(Buried("r:t1.0", "KeyError: 'colour' (dead letter of x)"))
    spec.then("tool.in_doubt", "run.paused")
    (asked,) = acting.asked(spec.now)
    spec = spec.when(answered("not_done", asked)).then("requirement.resolved")
    spec = spec.asks("tool.run.v1", "deadline").when(Buried("r:t1.0", "again"))
    spec.then("tool.in_doubt", "run.paused")
    assert list(acting.asked(spec.now)) != [asked]


def test_the_doubt_about_a_dead_tool_call_is_about_all_its_attempts():
    spec = (
        doubted().when(Buried("r:t1.0", "no colour", epoch=3)).then("tool.in_doubt", "run.paused")
    )
    (asked,) = acting.asked(spec.now)
    assert asked == "r:t1.0:doubt3"
    spec = spec.when(answered("not_done", asked)).then("requirement.resolved")
    assert isinstance(spec.now, Acting)
    assert spec.now.facts.voided == {"r:t1.0": 3}


@pytest.mark.parametrize("old", [0, 2])
def test_word_of_an_attempt_that_is_void_says_nothing_of_the_next_one(old: int):
    """It came late: a person has let the call begin once more since."""
    spec = doubted().given(Buried("r:t1.0", "no colour", 3, 0))
    (asked,) = acting.asked(spec.now)
    again = spec.given(answered("not_done", asked))
    again.when(Buried("r:t1.0", "no colour", 4, old)).then_nothing()
    again.when(Buried("r:t1.0", "no colour", 4, 3)).then("tool.in_doubt", "run.paused")
    again.when(Buried("r:t1.0", "no colour", 4)).then("tool.in_doubt", "run.paused")  # as it was


def test_a_dead_model_call_ends_the_run_and_one_that_nobody_waits_for_does_not():
    spec = Spec().given(START)
    spec.when(Buried("r:m1", "no colour")).then("run.failed")
    spec.when(Buried("r:m9", "no colour")).then_nothing()
    spec.when(Buried(None, "no colour")).then("run.failed")


def test_what_comes_late_for_a_call_that_has_its_outcome_is_recorded_beside_it_once():
    ended = doubted().given(returned(), replied(2, "done"))
    assert isinstance(ended.now, Finished)
    late = Late(ToolReturned(call_id="r:t1.0", epoch=1, content="again", duration_ms=7))
    (settled,) = ended.when(late).then("call.settled").events
    assert isinstance(settled, CallSettled)
    assert (settled.outcome, settled.duration_ms) == ("tool.returned.v1", 7)
    ended.given(late).when(late).then_nothing()
    ended.when(Late(DOUBT)).then_nothing()


def test_a_doubt_about_a_call_that_does_not_run_changes_nothing():
    state = doubted().now
    after = agent_run.evolve(state, DOUBT.model_copy(update={"call_id": "r:t9.9"}))
    assert isinstance(state, Acting)
    assert isinstance(after, Acting)
    assert (after.running, after.doubts) == (state.running, {})


def test_6_5_a_late_reply_of_a_model_answers_nothing_and_is_recorded_once_with_its_cost():
    zombie = Late(replied(text="a zombie's"))
    taken = replied(text="the answer").model_copy(update={"epoch": 2})
    thinking = Spec().given(START).when(zombie).then("call.settled")
    (settled,) = thinking.events
    assert isinstance(settled, CallSettled)
    assert (settled.epoch, settled.usage.total_tokens, settled.outcome) == (
        1, 10, "model.replied.v1",
    )  # fmt: skip
    assert isinstance(thinking.now, Thinking)
    thinking.when(zombie).then_nothing()
    ended = thinking.when(taken).then("model.replied", "run.completed")
    assert isinstance(ended.now, Finished)
    assert (ended.now.usage.total_tokens, ended.now.usage.model_calls) == (20, 2)
    ended.when(zombie).then_nothing()
    after = Spec().given(START, taken).when(zombie).then("call.settled")
    assert isinstance(after.now, Finished)
    assert after.now.facts.usage.model_calls == 2


def test_6_5_two_attempts_of_a_model_s_call_that_were_both_told_are_both_paid_for():
    first, second = replied(text="the answer"), replied(text="again").model_copy(
        update={"epoch": 2}
    )  # fmt: skip
    ended = Spec().given(START).when(first).then("model.replied", "run.completed")
    ended.when(first).then_nothing()
    paid = ended.when(second).then("call.settled")
    (settled,) = paid.events
    assert isinstance(settled, CallSettled)
    assert (settled.epoch, settled.outcome) == (2, "model.replied.v1")
    paid.when(second).then_nothing()
    assert isinstance(paid.now, Finished)
    assert (paid.now.facts.usage.model_calls, paid.now.output) == (2, "the answer")
    never_asked = second.model_copy(update={"call_id": "r:m9"})
    ended.when(never_asked).then_nothing()


def test_6_5_another_attempt_of_an_earlier_call_is_paid_for_while_the_next_is_asked():
    again = replied(calls=[CALL]).model_copy(update={"epoch": 2})
    running = doubted().when(again).then("call.settled").asks("tool.run.v1", "deadline")
    running.when(again).then_nothing()
    thinking = doubted().given(returned())
    assert isinstance(thinking.now, Thinking)
    thinking.when(again).then("call.settled").asks("model.call.v1", "deadline")


def test_what_a_pause_has_cost_does_not_change_with_what_comes_late():
    """Its result may be told again, under the same id."""
    paused = doubted(ASK)
    assert isinstance(paused.now, Paused)
    late = replied().model_copy(update={"epoch": 2})
    after = paused.when(late).then("call.settled").now
    assert isinstance(after, Paused)
    assert after.usage == paused.now.usage
    assert after.facts.usage.total_tokens == 2 * after.usage.total_tokens > 0
