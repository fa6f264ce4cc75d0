"""The decider of a memory run: given / when / then, and its laws."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actalog_conductor import memory_run
from actalog_conductor.agent_states import Finished, Identity, NotStarted
from actalog_conductor.heard import (
    Broken,
    Buried,
    Cancel,
    Deadline,
    Heard,
    Late,
    StartRun,
    TimeIs,
    TurnCame,
)
from actalog_contracts.base import Error, TextRef, ToolCall, Usage
from actalog_contracts.calls import CallModel, CheckText, Remember
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import (
    CallSettled,
    HistoryRun,
    InputChecked,
    MemoryUpdated,
    ModelFailed,
    ModelNeeded,
    ModelReplied,
    OutputReviewed,
    RememberFailed,
    RunBlocked,
    RunEvent,
    SessionSummarised,
)  # fmt: skip
from actalog_core.events import decode, encode
from tests.unit.actalog_conductor.spec import ACCEPTED, PLAIN, PROMPT

CHILD = Identity(
    tenant_id="default", run_no=2, run_id="c", session_id="s", turn=None, user_id="ann"
)
BOTH = PLAIN.model_copy(update={"learn": True, "summary": True})
MEMORIES, SUMMARY = (PLAIN.model_copy(update={one: True}) for one in ("learn", "summary"))
START = StartRun(
    ACCEPTED.model_copy(
        update={"kind": "memory", "input": None, "about": HistoryRun(run_no=1, run_id="r", seq=5)}
    ),
    free=True,
)
LATE = TimeIs("2026-11-24T16:10:00.000000Z")
HELD = TextRef(held="h", digest="hmac:h")
State = memory_run.State


def needed(step: str = "memories", asked: int = 1) -> ModelNeeded:
    return ModelNeeded(call_id=f"c:{step}{asked}", purpose=step, template="t", continuation="k")


def replied(turn: int = 1, **more: Any) -> ModelReplied:
    return ModelReplied(
        call_id=f"c:m{turn}", epoch=1, finish="stop", model="m", provider="p", prompt=PROMPT,
        usage=Usage(model_calls=1), **{"text": "said", **more},  # pyright: ignore
    )  # fmt: skip


def held(turn: int = 1) -> ModelReplied:
    return replied(turn, text=None, held_text=HELD)


def reviewed(turn: int = 1, verdict: Any = "masked", **more: Any) -> OutputReviewed:
    told: dict[str, Any] = {"text": "***", "reasons": ("card",), **more}
    return OutputReviewed(call_id=f"c:o{turn}", verdict=verdict, **told)


def failed(turn: int = 1) -> ModelFailed:
    return ModelFailed(call_id=f"c:m{turn}", epoch=1, kind="overloaded", message="busy")


def updated(asked: int = 2) -> MemoryUpdated:
    return MemoryUpdated(call_id=f"c:memories{asked}")


def summarised(asked: int = 2) -> SessionSummarised:
    return SessionSummarised(call_id=f"c:summary{asked}", summary="short")


def gave_up(step: str = "memories", asked: int = 1) -> RememberFailed:
    return RememberFailed(call_id=f"c:{step}{asked}", message="no")


def hear(state: State, heard: Heard) -> tuple[State, Sequence[RunEvent]]:
    events = memory_run.decide(state, heard)
    return reduce(memory_run.evolve, events, state), events


@dataclass(frozen=True)
class Spec:
    definition: AgentDefinition = BOTH
    state: State | None = None
    events: Sequence[RunEvent] = ()

    @property
    def now(self) -> State:
        return self.state or memory_run.initial(CHILD, self.definition)

    def given(self, *messages: Heard) -> "Spec":
        state = self.now
        for message in messages:
            state, _ = hear(state, message)
        return replace(self, state=state)

    def when(self, heard: Heard) -> "Spec":
        state, events = hear(self.now, heard)
        return replace(self, state=state, events=events)

    def then(self, *types: str) -> "Spec":
        assert [event.type.rsplit(".", 1)[0] for event in self.events] == list(types)
        return self

    def error(self) -> str:
        assert isinstance(self.now, Finished)
        assert self.now.error is not None
        return self.now.error.code


def test_both_steps_are_asked_one_after_the_other():
    spec = Spec().when(START).then("run.accepted", "run.started")
    ask = memory_run.due(spec.now)[0].command
    assert isinstance(ask, Remember)
    assert (ask.call_id, ask.step, ask.about_run_no, ask.about_seq) == ("c:memories1", "memories", 1, 5)  # fmt: skip
    spec = spec.when(needed()).then("model.needed")
    call = memory_run.due(spec.now)[0].command
    assert isinstance(call, CallModel)
    assert (call.call_id, call.purpose, call.stream, call.seq) == ("c:m1", "memories", False, 3)
    spec = spec.when(replied()).then("model.replied")
    ask = memory_run.due(spec.now)[0].command
    assert isinstance(ask, Remember)
    assert (ask.call_id, ask.continuation, ask.reply) == ("c:memories2", "k", "said")
    spec = spec.when(updated()).then("memory.updated")
    spec = spec.given(needed("summary"), replied(2))
    spec = spec.when(summarised()).then("session.summarised", "run.completed")
    assert list(memory_run.due(spec.now)) == []
    assert isinstance(spec.now, Finished)
    assert spec.now.usage.model_calls == 2


def test_what_there_is_nothing_to_keep_of_needs_no_model():
    spec = Spec(SUMMARY).given(START).when(summarised(1))
    spec.then("session.summarised", "run.completed")


def test_a_model_that_fails_ends_its_step_and_the_next_one_is_taken():
    spec = Spec().given(START, needed()).when(failed()).then("model.failed", "remember.failed")
    other = spec.given(needed("summary")).when(
        failed(2).model_copy(update={"kind": "auth", "message": "no key"})
    )
    for ended in (spec.when(summarised(1)).then("session.summarised", "run.failed"), other):
        assert ended.error() == "model_failed"
        assert isinstance(ended.now, Finished)
        assert ended.now.error is not None
        assert (ended.now.error.source, ended.now.error.message) == ("overloaded", "busy")


def test_a_step_that_was_given_up_is_seen_at_the_end():
    given_up = gave_up(asked=2)
    spec = Spec(MEMORIES).given(START, needed(), replied()).when(given_up)
    assert spec.then("remember.failed", "run.failed").error() == "internal"
    assert isinstance(spec.now, Finished)
    assert spec.now.error is not None
    assert (spec.now.error.source, spec.now.usage.model_calls) == ("memory", 1)


def test_9_1_a_message_that_is_held_waits_for_its_review_and_that_is_what_is_remembered():
    spec = Spec(MEMORIES).given(START, needed()).when(held()).then("model.replied")
    check = memory_run.due(spec.now)[0].command
    assert isinstance(check, CheckText)
    assert (check.call_id, check.stage, check.purpose) == ("c:o1", "output", "memories")
    assert (check.text, check.held) == (None, HELD)
    for heard in (held(), reviewed(2), updated(), needed(), replied(2)):
        spec.when(heard).then()
    spec = spec.when(reviewed()).then("output.reviewed")
    ask = memory_run.due(spec.now)[0].command
    assert isinstance(ask, Remember)
    assert (ask.call_id, ask.continuation, ask.reply) == ("c:memories2", "k", "***")
    spec.when(reviewed()).then()
    spec = spec.given(needed(asked=2)).when(held(2)).then("model.replied")  # it was unreadable
    spec = spec.given(reviewed(2)).when(updated(3)).then("memory.updated", "run.completed")
    assert isinstance(spec.now, Finished)
    assert spec.now.usage.model_calls == 2


def test_9_1_of_a_blocked_message_nothing_is_remembered_and_the_next_step_is_taken():
    call = ToolCall(id="c:m1.0", provider_id="x", name="f", arguments="secret")
    blocked = reviewed(verdict="blocked", text="secret", tool_calls=(call,))
    spec = Spec().given(START, needed(), held()).when(blocked)
    bare, failed = spec.then("output.reviewed", "remember.failed").events
    assert "secret" not in bare.model_dump_json()
    assert failed == RememberFailed(call_id="c:memories2", message="blocked: card")
    spec = spec.given(needed("summary"), held(2), reviewed(2))
    ended = spec.when(summarised()).then("session.summarised", "run.blocked")
    assert isinstance(ended.now, Finished)
    told = Error(code="output_blocked", message="card", source="guardrails")
    assert (ended.now.status, ended.now.error) == ("blocked", told)
    assert ended.now.usage.model_calls == 2


def test_a_step_that_failed_before_one_was_blocked_is_what_the_run_ends_with():
    spec = Spec().given(START, needed(), failed(), needed("summary"), held(2))
    spec = spec.when(reviewed(2, "blocked"))
    spec.then("output.reviewed", "remember.failed", "run.failed")
    assert spec.error() == "model_failed"


def test_what_is_said_late_beside_a_review_is_recorded_with_its_cost():
    spec = Spec().given(START, needed(), held())
    again = held().model_copy(update={"epoch": 2})
    for heard in (again, Late(again)):
        spec.when(heard).then("call.settled")


def test_a_memory_service_that_never_has_enough_reaches_the_limit():
    spec = Spec(MEMORIES).given(START)
    for turn in range(1, 4):
        spec = spec.given(needed(asked=turn), replied(turn))
    assert spec.when(needed(asked=4)).then("run.failed").error() == "turn_limit"


@pytest.mark.parametrize("before", [(), (needed(),), (needed(), held())])
def test_it_is_cancelled_timed_and_broken_as_every_run(before: tuple[Heard, ...]):
    spec = Spec().given(START, *before)
    spec.when(Cancel()).then("run.cancelled")
    assert spec.when(LATE).then("run.failed").error() == "deadline_exceeded"
    assert spec.when(Broken("x")).then("run.failed").error() == "internal"
    spec.when(TimeIs("2026-11-24T16:00:01.000000Z")).then()


def test_what_is_late_twice_or_another_runs_means_nothing():
    Spec().when(needed()).then()
    spec = Spec().given(START)
    for heard in (START, needed(asked=2), updated(), TurnCame(), replied(), failed()):
        spec.when(heard).then()
    spec = spec.given(needed())
    for heard in (needed(), replied(2), updated(1)):
        spec.when(heard).then()


def test_a_models_late_message_is_recorded_once_with_its_cost():
    spec = Spec().given(START, needed(), Cancel()).when(replied()).then("call.settled")
    spec.when(replied()).then()


def test_events_of_agents_change_only_the_seq():
    state = Spec().given(START).now
    after = memory_run.evolve(state, InputChecked(call_id="x", verdict="passed"))
    assert getattr(after, "facts").seq == getattr(state, "facts").seq + 1  # noqa: B009
    error = Error(code="input_blocked", message="")
    assert isinstance(memory_run.evolve(state, RunBlocked(error=error)), Finished)


steps = st.sampled_from(["memories", "summary"])
rounds = st.integers(1, 4)
messages = st.one_of(
    st.sampled_from([START, Cancel(), Broken("x"), TurnCame(), LATE, TimeIs("2026-11-24T16:00:01.000000Z")]),
    st.builds(needed, steps, rounds),
    st.builds(replied, rounds),
    st.builds(held, rounds),
    st.builds(reviewed, rounds, st.sampled_from(["passed", "masked", "blocked"])),
    st.builds(failed, rounds),
    st.builds(updated, rounds),
    st.builds(summarised, rounds),
    st.builds(gave_up, steps, rounds),
)  # fmt: skip
likely = st.lists(messages, max_size=25).map(lambda heard: [START, *heard])
definitions = st.sampled_from([BOTH, MEMORIES, SUMMARY])


def play(definition: AgentDefinition, heard: Sequence[Heard]) -> tuple[State, list[RunEvent]]:
    state, log = memory_run.initial(CHILD, definition), list[RunEvent]()
    for message in heard:
        state, events = hear(state, message)
        log += events
    return state, log


@given(definitions, likely)
def test_hearing_everything_twice_changes_nothing(definition: AgentDefinition, heard: list[Heard]):
    doubled = [message for message in heard for _ in range(2)]
    assert play(definition, doubled) == play(definition, heard)


@given(definitions, likely)
def test_a_run_that_is_not_finished_waits_for_something(
    definition: AgentDefinition, heard: list[Heard]
):
    state, _ = play(definition, heard)
    due = memory_run.due(state)
    if isinstance(state, (NotStarted, Finished)):
        assert due == []
    else:
        assert isinstance(due[-1].command, Deadline)
        assert len(due) == 2


@given(definitions, likely)
def test_the_log_alone_gives_the_live_state(definition: AgentDefinition, heard: list[Heard]):
    state, log = play(definition, heard)
    stored = [decode(*encode(event)) for event in log]
    rebuilt = reduce(memory_run.evolve, stored, memory_run.initial(CHILD, definition))
    assert rebuilt == state


@given(definitions, likely)
def test_a_run_has_one_end_and_nothing_but_settled_calls_after_it(
    definition: AgentDefinition, heard: list[Heard]
):
    _, log = play(definition, heard)
    ends = [at for at, one in enumerate(log) if one.type in ENDS]
    assert len(ends) <= 1
    if ends:
        assert {event.type for event in log[ends[0] + 1 :]} <= {"call.settled.v1"}


ENDS = ("run.completed.v1", "run.failed.v1", "run.cancelled.v1", "run.blocked.v1")


def test_a_dead_letter_of_what_is_waited_for_ends_it_typed():
    state, _ = hear(memory_run.initial(CHILD, BOTH), START)
    gone = Buried("c:memories1", "KeyError (dead letter of x)")
    consults, _ = hear(state, needed())
    reviews, _ = hear(consults, held())
    for waits, id in ((state, "c:memories1"), (consults, "c:m1"), (reviews, "c:o1")):
        letter = replace(gone, call_id=id)
        ended, events = hear(waits, letter)
        assert isinstance(ended, Finished)
        assert [event.type for event in events] == ["run.failed.v1"]
        assert hear(waits, replace(gone, call_id="c:other1"))[1] == []


def test_6_5_a_late_reply_of_a_model_is_recorded_once_with_its_cost():
    zombie = Late(replied())
    spec = Spec().given(START, needed()).when(zombie).then("call.settled")
    assert isinstance(spec.events[0], CallSettled)
    spec.when(zombie).then()
    spec = spec.when(replied().model_copy(update={"epoch": 2})).then("model.replied")
    assert not isinstance(spec.now, NotStarted)
    assert spec.now.facts.usage.model_calls == 2


@pytest.mark.parametrize("came", [replied(), failed()], ids=["replied", "failed"])
def test_6_5_two_attempts_of_a_model_s_call_that_were_both_told_are_both_paid_for(
    came: ModelReplied | ModelFailed,
):
    again = came.model_copy(update={"epoch": 2})
    spec = Spec().given(START, needed(), replied())
    spec.when(replied()).then()
    paid = spec.when(again).then("call.settled")
    paid.when(again).then()
    ended = spec.given(updated(), summarised(1)).when(again).then("call.settled").now
    assert isinstance(ended, Finished)
    assert (ended.status, ended.usage.model_calls) == ("completed", 1)
    assert ended.facts.usage.model_calls == 1 + again.usage.model_calls
    asking = spec.given(needed("memories", 2))
    asking.when(again).then("call.settled")
