"""What a first command carries makes the very prompt that the log makes."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actalog_conductor import agent_run, calls
from actalog_conductor.agent_states import NotStarted
from actalog_conductor.heard import Heard, StartRun, TurnCame
from actalog_conductor.kinds import commands
from actalog_contracts.calls import CallModel
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import ContextBuilt, MemoryNote, RunAccepted, RunEvent
from actalog_core.errors import NewerBuild
from actalog_llm.prompt import Prompt, render, render_prompt
from actalog_llm.prompt.conversation import Conversation
from tests.unit.actalog_conductor.spec import (
    ACCEPTED,
    CHECKED,
    GATHERS,
    PLAIN,
    REVIEWED,
    RUN,
    checked,
    failed,
    hear,
    replied,
    returned,
)
from tests.unit.actalog_llm.log import run as logged

SCHEMA = '{"type":"object"}'
MEDIA = '[{"type":"image","url":"https://example.org/cat.png"}]'
KNOWS = ContextBuilt(call_id="r:g", memories=(MemoryNote(id="1", text="likes tea"),))
messages = st.sampled_from(
    [TurnCame(), checked(), checked("masked"), ContextBuilt(call_id="r:g"), KNOWS, replied(1),
     replied(1, "", [("lookup", "{}")]), returned(), failed()]
)  # fmt: skip


def asked(
    definition: AgentDefinition, accepted: RunAccepted, heard: Sequence[Heard], *, free: bool
) -> list[tuple[CallModel, Sequence[RunEvent]]]:
    """Every command for a model on the way, and the events that its run had by then."""
    state, events = NotStarted(RUN, definition), list[RunEvent]()
    told: list[tuple[CallModel, Sequence[RunEvent]]] = []
    for one in (StartRun(accepted, free=free), *heard):
        state, new = hear(state, one)
        events += new
        told += [
            (command, tuple(events))
            for command in commands(agent_run.due(state))
            if isinstance(command, CallModel)
        ]
    return told


def carried(definition: AgentDefinition, command: CallModel) -> Prompt:
    assert command.begun is not None
    run = Conversation.begun(command.run_no, command.begun, command.seq)
    top = render.head(definition, run.output_schema or definition.output_schema)
    return render.answer(top, run, {}, "{}")


@given(
    st.sampled_from([PLAIN, CHECKED, REVIEWED, GATHERS]), st.sampled_from([None, SCHEMA]),
    st.sampled_from([None, SCHEMA]), st.sampled_from([None, "", "hello", "\U0001f642" * 2_000]),
    st.lists(messages, max_size=5), st.booleans(), st.sampled_from(["[]", MEDIA]),
)  # fmt: skip
def test_what_is_carried_is_what_the_log_says(
    definition: AgentDefinition, own: str | None, schema: str | None, text: str | None,
    heard: list[Heard], free: bool, media: str,
):  # fmt: skip
    definition = definition.model_copy(update={"output_schema": own})
    told = {"input": text, "output_schema": schema, "media": media}
    accepted = ACCEPTED.model_copy(update=told)
    for command, events in asked(definition, accepted, heard, free=free):
        if command.begun is not None:
            assert command.seq == len(events)
            log = logged(*events)
            assert carried(definition, command) == render_prompt(definition, log, {}, params="{}")


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("definition", [PLAIN, REVIEWED.model_copy(update={"input_checks": ()})])
def test_a_first_call_carries_a_short_input(definition: AgentDefinition, free: bool):
    (told, *_) = asked(definition, ACCEPTED, [TurnCame()], free=free)
    assert told[0].begun is not None
    assert told[0].begun.input == "hello"


@pytest.mark.parametrize(
    ("definition", "accepted", "heard"),
    [(PLAIN, ACCEPTED.model_copy(update={"input": "x" * (calls.MOST_CARRIED + 1)}), []),
     (PLAIN, ACCEPTED.model_copy(update={"output_schema": "x" * calls.MOST_CARRIED}), []),
     (PLAIN, ACCEPTED.model_copy(update={"media": MEDIA}), []),
     (GATHERS, ACCEPTED, [KNOWS]), (CHECKED, ACCEPTED, [checked("masked")])],
)  # fmt: skip
def test_what_is_long_checked_gathered_or_attached_is_read(
    definition: AgentDefinition, accepted: RunAccepted, heard: list[Heard]
):
    (told,) = asked(definition, accepted, heard, free=True)
    assert told[0].begun is None


def test_a_later_turn_carries_nothing():
    (_, (later, _)) = asked(
        PLAIN, ACCEPTED, [replied(1, "", [("lookup", "{}")]), returned()], free=True
    )
    assert (later.call_id, later.begun) == ("r:m2", None)


def test_an_event_of_a_newer_build_gives_no_prompt_and_one_that_says_nothing_to_models_is_passed():
    run = Conversation(1)
    (first,) = logged(ACCEPTED)
    run.hear(first)
    run.hear(first._replace(seq=2, type="run.started.v1", payload=b"{}"))
    assert run.seq == 2
    with pytest.raises(NewerBuild):
        run.hear(first._replace(seq=3, type="model.replied.v9", payload=b"{}"))
