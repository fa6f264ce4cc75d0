"""Prompts: rendered from the log, recorded by digests, shown and verified again. Pure but for
`cache`.

`render_prompt` is what a model is sent for a call; `shown` and `verify` open a record.
"""

from collections.abc import Mapping, Sequence

from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import HistoryRun
from actalog_llm.prompt import render
from actalog_llm.prompt.conversation import Conversation
from actalog_llm.prompt.messages import Messages, assemble
from actalog_llm.prompt.parts import RENDERER, Part, Prompt
from actalog_llm.prompt.record import NotAsRecorded, runs_of, shown, verify
from actalog_log.ports import StoredEvent

__all__ = [
    "RENDERER", "Messages", "NotAsRecorded", "Part", "Prompt", "assemble", "needs", "render_prompt",
    "runs_of", "shown", "verify",
]  # fmt: skip


def needs(events: Sequence[StoredEvent], purpose: str) -> Sequence[HistoryRun]:
    """The other runs (and up to which seq) that `render_prompt` needs beside these events."""
    return render.needs(_conversation(events), purpose)


def render_prompt(
    definition: AgentDefinition,
    events: Sequence[StoredEvent],
    histories: Mapping[int, Sequence[StoredEvent]],
    *,
    purpose: str = "answer",
    params: str,
) -> Prompt:
    """The prompt of the call that follows on `events` (of one run, from its first). `histories`
    has the events of `needs` by run_no. `params` is what `wire.params_text` says of the model."""
    run = _conversation(events)
    others = {
        run_no: render.as_history(_conversation(other)) for run_no, other in histories.items()
    }
    if purpose != "answer":
        return render.needed(run, others, params)
    schema = run.output_schema or definition.output_schema
    return render.answer(render.head(definition, schema), run, others, params)


def _conversation(events: Sequence[StoredEvent]) -> Conversation:
    run = Conversation(events[0].run_no if events else 0)
    for event in events:
        run.hear(event)
    return run
