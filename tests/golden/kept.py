"""Logs as files: for each run its row, definition and result, then one event a line."""

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from actalog_contracts.definitions import AgentDefinition
from actalog_log.ports import RunRow, StoredEvent

FOLDER = Path(__file__).parent / "logs"
SEALS = FOLDER / "SHA256SUMS"


@dataclass(frozen=True)
class Kept:
    """One run. Payloads are as they were before they were sealed. `result` is None for a child."""

    row: RunRow
    definition: AgentDefinition
    result: dict[str, Any] | None
    events: tuple[StoredEvent, ...]

    def lines(self) -> list[dict[str, Any]]:
        """The file's lines for this run."""
        head = {
            "row": {**asdict(self.row), "accepted_at": self.row.accepted_at.isoformat()},
            "definition": self.definition.model_dump(mode="json"), "result": self.result,
        }  # fmt: skip
        return [head, *map(_line, self.events)]


def written(runs: list[Kept]) -> str:
    lines = [line for run in runs for line in run.lines()]
    return "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)


def read(path: Path) -> list[Kept]:
    runs: list[Kept] = []
    for line in map(json.loads, path.read_text(encoding="utf-8").splitlines()):
        if "row" in line:
            at = datetime.fromisoformat(line["row"]["accepted_at"])
            definition = AgentDefinition.model_validate(line["definition"])
            told: dict[str, Any] = {**line["row"], "accepted_at": at}
            row = RunRow(**told)
            runs.append(Kept(row, definition, line["result"], ()))
        else:
            runs[-1] = replace(runs[-1], events=(*runs[-1].events, _event(line)))
    return runs


def _line(event: StoredEvent) -> dict[str, Any]:
    told = {**event._asdict(), "recorded_at": event.recorded_at.isoformat()}
    for name in ("position", "xid"):
        del told[name]
    told["payload"] = event.payload.decode()
    return {**told, "hash": event.hash.hex(), "previous_hash": event.previous_hash.hex()}


def _event(told: dict[str, Any]) -> StoredEvent:
    return StoredEvent(**told)._replace(
        recorded_at=datetime.fromisoformat(told["recorded_at"]),
        payload=told["payload"].encode(), hash=bytes.fromhex(told["hash"]),
        previous_hash=bytes.fromhex(told["previous_hash"]),
    )  # fmt: skip


def paths() -> list[Path]:
    return sorted(FOLDER.glob("*.jsonl"))


def seals() -> dict[str, str]:
    """name -> digest, of all that was ever kept."""
    words = SEALS.read_text(encoding="utf-8").split() if SEALS.exists() else []
    return dict(zip(words[1::2], words[::2], strict=True))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
