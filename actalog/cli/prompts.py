"""A recorded prompt as text: parts that are in the log are read there (protocol 11.3)."""

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from actalog_contracts.runs import ModelFailed, ModelReplied, PromptPart
from actalog_core.events import decode
from actalog_log.ports import FoundRun, RunLog

Call = ModelReplied | ModelFailed


@dataclass(frozen=True, slots=True)
class Part:
    """`source` says where the text stands."""

    role: str
    text: str
    source: str
    digest: str


@dataclass(frozen=True, slots=True)
class Shown:
    call_id: str
    purpose: str
    provider: str
    model: str
    digest: str
    params: str
    parts: tuple[Part, ...]


async def calls_of(log: RunLog, found: FoundRun) -> Sequence[Call]:
    """The model calls of a run whose prompt was recorded, in order."""
    events = [decode(one.type, one.payload) for one in await log.read(found.row.run_no)]
    return [one for one in events if isinstance(one, (ModelReplied, ModelFailed)) and one.prompt]


async def shown(log: RunLog, call: Call) -> Shown:
    """A call's prompt with the text of every part."""
    assert call.prompt is not None
    parts = [await _part(log, one) for one in call.prompt.parts]
    replied = isinstance(call, ModelReplied)
    return Shown(
        call_id=call.call_id, purpose=call.purpose,
        provider=call.provider if replied else "", model=call.model if replied else "",
        digest=call.prompt.digest, params=call.prompt.params, parts=tuple(parts),
    )  # fmt: skip


async def _part(log: RunLog, part: PromptPart) -> Part:
    if part.text is not None or part.run_no is None or part.seq is None or part.field is None:
        return Part(part.role, part.text or "", "text", part.digest)
    source = f"run {part.run_no}, event {part.seq}, {part.field}"
    stored = await log.read(part.run_no, after=part.seq - 1, upto=part.seq)
    if not stored:
        return Part(part.role, "(archived)", source, part.digest)
    value = _field(orjson.loads(stored[0].payload), part.field)
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return Part(part.role, text, source, part.digest)


def _field(payload: object, path: str) -> object:
    """`tool_calls.0.arguments`, or a plain name."""
    for name in path.replace("[", ".").replace("]", "").split("."):
        match payload:
            case dict():
                payload = payload.get(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
            case list() if name.isdecimal() and int(name) < len(payload):  # pyright: ignore[reportUnknownArgumentType]
                payload = payload[int(name)]  # pyright: ignore[reportUnknownVariableType]
            case _:
                return None
    return payload  # pyright: ignore[reportUnknownVariableType]
