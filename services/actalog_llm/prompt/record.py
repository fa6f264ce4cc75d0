"""A recorded prompt, shown and verified from the log alone (protocol 11.3)."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import orjson

from actalog_contracts.runs import PromptPart, PromptRecord
from actalog_core.canonical import content_digest
from actalog_core.errors import Tampered
from actalog_llm.prompt.parts import PROMPT, Part, digest_of
from actalog_log.ports import StoredEvent

Events = Mapping[int, Sequence[StoredEvent]]
"""Runs from their first event on, by run_no."""


class NotAsRecorded(Tampered):
    """A part of the prompt is not what its record says."""


def verify(record: PromptRecord) -> bool:
    """Whether the prompt's digest follows from its parts', and text parts from their text.
    Parts that are in the log are verified by `shown`."""
    whole = all(
        part.text is None or content_digest(part.text.encode()) == part.digest
        for part in record.parts
    )
    return whole and digest_of(record.parts) == record.digest


def runs_of(record: PromptRecord) -> frozenset[int]:
    """The runs whose events `shown` needs."""
    return frozenset(part.run_no for part in record.parts if part.run_no is not None)


def shown(record: PromptRecord, events: Events) -> list[Part]:
    """The very parts that were sent, each compared with its digest. An earlier prompt of the run
    is opened. Its run's events must be there, and those of `runs_of` of every prompt opened.

    Raises:
        NotAsRecorded: a digest does not fit, or an event is missing.
    """
    if not verify(record):
        raise NotAsRecorded(f"the prompt {record.digest} is not that of its parts")
    parts: list[Part] = []
    for part in record.parts:
        if part.role == PROMPT:
            earlier = PromptRecord.model_validate(_field(part, events))
            if earlier.digest != part.digest:
                raise NotAsRecorded(f"event {part.seq} has another prompt")
            parts += shown(earlier, events)
        else:
            parts.append(_opened(part, events))
    return parts


def _opened(part: PromptPart, events: Events) -> Part:
    if part.text is not None:
        return Part(part.role, part.text, part)
    text = _field(part, events)
    if not isinstance(text, str) or content_digest(text.encode()) != part.digest:
        raise NotAsRecorded(f"{part.field} of event {part.run_no}/{part.seq} is another text")
    return Part(part.role, text, part)


def _field(part: PromptPart, events: Events) -> object:
    """What stands in an event at a path like `tool_calls.0.arguments`."""
    run = events.get(part.run_no or 0, ())
    at = (part.seq or 0) - 1
    if not 0 <= at < len(run) or part.field is None:
        raise NotAsRecorded(f"event {part.run_no}/{part.seq} is not there")
    value: object = orjson.loads(run[at].payload)
    for step in part.field.split("."):
        try:
            if isinstance(value, list):
                value = cast(list[Any], value)[int(step)]
            else:
                value = cast(dict[str, Any], value)[step]
        except (LookupError, ValueError, TypeError) as error:
            raise NotAsRecorded(f"event {part.run_no}/{part.seq} has no {part.field}") from error
    return value
