"""From a command to an answer: pure. The same command gives the same answer."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from actalog_contracts.calls import Remember
from actalog_contracts.runs import (
    HistoryRun,
    MemoryNote,
    MemoryOp,
    MemoryUpdated,
    ModelNeeded,
    RememberFailed,
    SessionSummarised,
)  # fmt: skip
from actalog_memory import recipes

MOST_OPERATIONS = 20
MOST_TEXT = 1_000  # code points of a memory
MOST_SUMMARY = 4_000
ATTEMPTS = 2
_FENCE = re.compile(r"^\s*```[a-zA-Z]*\n(.*?)\n?```\s*$", re.DOTALL)


class Continuation(BaseModel):
    """What comes back verbatim with the model's reply (law 11)."""

    model_config = ConfigDict(frozen=True)

    attempt: int = 1
    ids: tuple[str, ...] = ()  # of the memories that the model was shown


class _Operation(BaseModel):
    op: str
    id: str = ""
    text: str = ""
    topics: list[str] = []


class _Operations(BaseModel):
    operations: list[_Operation]


class _Summary(BaseModel):
    summary: str
    topics: list[str] = []


def first(
    command: Remember, about: HistoryRun, *, notes: Sequence[MemoryNote], summary: str | None
) -> ModelNeeded:
    """What the model is asked about a run, given what is known already."""
    ids = tuple(note.id for note in notes)
    text = recipes.known(notes) if command.step == "memories" else recipes.earlier(summary)
    return _needed(command, about, text, Continuation(ids=ids))


def then(
    command: Remember, about: HistoryRun, continuation: str, reply: str
) -> MemoryUpdated | SessionSummarised | ModelNeeded | RememberFailed:
    """What the model's reply means. One that cannot be read is asked for once more."""
    before = Continuation.model_validate_json(continuation)
    try:
        return _read(command, before, reply)
    except ValidationError as error:
        problem = f"{error.errors()[0]['msg']}"[:200]
    if before.attempt >= ATTEMPTS:
        said = f"the model's answer could not be read {ATTEMPTS} times: {problem}"
        return RememberFailed(call_id=command.call_id, message=said)
    after = before.model_copy(update={"attempt": before.attempt + 1})
    return _needed(command, about, recipes.AGAIN.format(problem=problem), after)


def _needed(
    command: Remember, about: HistoryRun, text: str, continuation: Continuation
) -> ModelNeeded:
    memories = command.step == "memories"
    return ModelNeeded(
        call_id=command.call_id, purpose=command.step, refs=(about,), text=text,
        template=recipes.MEMORIES if memories else recipes.SUMMARY,
        continuation=continuation.model_dump_json(),
        response_schema=recipes.MEMORIES_SCHEMA if memories else recipes.SUMMARY_SCHEMA,
    )  # fmt: skip


def _read(command: Remember, before: Continuation, reply: str) -> MemoryUpdated | SessionSummarised:
    fenced = _FENCE.match(reply)
    text = fenced.group(1) if fenced else reply
    if command.step == "summary":
        told = _Summary.model_validate_json(text)
        return SessionSummarised(
            call_id=command.call_id, summary=told.summary[:MOST_SUMMARY],
            topics=_topics(told.topics),
        )  # fmt: skip
    wanted = _Operations.model_validate_json(text).operations[:MOST_OPERATIONS]
    ops = [_op(command, at, one, before.ids) for at, one in enumerate(wanted)]
    return MemoryUpdated(call_id=command.call_id, ops=tuple(op for op in ops if op))


def _op(command: Remember, at: int, one: _Operation, ids: Sequence[str]) -> MemoryOp | None:
    """An operation that makes sense: only what the model was shown is changed or deleted."""
    text, topics = one.text.strip()[:MOST_TEXT], _topics(one.topics)
    match one.op:
        case "add" if text:
            return MemoryOp(op="add", id=f"{command.call_id}.{at}", text=text, topics=topics)
        case "update" if text and one.id in ids:
            return MemoryOp(op="update", id=one.id, text=text, topics=topics)
        case "delete" if one.id in ids:
            return MemoryOp(op="delete", id=one.id)
        case _:
            return None


def _topics(topics: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(topic)[:100] for topic in topics[:10])
