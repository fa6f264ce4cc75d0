"""From a command to an answer: pure. The same command gives the same answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
from actalog_core.canonical import clean_text
from actalog_memory import reading, recipes

MOST_OPERATIONS = 20  # of those that add or change; who wants all forgotten is not cut short
MOST_DELETED = 100  # as many as are shown
MOST_TEXT = 1_000  # code points of a memory
MOST_SUMMARY = 4_000
ATTEMPTS = 2

Outcome = MemoryUpdated | SessionSummarised | ModelNeeded | RememberFailed


@dataclass(frozen=True, slots=True)
class Known:
    """What stands before this run is remembered. `refs` are the runs to read."""

    refs: tuple[HistoryRun, ...]
    spoken: bool  # the run has words of a person
    notes: Sequence[MemoryNote] = ()
    summary: str | None = None


class Continuation(BaseModel):
    """What comes back verbatim with the model's reply (law 11): all that a repeat needs."""

    model_config = ConfigDict(frozen=True)

    attempt: int = 1
    ids: tuple[str, ...] = ()  # of the memories that the model was shown, in their order
    text: str = ""
    refs: tuple[HistoryRun, ...] = ()


def first(command: Remember, known: Known) -> Outcome:
    """What the model is asked about a run; where nobody spoke, no model is."""
    if command.step == "memories":
        if not known.spoken:
            return MemoryUpdated(call_id=command.call_id)
        text, ids = recipes.known(known.notes), tuple(note.id for note in known.notes)
    else:
        if not known.spoken or not known.refs:
            return SessionSummarised(call_id=command.call_id, summary=known.summary or "")
        text, ids = recipes.earlier(known.summary), ()
    return _needed(command, Continuation(ids=ids, text=text, refs=known.refs))


def then(command: Remember, continuation: str, reply: str) -> Outcome:
    """What the model's reply means. One that cannot be read is asked for once more."""
    try:
        before = Continuation.model_validate_json(continuation)
    except ValidationError:
        return RememberFailed(call_id=command.call_id, message="the continuation cannot be read")
    try:
        return _read(command, before, reply)
    except reading.Malformed as error:
        problem = str(error)
    if before.attempt >= ATTEMPTS:
        said = f"the model's answer could not be read {ATTEMPTS} times: {problem}"
        return RememberFailed(call_id=command.call_id, message=said)
    after = before.model_copy(update={"attempt": before.attempt + 1})
    return _needed(command, after, recipes.AGAIN.format(problem=problem))


def _needed(command: Remember, continuation: Continuation, more: str = "") -> ModelNeeded:
    memories = command.step == "memories"
    return ModelNeeded(
        call_id=command.call_id, purpose=command.step, refs=continuation.refs,
        text=continuation.text + more,
        template=recipes.MEMORIES if memories else recipes.SUMMARY,
        continuation=continuation.model_dump_json(),
        response_schema=recipes.MEMORIES_SCHEMA if memories else recipes.SUMMARY_SCHEMA,
    )  # fmt: skip


def _read(command: Remember, before: Continuation, reply: str) -> MemoryUpdated | SessionSummarised:
    if command.step == "summary":
        told = reading.summary(reply)
        summary = clean_text(told.summary).strip()[:MOST_SUMMARY]
        if not summary:  # it would take the place of the earlier one
            raise reading.Malformed("the summary is empty")
        return SessionSummarised(
            call_id=command.call_id, summary=summary, topics=reading.topics(told.topics)
        )
    wanted = list(_few(reading.operations(reply)))
    ops = [_op(command, at, one, before.ids) for at, one in enumerate(wanted)]
    return MemoryUpdated(call_id=command.call_id, ops=tuple(op for op in ops if op))


def _few(told: Sequence[reading.Operation]) -> Iterator[reading.Operation]:
    left = {True: MOST_DELETED, False: MOST_OPERATIONS}
    for one in told:
        deletes = one.op == "delete"
        left[deletes] -= 1
        if left[deletes] >= 0:
            yield one


def _op(command: Remember, at: int, one: reading.Operation, ids: Sequence[str]) -> MemoryOp | None:
    """An operation that makes sense: only what the model was shown is changed or deleted."""
    # One line: what stands among the instructions of later runs is a fact, and no text of its own.
    text, topics = " ".join(clean_text(one.text).split())[:MOST_TEXT], reading.topics(one.topics)
    shown = _shown(one.id, ids)
    match one.op:
        case "add" if text:
            return MemoryOp(op="add", id=f"{command.call_id}.{at}", text=text, topics=topics)
        case "update" if text and shown:
            return MemoryOp(op="update", id=shown, text=text, topics=topics)
        case "delete" if shown:
            return MemoryOp(op="delete", id=shown)
        case _:
            return None


def _shown(told: str, ids: Sequence[str]) -> str | None:
    """The memory that stood under this number in the list."""
    number = int(told) if told.isdecimal() and len(told) < 6 else 0
    return ids[number - 1] if 0 < number <= len(ids) else None
