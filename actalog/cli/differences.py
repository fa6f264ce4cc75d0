"""A difference that replaying found, as a diff that a person can read."""

import difflib
import json
from collections.abc import Sequence

from actalog.cli.prompts import events_for
from actalog.replaying import Difference, EventsDiffer, PromptDiffers
from actalog_contracts.runs import RunEvent
from actalog_llm.prompt.record import NotAsRecorded, shown
from actalog_log.ports import RunLog


async def diff(log: RunLog, found: Difference) -> list[str]:
    """Lines of a unified diff: recorded against today."""
    match found:
        case EventsDiffer():
            return _unified(_events(found.recorded), _events(found.today))
        case PromptDiffers():
            before = found.recorded.prompt
            assert before is not None
            try:
                parts = shown(before, await events_for(log, before))
                told = _parts([(one.role, one.text) for one in parts], before.params)
            except NotAsRecorded as error:
                told = [f"(the recorded prompt cannot be shown: {error})"]
            today = [(one.role, one.text) for one in found.today.parts]
            return _unified(told, _parts(today, found.today.record.params))


def headline(found: Difference) -> str:
    """`event 7: the prompt of this model call`."""
    match found:
        case EventsDiffer(seq=seq, recorded=recorded, today=today):
            names = [one.type for one in recorded] or ["nothing"]
            others = [one.type for one in today] or ["nothing"]
            same = "with other content" if names == others else f"today: {', '.join(others)}"
            return f"event {seq}: {', '.join(names)}; {same}"
        case PromptDiffers(seq=seq):
            return f"event {seq}: the prompt of this model call"


def _unified(recorded: Sequence[str], today: Sequence[str]) -> list[str]:
    lines = difflib.unified_diff(recorded, today, "recorded", "today", n=2, lineterm="")
    return list(lines)


def _events(events: Sequence[RunEvent]) -> list[str]:
    lines: list[str] = []
    for event in events:
        told = event.model_dump(mode="json", exclude_none=True)
        lines += json.dumps(told, indent=2, ensure_ascii=False).splitlines()
    return lines


def _parts(parts: Sequence[tuple[str, str]], params: str) -> list[str]:
    lines = [f"parameters: {params}"]
    for role, text in parts:
        lines += [f"--- {role}", *text.splitlines()]
    return lines
