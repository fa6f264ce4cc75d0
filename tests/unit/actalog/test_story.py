"""Events and deltas in every order, and what an author reads of them."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from actalog.client.transport import Told
from actalog.errors import BadDefinition
from actalog.run.agent import (
    RunContentEvent,
    RunEvent,
    RunOutput,
    RunOutputEvent,
)  # fmt: skip
from actalog.run.base import RunStatus
from actalog.run.story import Story
from actalog_contracts import runs
from actalog_contracts.base import Error, TextRef, Usage
from actalog_contracts.streams import Delta
from actalog_contracts.tasks import PublishedEvent

AT = "2026-11-24T16:00:00.000000Z"
PROMPT = runs.PromptRecord(digest="sha256:p", renderer="1", parts=())
ACCEPTED = runs.RunAccepted(
    kind="agent", target="agent:a", definition="sha256:d", input="hello", body_digest="hmac:b",
    accepted_at=AT, deadline=AT,
)  # fmt: skip


def replied(text: str | None, call: str = "r:m1", **more: Any) -> runs.ModelReplied:
    return runs.ModelReplied(
        call_id=call, epoch=1, text=text, finish="stop", provider="openai", model="m",
        usage=Usage(model_calls=1), prompt=PROMPT, first_token_ms=20, **more,
    )  # fmt: skip


def published(events: Iterable[runs.RunEvent], first: int = 1) -> list[PublishedEvent]:
    return [
        PublishedEvent(
            id=f"r:{seq}", run_id="r", seq=seq, session_id="s", tenant_id="default",
            type=event.type, recorded_at=AT, previous_hash="", hash="",
            payload=event.model_dump(mode="json", exclude={"type"}, exclude_none=True),
        )
        for seq, event in enumerate(events, first)
    ]  # fmt: skip


def delta(text: str, offset: int, *, call: str = "r:m1", epoch: int = 1, **more: Any) -> Delta:
    return Delta(
        tenant_id="default", run_id="r", session_id="s", call_id=call, epoch=epoch, offset=offset,
        text=text, **more,
    )  # fmt: skip


def story() -> Story:
    return Story(RunOutput(run_id="r", session_id="s", agent_id="a", agent_name="a"))


def hear(told: Story, heard: Sequence[Told]) -> list[RunOutputEvent]:
    return [
        event
        for one in heard
        for event in (told.hear_delta(one) if isinstance(one, Delta) else told.hear_event(one))
    ]


def text_of(events: Sequence[RunOutputEvent]) -> str:
    return "".join(one.content or "" for one in events if isinstance(one, RunContentEvent))


BEGUN = published([ACCEPTED, runs.RunStarted(), runs.ContextBuilt()])
ANSWERED = published([replied("Good day.", reasoning="Hm.")], 4)
DONE = published([runs.RunCompleted(output_seq=4, usage=Usage(total_tokens=3))], 5)


@pytest.mark.parametrize(
    "deltas",
    [
        [],
        [delta("Good ", 0), delta("day.", 5)],
        [delta("Good ", 0)],
        [delta("Good ", 0), delta("Good ", 0), delta("od day.", 2)],
        [delta("day.", 5)],
    ],
    ids=["none", "all", "the first", "overlapping", "a gap"],
)
def test_whatever_deltas_come_the_text_is_told_once_from_its_start(deltas: list[Delta]):
    told = story()
    assert text_of(hear(told, [*BEGUN, *deltas, *ANSWERED, *deltas, *DONE, *deltas])) == "Good day."
    assert told.output.content == "Good day."


def test_two_attempts_are_never_spliced():
    told = story()
    events = hear(told, [*BEGUN, delta("Bad", 0), delta("Good ", 0, epoch=2), *ANSWERED, *DONE])
    assert text_of(events) == "Bad"
    assert told.output.content == "Good day."


def test_an_attempt_that_said_nothing_gives_way_to_the_next():
    told = story()
    heard = [*BEGUN, delta("late", 9), delta("Good ", 0, epoch=2), delta("x", 0), *ANSWERED, *DONE]
    assert [one.content for one in hear(told, heard) if isinstance(one, RunContentEvent)] == [
        "Good ", None, "day.",
    ]  # fmt: skip


def test_events_that_come_twice_mean_nothing_the_second_time():
    once, twice = story(), story()
    all_events = [*BEGUN, *ANSWERED, *DONE]
    assert hear(once, all_events) == hear(twice, [one for one in all_events for _ in range(2)])
    assert once.output == twice.output


def test_an_output_has_the_messages_the_cost_and_the_time_to_the_first_token():
    told = story()
    events = hear(told, [*BEGUN, *ANSWERED, *DONE])
    assert [one.event for one in events] == [
        "RunStarted", "RunContent", "RunContent", "RunContentCompleted", "RunCompleted",
    ]  # fmt: skip
    assert (told.output.status, told.output.reasoning_content) == (RunStatus.completed, "Hm.")
    assert [(one.role, one.content) for one in told.output.messages] == [
        ("user", "hello"), ("assistant", "Good day."),
    ]  # fmt: skip
    assert (told.output.metrics.total_tokens, told.output.metrics.time_to_first_token) == (3, 0.02)


def called(at: int, **more: Any) -> runs.ToolCalled:
    return runs.ToolCalled(
        call_id=f"r:t1.{at}", name="look", arguments='{"x": 1}', arguments_digest="sha256:x",
        effect="once", **more,
    )  # fmt: skip


def test_tools_are_told_when_they_start_return_and_fail():
    told = story()
    heard = published(
        [
            replied(""), called(0), called(1),
            runs.ToolFailed(call_id="r:t1.1", kind="raised", message="broken"),
            runs.ToolReturned(call_id="r:t1.0", content="found", duration_ms=1500),
        ],
        4,
    )  # fmt: skip
    events = hear(told, [*BEGUN, *heard])
    assert [one.event for one in events[1:]] == [
        "ToolCallStarted", "ToolCallStarted", "ToolCallCompleted", "ToolCallError",
        "ToolCallCompleted",
    ]  # fmt: skip
    first, second = told.output.tools
    assert (first.tool_args, first.result, first.duration) == ({"x": 1}, "found", 1.5)
    assert (second.result, second.tool_call_error) == ("broken", True)
    assert [len(one.tool_calls) for one in told.output.messages[:2]] == [0, 2]


PAUSED = published(
    [
        replied(""), called(0, requires_confirmation=True), called(1, requires_confirmation=True),
        runs.RunPaused(
            requirements=tuple(
                runs.RequirementRaised(id=f"r:t1.{at}:confirm", kind="confirmation",
                                       call_id=f"r:t1.{at}")
                for at in range(2)
            )
        ),
    ],
    4,
)  # fmt: skip


def test_a_call_in_doubt_asks_for_no_confirmation():
    raised = runs.RequirementRaised(id="r:t1.0:doubt1", kind="in_doubt", call_id="r:t1.0")
    paused = [replied(""), called(0), runs.RunPaused(requirements=(raised,))]
    told = story()
    hear(told, [*BEGUN, *published(paused, 4)])
    (asked,) = told.output.active_requirements
    assert (asked.kind, asked.needs_confirmation) == ("in_doubt", False)
    with pytest.raises(BadDefinition, match=r"nobody knows .* r:t1.0:doubt1` with --done"):
        asked.confirm()
    assert not asked.is_resolved()
    asked.reject()
    assert asked.decision is False


def test_a_pause_says_what_it_waits_for_and_an_answer_goes_on():
    told = story()
    events = hear(told, [*BEGUN, *PAUSED])
    assert [one.event for one in events[1:]] == ["RunPaused"]
    assert told.rests
    assert len(told.output.active_requirements) == 2
    answer = runs.RequirementResolved(
        requirement_id="r:t1.0:confirm", decision="approve", arguments='{"x": 2}', note="ok"
    )
    events = hear(told, published([answer], 8))
    assert [one.event for one in events] == ["RunContinued", "ToolCallStarted"]
    assert not told.rests
    assert told.output.tools[0].tool_args == {"x": 2}
    assert [one.id for one in told.output.requirements] == ["r:t1.1:confirm"]


def test_a_pause_for_what_was_answered_already_is_none():
    told = story()
    told.resolving = {"r:t1.0:confirm", "r:t1.1:confirm"}
    assert hear(told, [*BEGUN, *PAUSED])[1:] == []
    assert not told.rests


def test_text_that_was_held_for_a_review_is_told_after_it():
    told = story()
    held = replied(None, held_text=TextRef(held="h", digest="hmac:h"))
    review = runs.OutputReviewed(call_id="r:o1", verdict="masked", text="Call ***.")
    heard = published([held, review, runs.RunCompleted(output_seq=5)], 4)
    assert text_of(hear(told, [*BEGUN, *heard])) == "Call ***."
    assert told.output.content == "Call ***."


@pytest.mark.parametrize(
    ("ending", "status", "event"),
    [
        (runs.RunFailed(error=Error(code="turn_limit", message="25 turns")), RunStatus.error,
         RunEvent.run_error),
        (runs.RunBlocked(error=Error(code="input_blocked", message="pii")), RunStatus.error,
         RunEvent.run_error),
        (runs.RunCancelled(reason="enough"), RunStatus.cancelled, RunEvent.run_cancelled),
    ],
)  # fmt: skip
def test_every_ending_is_told(ending: runs.RunEvent, status: RunStatus, event: RunEvent):
    told = story()
    events = hear(told, [*BEGUN, *published([ending], 4), *published([runs.RunStarted()], 5)])
    assert (events[-1].event, told.output.status, told.finished) == (event, status, True)
    if status is RunStatus.error:
        assert told.output.error is not None
        assert told.output.content == told.output.error.message


def test_an_event_that_a_newer_build_has_is_passed_over():
    told = story()
    newer = PublishedEvent.model_validate({**BEGUN[0].model_dump(), "type": "run.dreamt.v1"})
    assert hear(told, [newer]) == []
    assert told.seq == 1


def test_a_structured_answer_becomes_what_was_asked_for():
    told = story()
    told.parse = lambda text: text.upper()
    done = runs.RunCompleted(output_seq=4, output_is_json=True)
    hear(told, [*BEGUN, *published([replied("{}"), done], 4)])
    assert (told.output.content, told.output.content_type) == ("{}", "str")
    plain = story()
    hear(plain, [*BEGUN, *published([replied('{"a": 1}'), done], 4)])
    assert plain.output.content == {"a": 1}
    assert plain.output.get_content_as_string() == '{"a": 1}'
