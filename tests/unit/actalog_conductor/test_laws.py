"""Laws of every run, whatever it hears."""

from collections.abc import Sequence
from typing import Any, Literal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from actalog_conductor import agent_run
from actalog_conductor.agent_states import Finished, NotStarted, Paused, State, Waiting
from actalog_conductor.heard import (
    Broken,
    Cancel,
    Deadline,
    Heard,
    Late,
    Resolve,
    StartRun,
    TimeIs,
    TurnCame,
)  # fmt: skip
from actalog_contracts.runs import ContextBuilt, OutputReviewed, RunEvent, ToolFailed, ToolInDoubt
from actalog_core.events import decode, encode
from tests.unit.actalog_conductor.spec import (
    ACCEPTED,
    CHECKED,
    GATHERS,
    PLAIN,
    REVIEWED,
    RUN,
    START,
    checked,
    failed,
    hear,
    held,
    replied,
    returned,
)  # fmt: skip


def tool_failed(turn: int, at: int) -> ToolFailed:
    return ToolFailed(call_id=f"r:t{turn}.{at}", kind="raised", message="x")


def came_late(turn: int, at: int) -> Late:
    return Late(returned(turn, at))


def settles(turn: int, decision: Any) -> Resolve:
    return Resolve(f"r:t{turn}.0:doubt2", decision)


def in_doubt(turn: int) -> ToolInDoubt:
    return ToolInDoubt(call_id=f"r:t{turn}.0", epoch=2, message="")


def reviewed(turn: int, verdict: Literal["passed", "masked", "blocked"]) -> OutputReviewed:
    return OutputReviewed(call_id=f"r:o{turn}", verdict=verdict, text="")


def resolve(turn: int, at: int, decision: Literal["approve", "reject", "done"]) -> Resolve:
    return Resolve(f"r:t{turn}.{at}:confirm", decision)


turns = st.integers(1, 3)
names = st.sampled_from(["lookup", "refund", "fly"])
tool_calls = st.lists(st.tuples(names, st.sampled_from(["{}", "[", ""])), max_size=3)
messages = st.one_of(
    st.sampled_from(
        [
            START, StartRun(ACCEPTED, free=False), TurnCame(), Cancel(), Broken("x"), checked(),
            checked("blocked"), ContextBuilt(call_id="r:g"),
            TimeIs("2026-11-24T16:00:01.000000Z"), TimeIs("2026-11-24T17:00:00.000000Z"),
        ]
    ),
    st.builds(replied, turns, st.just(""), tool_calls),
    st.builds(held, turns),
    st.builds(failed, turns),
    st.builds(returned, turns, st.integers(0, 2)),
    st.builds(tool_failed, turns, st.integers(0, 2)),
    st.builds(in_doubt, turns),
    st.builds(came_late, turns, st.integers(0, 2)),
    st.builds(settles, turns, st.sampled_from(["done", "not_done", "reject"])),
    st.builds(reviewed, turns, st.sampled_from(["passed", "masked", "blocked"])),
    st.builds(resolve, turns, st.integers(0, 2), st.sampled_from(["approve", "reject", "done"])),
)  # fmt: skip
definitions = st.sampled_from([PLAIN, CHECKED, REVIEWED, GATHERS])
Heards = Sequence[Heard]


def play(definition: object, heard: Heards) -> tuple[State, list[RunEvent]]:
    state: State = agent_run.initial(RUN, definition)  # pyright: ignore[reportArgumentType]
    log: list[RunEvent] = []
    for message in heard:
        state, events = hear(state, message)
        log += events
    return state, log


@settings(max_examples=300)
@example(PLAIN, [START, failed()])
@example(PLAIN, [START, replied(calls=[("lookup", "{}")]), in_doubt(1)])
@example(PLAIN, [START, replied(calls=[("lookup", "{}")]), Cancel(), in_doubt(1), returned()])
@given(definitions, st.lists(messages, max_size=25))
def test_hearing_everything_twice_changes_nothing(definition: object, heard: Heards):
    doubled = [message for message in heard for _ in range(2)]
    assert play(definition, doubled) == play(definition, heard)


@given(definitions, st.lists(messages, max_size=25))
def test_a_run_that_is_not_finished_waits_for_something(definition: object, heard: Heards):
    state, _ = play(definition, heard)
    due = agent_run.due(state)
    if isinstance(state, (NotStarted, Finished)):
        assert due == []
    else:
        assert isinstance(due[-1].command, Deadline)
        asks = len(due) > 1
        assert asks != isinstance(state, (Waiting, Paused))


@given(definitions, st.lists(messages, max_size=25))
def test_a_run_has_one_end_and_nothing_but_settled_calls_after_it(
    definition: object, heard: Heards
):
    _, log = play(definition, heard)
    ends = [at for at, event in enumerate(log) if event.type.startswith("run.")]
    ends = [at for at in ends if log[at].type.split(".")[1] in END]
    assert len(ends) <= 1
    if ends:
        assert {event.type for event in log[ends[0] + 1 :]} <= {"call.settled.v1"}


END = ("completed", "failed", "blocked", "cancelled")


@given(definitions, st.lists(messages, max_size=25))
def test_the_log_alone_gives_the_live_state(definition: object, heard: Heards):
    state, log = play(definition, heard)
    stored = [decode(*encode(event)) for event in log]
    rebuilt: State = agent_run.initial(RUN, definition)  # pyright: ignore[reportArgumentType]
    for event in stored:
        rebuilt = agent_run.evolve(rebuilt, event)
    assert rebuilt == state


@given(definitions, st.lists(messages, max_size=25))
def test_every_outcome_of_a_tool_has_its_intent_before_it(definition: object, heard: Heards):
    _, log = play(definition, heard)
    called: set[str] = set()
    for event in log:
        if event.type == "tool.called.v1":
            called.add(getattr(event, "call_id"))  # noqa: B009
        elif event.type in ("tool.returned.v1", "tool.failed.v1", "tool.in_doubt.v1"):
            assert getattr(event, "call_id") in called  # noqa: B009
