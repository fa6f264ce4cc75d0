"""A recorded prompt as text: parts that are in the log are read there (protocol 11.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

from actalog_contracts.runs import ModelFailed, ModelReplied, PromptPart, PromptRecord
from actalog_core.events import decode
from actalog_llm.prompt import record
from actalog_llm.prompt.parts import PROMPT
from actalog_log.ports import FoundRun, RunLog, StoredEvent

Call = ModelReplied | ModelFailed


@dataclass(frozen=True, slots=True)
class Shown:
    """`source` says where a text stands."""

    role: str
    text: str
    source: str
    digest: str


@dataclass(frozen=True, slots=True)
class ShownPrompt:
    call_id: str
    purpose: str
    provider: str
    model: str
    digest: str
    params: str
    parts: tuple[Shown, ...]


async def calls_of(log: RunLog, found: FoundRun) -> Sequence[Call]:
    """The model calls of a run whose prompt was recorded, in order."""
    events = [decode(one.type, one.payload) for one in await log.read(found.row.run_no)]
    return [one for one in events if isinstance(one, (ModelReplied, ModelFailed)) and one.prompt]


async def shown(log: RunLog, call: Call) -> ShownPrompt:
    """A call's prompt with the text of every part, each compared with its digest.

    Raises:
        NotAsRecorded: a part is not what the record says.
    """
    assert call.prompt is not None
    replied = isinstance(call, ModelReplied)
    parts = record.shown(call.prompt, await events_for(log, call.prompt))
    return ShownPrompt(
        call_id=call.call_id, purpose=call.purpose,
        provider=call.provider if replied else "", model=call.model if replied else "",
        digest=call.prompt.digest, params=call.prompt.params,
        parts=tuple(
            Shown(one.role, one.text, source(one.recorded), one.recorded.digest) for one in parts
        ),
    )  # fmt: skip


async def events_for(log: RunLog, prompt: PromptRecord) -> dict[int, Sequence[StoredEvent]]:
    """The runs that a prompt's parts stand in, earlier prompts of the run opened."""
    found: dict[int, Sequence[StoredEvent]] = {}
    open_records = [prompt]
    while open_records:
        told = open_records.pop()
        for run_no in record.runs_of(told) - found.keys():
            found[run_no] = await log.read(run_no)
        open_records += [_earlier(part, found) for part in told.parts if part.role == PROMPT]
    return found


def _earlier(part: PromptPart, events: dict[int, Sequence[StoredEvent]]) -> PromptRecord:
    stored = events[part.run_no or 0][(part.seq or 1) - 1]
    event = decode(stored.type, stored.payload)
    assert isinstance(event, (ModelReplied, ModelFailed))
    assert event.prompt is not None
    return event.prompt


def source(part: PromptPart) -> str:
    """Where a part's text stands."""
    if part.text is not None or part.run_no is None:
        return "its own text"
    return f"run_no {part.run_no}, event {part.seq}, {part.field}"
