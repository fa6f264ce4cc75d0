"""An answer that ends at a limit of tokens says so, to whoever reads it (decision 0023)."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from functools import reduce

import pytest

from actalog.client.results import result_of as result_of_events
from actalog.client.transport import Told
from actalog.run.agent import RunOutput
from actalog.run.story import Story
from actalog_conductor import agent_run
from actalog_conductor.agent_states import Finished, Identity
from actalog_conductor.live import Live
from actalog_conductor.results import result_of
from actalog_contracts import runs
from actalog_contracts.base import TextRef, Usage
from actalog_contracts.definitions import AgentDefinition, ModelChoice
from actalog_core.clock import parse_time
from actalog_core.events import encode
from actalog_gateway.story import tell
from actalog_log.ports import Head, RunRow, StoredEvent
from tests.unit.actalog.test_story import ACCEPTED, AT, PROMPT, published

DEFINITION = AgentDefinition(id="a", name="a", model=ModelChoice(provider="p", id="m"))
IDENTITY = Identity("default", 1, "r", "s", 1)


def replied(finish: str, text: str | None = "{}", purpose: str = "answer") -> runs.ModelReplied:
    held = None if text else TextRef(held="h", digest="hmac:h")
    return runs.ModelReplied(
        call_id="r:m1", epoch=1, text=text, held_text=held, finish=finish, provider="p", model="m",
        usage=Usage(), prompt=PROMPT, purpose=purpose,
    )  # fmt: skip


def done(seq: int, *, is_json: bool = False) -> runs.RunCompleted:
    return runs.RunCompleted(output_seq=seq, output_is_json=is_json)


def run(*events: runs.RunEvent) -> list[runs.RunEvent]:
    return [ACCEPTED, runs.RunStarted(), runs.ContextBuilt(), *events]


REVIEW = runs.OutputReviewed(call_id="r:co1", verdict="passed", text="{}")
RUNS = {
    "cut": (run(replied("length"), done(4)), True),
    "cut and reviewed": (run(replied("length", None), REVIEW, done(5)), True),
    "whole": (run(replied("stop"), done(4)), False),
    "JSON that is whole": (run(replied("length"), done(4, is_json=True)), False),
    "only before its tools": (run(replied("length"), replied("stop"), done(5)), False),
    "failed": (
        run(replied("length"), runs.RunFailed(error=runs.Error(code="x", message="", source="y"))),
        False,
    ),
}


@pytest.mark.parametrize("name", RUNS)
async def test_an_output_that_was_cut_is_told_as_truncated_everywhere(name: str):
    events, truncated = RUNS[name]
    state = reduce(agent_run.evolve, events, agent_run.initial(IDENTITY, DEFINITION))
    assert isinstance(state, Finished)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    row = RunRow(1, "default", "r", "s", 1, "agent", "agent:a", "sha256:d", "hmac:b", at)
    said = result_of(Live(row, state, Head(len(events), b""), len(events), len(events), at))
    assert said.truncated == (True if truncated else None)
    assert (await result_of_events(told(events))).truncated == said.truncated
    stored = [
        StoredEvent(1, seq, *encode(one), 1, None, parse_time(AT), b"", seq)
        for seq, one in enumerate(events, 1)
    ]
    assert tell("r", zip(stored, events, strict=True)).truncated == truncated
    story = Story(RunOutput(run_id="r", session_id="s", agent_id="a", agent_name="a"))
    for one in published(events):
        list(story.hear_event(one))
    assert story.output.truncated == truncated


async def told(events: Sequence[runs.RunEvent]) -> AsyncIterator[Told]:
    for one in published(events):
        yield one
