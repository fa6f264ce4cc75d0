"""Runs in a file: as the log has them, with the definitions they pinned and the runs whose words
stand in their prompts. One JSON object a line, so that two recordings can be compared as text.

A recording is read into a log in memory, where everything that reads a log works on it. Its hash
chain is worked out anew on the way: a line that was changed is noticed.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from actalog.rebuilding import recorded
from actalog_contracts.runs import ContextBuilt, ModelFailed, ModelReplied, RunAccepted
from actalog_core.clock import parse_time, rfc3339
from actalog_core.errors import Permanent, Tampered
from actalog_core.events import decode
from actalog_log import chain
from actalog_log.memory import MemoryLog
from actalog_log.ports import Append, Decision, FoundRun, Head, NewEvent, RunLog, RunRow

FORMAT = "actalog.recording.v1"


class NoRecording(Permanent):
    """The file is no recording that this build can read:"""


class RecordingChanged(Tampered):
    """The recording was changed:"""


@dataclass(frozen=True, slots=True)
class Recording:
    """A log with what was recorded; `runs` are those that were asked for."""

    log: MemoryLog
    runs: Sequence[FoundRun]


async def write(log: RunLog, runs: Iterable[FoundRun], path: Path) -> int:
    """Record runs; how many. Those that their prompts speak of come along."""
    wanted = list(runs)
    every = await _closure(log, wanted)
    lines: list[dict[str, Any]] = [{"type": FORMAT, "runs": [one.row.run_no for one in wanted]}]
    for digest in sorted({one.row.definition for one in every}):
        body = await log.get_definition(digest)
        if body is not None:
            lines.append({"type": "definition", "digest": digest, "body": body.decode()})
    for found in every:
        lines += await _run(log, found)
    told = b"".join(orjson.dumps(one) + b"\n" for one in lines)
    await asyncio.to_thread(path.write_bytes, told)
    return len(wanted)


async def _closure(log: RunLog, wanted: Sequence[FoundRun]) -> list[FoundRun]:
    found = {one.row.run_no: one for one in wanted}
    unread = list(wanted)
    while unread:
        for number in _named((await recorded(log, unread.pop())).events) - found.keys():
            other = await log.find_run_no(number)
            if other is not None:
                found[number] = other
                unread.append(other)
    return [found[number] for number in sorted(found)]


def _named(events: Iterable[object]) -> set[int]:
    """The runs that these events speak of."""
    numbers: set[int] = set()
    for event in events:
        match event:
            case RunAccepted(about=about) if about is not None:
                numbers.add(about.run_no)
            case ContextBuilt(history=history):
                numbers |= {one.run_no for one in history}
            case ModelReplied(prompt=prompt) | ModelFailed(prompt=prompt) if prompt is not None:
                numbers |= {part.run_no for part in prompt.parts if part.run_no is not None}
            case _:
                pass
    return numbers


async def _run(log: RunLog, found: FoundRun) -> list[dict[str, Any]]:
    row = {**asdict(found.row), "accepted_at": rfc3339(found.row.accepted_at)}
    row["fork_hash"] = found.row.fork_hash.hex() if found.row.fork_hash else None
    told: list[dict[str, Any]] = [{"type": "run", "standing": found.standing, "row": row}]
    for event in await log.read(found.row.run_no):
        told.append({
            "type": "event", "run_no": event.run_no, "seq": event.seq, "event": event.type,
            "rules_version": event.rules_version, "causation_id": event.causation_id,
            "recorded_at": rfc3339(event.recorded_at), "payload": event.payload.decode(),
            "hash": event.hash.hex(),
        })  # fmt: skip
    return told


async def read(path: Path) -> Recording:
    """The runs of a file.

    Raises:
        NoRecording: it is none.
        RecordingChanged: an event is not as it was written.
    """
    try:
        told = await asyncio.to_thread(path.read_bytes)
        return await _read([orjson.loads(line) for line in told.splitlines()])
    except (NoRecording, RecordingChanged) as error:
        raise type(error)(f"{path}: {error.detail}") from error
    except OSError as error:
        raise NoRecording(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise NoRecording(f"{path}: {type(error).__name__}: {error}") from error


async def _read(lines: Sequence[dict[str, Any]]) -> Recording:
    if not lines or lines[0]["type"] != FORMAT:
        raise NoRecording(f"it does not begin with {FORMAT}")
    log, heads = MemoryLog(), dict[int, Head]()
    rows: dict[int, tuple[RunRow, Any]] = {}
    for line in lines[1:]:
        match line["type"]:
            case "definition":
                body = line["body"].encode()
                await log.put_definition(line["digest"], "agent", _id(body), body)
            case "run":
                row = _row(line["row"])
                rows[row.run_no] = (row, line["standing"])
                heads[row.run_no] = Head(0, chain.row_digest(row))
            case "event":
                number: int = line["run_no"]
                heads[number] = await _append(log, line, heads[number], *rows[number])
            case other:
                raise NoRecording(f"a line of type {other!r}")
    found = [await log.find_run_no(number) for number in lines[0]["runs"]]
    return Recording(log, [one for one in found if one is not None])


def _id(body: bytes) -> str:
    return orjson.loads(body)["id"]


def _row(told: dict[str, Any]) -> RunRow:
    fork_hash = told["fork_hash"]
    read: dict[str, Any] = {
        **told, "accepted_at": parse_time(told["accepted_at"]),
        "fork_hash": bytes.fromhex(fork_hash) if fork_hash else None,
    }  # fmt: skip
    return RunRow(**read)


async def _append(
    log: MemoryLog, line: dict[str, Any], head: Head, row: RunRow, standing: Any
) -> Head:
    payload = line["payload"].encode()
    decode(line["event"], payload)  # it must be one that this build knows
    event = NewEvent(
        line["event"], payload, parse_time(line["recorded_at"]),
        causation_id=line["causation_id"], rules_version=line["rules_version"],
    )  # fmt: skip
    first = head.seq == 0
    append = Append(
        row.run_no, head, (event,), row=row if first else None,
        standing=standing if first else None,
    )  # fmt: skip
    (after,) = await log.append(Decision((append,)))
    if after.seq != line["seq"] or after.hash.hex() != line["hash"]:
        said = f"event {line['seq']} of run {row.run_id} is not as it was written"
        raise RecordingChanged(said)
    return after
