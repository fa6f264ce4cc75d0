"""A rebuilt state, for people and for machines."""

import json
from typing import TYPE_CHECKING, Any

from actalog.cli.output import plain
from actalog.rebuilding import Recorded
from actalog_core.visible import visible

if TYPE_CHECKING:
    from rich.console import Console


def state_of(run: Recorded, at: int | None = None) -> dict[str, Any]:
    """The state after event `at`: its name, what it knows, and what it waits for."""
    state = run.state(at)
    seq = len(run.events) if at is None else at
    row = run.found.row
    facts = plain(state)
    facts.get("facts", {}).pop("definition", None)
    return {
        "run_id": row.run_id, "session_id": row.session_id, "target": row.target,
        "definition": row.definition, "seq": seq, "hash": run.stored[seq - 1].hash.hex(),
        "state": type(state).__name__, **facts,
        "waits_for": [
            {"asks": type(due.command).__name__, **_without_none(plain(due.command)),
             **({"not_before": due.not_before} if due.not_before else {})}
            for due in run.kind.due(state)
        ],
    }  # fmt: skip


def _without_none(told: Any) -> dict[str, Any]:
    return {name: value for name, value in told.items() if value is not None}


def show(console: "Console", told: dict[str, Any]) -> None:
    """As indented JSON, coloured on a terminal."""
    from rich.json import JSON

    made = JSON(json.dumps(told, ensure_ascii=False))
    made.text.plain = visible(made.text.plain)
    console.print(made)
