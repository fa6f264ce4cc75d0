"""A prompt is a projection of the log, shown and verified again from its record."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from actalog_contracts.base import ToolCall
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import (
    ContextBuilt,
    HistoryRun,
    InputChecked,
    MemoryNote,
    ModelNeeded,
    OutputReviewed,
    PromptRecord,
    RequirementResolved,
    RunCompleted,
    RunEvent,
    RunStarted,
    ToolFailed,
)
from actalog_llm import prompt as prompts
from actalog_llm.prompt import NotAsRecorded, Prompt, assemble, render_prompt, shown, verify
from actalog_llm.providers import provider
from actalog_llm.wire_anthropic import body as anthropic_body
from actalog_llm.wire_openai import SHORT_ID
from actalog_llm.wire_openai import body as openai_body
from actalog_llm.wire_openai import params as openai_params
from actalog_log.ports import StoredEvent
from tests.unit.actalog_llm.log import (
    AGENT,
    accepted,
    called,
    held,
    replied,
    returned,
    run,
)

OPENING: tuple[RunEvent, ...] = (accepted(), RunStarted(), ContextBuilt())
NONE: Mapping[int, Sequence[StoredEvent]] = {}


def render(
    events: Sequence[StoredEvent], histories: Mapping[int, Sequence[StoredEvent]] = NONE,
    definition: AgentDefinition = AGENT, **more: Any,
) -> Prompt:  # fmt: skip
    told = render_prompt(definition, events, histories, params='{"model":"m"}', **more)
    everything = {**histories, 1: events}
    opened = [(part.role, part.text) for part in shown(told.record, everything)]
    assert opened == [(part.role, part.text) for part in told.parts]
    return told


def roles(told: Prompt) -> list[str]:
    return [part.role for part in told.parts]


def said(told: Prompt) -> list[tuple[str, str]]:
    skipped = ("tools", "system", "schema")
    return [(part.role, part.text) for part in told.parts if part.role not in skipped]


def test_the_first_prompt_is_instructions_and_input():
    told = render(run(*OPENING))
    assert roles(told) == ["tools", "system", "user"]
    system = told.parts[1].text
    assert system == (
        "You help.\n\n- Be brief.\n- Be kind.\n\nThe answer is expected to be: a sentence"
    )
    by_reference = told.record.parts[2]
    where = (by_reference.run_no, by_reference.seq, by_reference.field, by_reference.text)
    assert where == (1, 1, "input", None)


def test_context_and_schema_are_told():
    context = ContextBuilt(
        memories=(MemoryNote(id="1", text="likes tea"),),
        summary="We spoke.",
        session_state='{"a":1}',
    )
    told = render(run(accepted(output_schema='{"type":"object"}'), RunStarted(), context))
    assert roles(told) == ["tools", "schema", "system", "system", "user"]
    assert "Its schema: {" in told.parts[2].text
    for text in ("- likes tea", "We spoke.", '{"a":1}'):
        assert text in told.parts[3].text


def test_an_agent_without_anything_sends_the_input_alone():
    bare = AgentDefinition(id="a", name="a", model=AGENT.model)
    assert roles(render(run(*OPENING), definition=bare)) == ["user"]


def test_the_checked_text_is_used_instead_of_the_held_one():
    checked = InputChecked(call_id="r:ci", verdict="masked", text="card ****")
    told = render(run(accepted(None, held_input=held()), RunStarted(), checked, ContextBuilt()))
    assert said(told) == [("user", "card ****")]
    assert told.record.parts[-1].field == "text"


def test_a_turn_with_tools_shows_calls_and_outcomes_in_the_order_of_the_calls():
    failed = ToolFailed(call_id="r:t1.0", kind="raised", message="broken")
    events = run(
        *OPENING, replied("Looking.", ("x", '{"q":1}'), ("y", "{}")), called(0, '{"q":1}'), called(1),
        returned(1, "found"), failed,
    )  # fmt: skip
    told = render(events)
    assert said(told)[1:] == [
        ("assistant", "Looking."), ("tool_call:x:look", '{"q":1}'), ("tool_call:y:look", "{}"),
        ("tool_error:x", "broken"), ("tool:y", "found"),
    ]  # fmt: skip
    assert told.record.parts[-4].field == "tool_calls.0.arguments"


def test_arguments_replaced_at_the_approval_are_shown_as_they_were_run():
    approved = RequirementResolved(
        requirement_id="r:t1.0:confirm", decision="approve", arguments='{"amount":1}'
    )
    events = run(
        *OPENING, replied("", ("x", '{"amount":9}')), called(0, '{"amount":9}'), approved,
        returned(0, "paid"),
    )  # fmt: skip
    assert said(render(events))[1] == ("tool_call:x:look", '{"amount":1}')


def test_arguments_that_came_with_a_refusal_were_never_run_and_are_not_shown():
    rejected = RequirementResolved(
        requirement_id="r:t1.0:confirm", decision="reject", arguments='{"amount":1}'
    )
    failed = ToolFailed(call_id="r:t1.0", kind="rejected", message="not now")
    events = run(
        *OPENING, replied("", ("x", '{"amount":9}')), called(0, '{"amount":9}'), rejected, failed
    )
    assert said(render(events))[1] == ("tool_call:x:look", '{"amount":9}')


def test_a_held_message_is_shown_as_it_was_reviewed():
    masked = ToolCall(id="r:m1.0", provider_id="x", name="look", arguments='{"mail":"****"}')
    reviewed = OutputReviewed(
        call_id="r:o1", verdict="masked", text="To ****", tool_calls=(masked,)
    )
    events = run(
        *OPENING, replied(None, held_text=held()), reviewed, called(0, '{"mail":"****"}'),
        returned(0, "sent"),
    )  # fmt: skip
    assert said(render(events))[1:] == [
        ("assistant", "To ****"), ("tool_call:x:look", '{"mail":"****"}'), ("tool:x", "sent"),
    ]  # fmt: skip


def test_ids_that_a_model_repeats_or_leaves_out_are_unique_and_always_the_same():
    events = run(
        *OPENING, replied("", ("x", "{}"), ("x", "{}"), ("", "{}"), ("a b:c", "{}")),
        *(called(at) for at in range(4)), *(returned(at, str(at)) for at in range(4)),
        replied("", ("x", "{}")), called(0, turn=2), returned(0, "4", turn=2),
    )  # fmt: skip
    told = render(events)
    asked = [role.split(":")[1] for role in roles(told) if role.startswith("tool_call:")]
    answered = [role.split(":")[1] for role in roles(told) if role.startswith("tool:")]
    assert asked == ["x", "call_1_4_1", "call_1_4_2", "a_b_c", "call_1_13_0"]
    assert answered == asked
    assert roles(render(events)) == roles(told)


def test_names_and_arguments_that_no_provider_takes_are_made_to_fit():
    events = run(
        *OPENING, replied("", ("x", "not json")), called(0, "not json", name="rm -rf /"),
        ToolFailed(call_id="r:t1.0", kind="unknown_tool", message="There is no tool."),
    )  # fmt: skip
    message = openai_body(assemble(render(events).parts), {}, provider("groq"))["messages"][2]
    function = message["tool_calls"][0]["function"]
    assert function == {"name": "rm_-rf__", "arguments": '{"malformed_arguments":"not json"}'}


def test_history_is_shown_in_order_without_signatures():
    earlier = run(
        accepted("Hello"), RunStarted(), ContextBuilt(), replied("Hi.", extra='{"openai":{}}'),
        RunCompleted(output_seq=4), run_no=7,
    )  # fmt: skip
    context = ContextBuilt(history=(HistoryRun(run_no=7, run_id="e", seq=5),))
    events = run(accepted(), RunStarted(), context)
    assert [one.run_no for one in prompts.needs(events, "answer")] == [7]
    told = render(events, {7: earlier})
    assert said(told) == [("user", "Hello"), ("assistant", "Hi."), ("user", "Where?")]
    assert told.record.parts[-2].run_no == 7


def turns(count: int) -> tuple[list[StoredEvent], list[PromptRecord]]:
    """A run of so many turns with a tool each, every prompt recorded as it was sent."""
    events: list[RunEvent] = list(OPENING)
    records: list[PromptRecord] = []
    for turn in range(1, count + 1):
        records.append(render(run(*events)).record)
        events += [
            replied(f"turn {turn}", ("x", "{}"), prompt=records[-1]), called(0, turn=turn),
            returned(0, "found " * 100, turn=turn),
        ]  # fmt: skip
    return run(*events), records


def test_a_later_prompt_records_only_what_is_new():
    _, records = turns(12)
    assert [part.role for part in records[11].parts] == [
        "prompt", "assistant", "tool_call:call_1_34_0:look", "tool:call_1_34_0",
    ]  # fmt: skip
    sizes = [len(record.model_dump_json()) for record in records[2:]]
    assert max(sizes) - min(sizes) < 50


def test_what_another_renderer_sent_is_told_part_for_part():
    events, records = turns(1)
    other = records[0].model_copy(update={"renderer": "actalog/0"})
    changed = run(*OPENING, replied("turn 1", ("x", "{}"), prompt=other), called(0))
    assert [part.role for part in render(changed).record.parts][:3] == ["tools", "system", "user"]
    assert render(events).record.parts[0].role == "prompt"


def test_a_changed_word_is_found():
    events, records = turns(3)
    assert all(verify(record) for record in records)
    forged = list(events)
    forged[5] = run(*[returned(0, "forged")] * 6)[5]
    with pytest.raises(NotAsRecorded, match="content"):
        shown(records[2], {1: forged})
    text = records[0].parts[1].model_copy(update={"text": "Be cruel."})
    parts = (records[0].parts[0], text, *records[0].parts[2:])
    assert not verify(records[0].model_copy(update={"parts": parts}))
    # Each part is as it says, and together they are another prompt (protocol 11.3).
    assert not verify(records[0].model_copy(update={"parts": records[0].parts[1:]}))
    assert not verify(records[0].model_copy(update={"parts": records[0].parts[::-1]}))
    assert not verify(records[0].model_copy(update={"digest": records[1].digest}))
    with pytest.raises(NotAsRecorded, match="not there"):
        shown(records[2], {})


def test_a_recipe_becomes_a_prompt_with_the_conversation_as_text():
    about = run(accepted("I like tea"), RunStarted(), ContextBuilt(), replied("Noted."), run_no=7)
    recipe = ModelNeeded(
        call_id="m:1", purpose="memories", template="Extract memories.", text="Known: none",
        refs=(HistoryRun(run_no=7, run_id="e", seq=4),), continuation="{}",
        response_schema='{"type":"object"}',
    )  # fmt: skip
    told = render(run(accepted("-"), RunStarted(), recipe), {7: about}, purpose="memories")
    body = openai_body(assemble(told.parts), {}, provider("openai"))
    assert body["messages"] == [
        {"role": "system", "content": "Extract memories."},
        {"role": "user", "content": "[user] I like tea\n\n[assistant] Noted.\n\nKnown: none"},
    ]
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}


def test_9_1_a_recipe_shows_of_a_run_what_was_checked_and_reviewed():
    masked = ToolCall(id="r:m1.0", provider_id="x", name="look", arguments='{"mail":"****"}')
    about = run(
        accepted(None, held_input=held()), RunStarted(),
        InputChecked(call_id="r:ci", verdict="masked", text="I am ****"), ContextBuilt(),
        replied(None, held_text=held()),
        OutputReviewed(call_id="r:o1", verdict="masked", text="To ****", tool_calls=(masked,)),
        called(0, '{"mail":"****"}'), returned(0, "sent to ann@mail.example"),
        replied(None, held_text=held()),
        OutputReviewed(call_id="r:o2", verdict="masked", text="Sent to ****"),
        RunCompleted(output_seq=10), run_no=7,
    )  # fmt: skip
    recipe = ModelNeeded(
        call_id="m:1", purpose="memories", template="", continuation="{}",
        refs=(HistoryRun(run_no=7, run_id="e", seq=11),),
    )  # fmt: skip
    told = render(run(accepted("-"), RunStarted(), recipe), {7: about}, purpose="memories")
    assert said(told) == [
        ("quote:user", "I am ****"), ("quote:assistant", "To ****"),
        ("quote:tool_call x look", '{"mail":"****"}'),
        ("quote:tool x", "sent to ann@mail.example"),  # an event of the log, and no message
        ("quote:assistant", "Sent to ****"),
    ]  # fmt: skip


def test_thoughts_that_go_back_are_not_shown_as_text():
    about = HistoryRun(run_no=7, run_id="h", seq=3)
    histories = {7: run(accepted("Hi."), RunStarted(), replied("Hello.", extra=THOUGHT), run_no=7)}
    needed = ModelNeeded(
        call_id="m", purpose="memories", refs=(about,), template="", continuation="{}"
    )
    told = render(run(accepted(None), RunStarted(), needed), histories, purpose="memories")
    assert said(told) == [("quote:user", "Hi."), ("quote:assistant", "Hello.")]


def test_a_memory_run_without_recipe_has_no_prompt():
    with pytest.raises(ValueError, match="asked"):
        render(run(*OPENING), purpose="memories")


def test_anthropic_gets_thoughts_back_and_results_in_one_message():
    thought = '{"anthropic":[{"type":"thinking","thinking":"hm","signature":"s"}]}'
    events = run(
        *OPENING, replied("Look.", ("x", '{"q":1}'), ("y", "bad"), extra=thought),
        called(0, '{"q":1}'), called(1, "bad"), returned(0, "a"),
        ToolFailed(call_id="r:t1.1", kind="arguments", message="no"),
    )  # fmt: skip
    body = anthropic_body(assemble(render(events).parts), {"thinking": {"type": "enabled"}})
    assert [one["role"] for one in body["messages"]] == ["user", "assistant", "user"]
    assert [one["type"] for one in body["messages"][1]["content"]] == [
        "thinking", "text", "tool_use", "tool_use",
    ]  # fmt: skip
    results = body["messages"][2]["content"]
    assert [(one["tool_use_id"], one.get("is_error")) for one in results] == [
        ("x", None),
        ("y", True),
    ]
    assert body["thinking"] == {"type": "enabled"}
    assert body["tools"][0]["input_schema"] == {"type": "object"}


@pytest.mark.parametrize(
    ("thinking", "stays"),
    [({"type": "enabled"}, False), ({"type": "adaptive"}, True), ("on", True)],
)
def test_thinking_is_off_where_the_thoughts_of_a_turn_are_not_there(thinking: object, stays: bool):
    events = run(*OPENING, replied("", ("x", "{}")), called(0), returned(0, "a"))
    body = anthropic_body(assemble(render(events).parts), {"thinking": thinking})
    assert ("thinking" in body) == stays


def test_thinking_stays_on_where_a_turn_goes_on_without_thoughts():
    """Between two tools a model may not think; the API looks at how its turn began."""
    thought = '{"anthropic":[{"type":"thinking","thinking":"hm","signature":"s"}]}'
    events = run(
        *OPENING, replied("", ("x", "{}"), extra=thought), called(0), returned(0, "a"),
        replied("", ("y", "{}")), called(0, turn=2), returned(0, "b", turn=2),
    )  # fmt: skip
    body = anthropic_body(assemble(render(events).parts), {"thinking": {"type": "enabled"}})
    assert body["thinking"] == {"type": "enabled"}


THOUGHT = '{"openai":{"reasoning_content":"hm"}}'


@pytest.mark.parametrize(
    ("name", "extra", "sent"),
    [
        ("deepseek", THOUGHT, "hm"), ("deepseek", "{}", " "), ("openai_like", THOUGHT, "hm"),
        ("openai_like", "{}", None), ("openai", THOUGHT, None), ("mistral", THOUGHT, None),
        ("nobody-knows", THOUGHT, "hm"),
    ],
)  # fmt: skip
def test_thoughts_go_back_to_those_who_want_them(name: str, extra: str, sent: str | None):
    """DeepSeek refuses a call without them, also in what was said in earlier runs; Mistral and
    others refuse the field."""
    earlier = run(accepted("Hi."), RunStarted(), replied("Hello.", extra=extra), run_no=7)
    context = ContextBuilt(history=(HistoryRun(run_no=7, run_id="h", seq=3),))
    events = run(
        accepted(), RunStarted(), context, replied("", ("x", "{}"), extra=extra), called(0),
        returned(0, "a"),
    )  # fmt: skip
    parts = render(events, {7: earlier}).parts
    said = openai_body(assemble(parts), {}, provider(name))["messages"]
    thoughts = [one.get("reasoning_content") for one in said if one["role"] == "assistant"]
    assert thoughts == [sent, sent]


def test_ids_of_calls_are_short_for_mistral():
    events = run(
        *OPENING, replied("", ("abcDEF123", "{}"), ("call_of_another_provider", "{}")),
        called(0), called(1), returned(0, "a"), returned(1, "b"),
    )  # fmt: skip
    said = openai_body(assemble(render(events).parts), {}, provider("mistral"))["messages"]
    asked = [one["id"] for one in said[2]["tool_calls"]]
    assert asked[0] == "abcDEF123"
    assert all(SHORT_ID.fullmatch(one) for one in asked)
    assert [one["tool_call_id"] for one in said[3:]] == asked


@pytest.mark.parametrize(
    ("name", "given", "asked"),
    [
        ("openai", {}, True), ("mistral", {}, False), ("cohere", {}, False),
        ("openai_like", {"stream_options": None}, False),
        ("openai_like", {"stream_options": {"x": 1}}, True),
    ],
)  # fmt: skip
def test_usage_is_asked_for_where_the_server_takes_that(
    name: str, given: dict[str, Any], asked: bool
):
    told = openai_params("m", given, provider(name))
    assert told["stream"]
    assert told.get("stream_options") == ({"include_usage": True} if asked else None)


def test_signatures_of_calls_go_back_where_they_came_from():
    extra = '{"openai":{"calls":[null,{"google":{"thought_signature":"s"}}]}}'
    events = run(
        *OPENING, replied("", ("x", "{}"), ("y", "{}"), extra=extra), called(0), called(1),
        returned(0, "a"), returned(1, "b"),
    )  # fmt: skip
    calls = openai_body(assemble(render(events).parts), {}, provider("groq"))["messages"][2][
        "tool_calls"
    ]
    assert "extra_content" not in calls[0]
    assert calls[1]["extra_content"] == {"google": {"thought_signature": "s"}}
