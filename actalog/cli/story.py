"""A run's log for a person: what happened, when, how long each step took, what it cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from actalog.cli.telling import cost, tell
from actalog_core.events import decode
from actalog_core.visible import visible
from actalog_log.ports import FoundRun, StoredEvent

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class Step:
    """`after_ms` since the run was accepted, `took_ms` since the step before."""

    seq: int
    type: str
    recorded_at: datetime
    after_ms: float
    took_ms: float
    what: str
    cost: str


def steps(stored: Sequence[StoredEvent]) -> list[Step]:
    """The steps of a run, in order."""
    told: list[Step] = []
    for at, event in enumerate(stored):
        said = decode(event.type, event.payload)
        before = stored[at - 1].recorded_at if at else event.recorded_at
        told.append(
            Step(
                seq=event.seq, type=event.type, recorded_at=event.recorded_at,
                after_ms=_ms(stored[0].recorded_at, event.recorded_at),
                took_ms=_ms(before, event.recorded_at), what=tell(said), cost=cost(said),
            )
        )  # fmt: skip
    return told


def _ms(start: datetime, end: datetime) -> float:
    return round((end - start).total_seconds() * 1_000, 1)


def show(console: "Console", found: FoundRun, told: Sequence[Step]) -> None:
    """Print the log of a run."""
    from rich.table import Table
    from rich.text import Text

    row = found.row
    turn = f", turn {row.turn}" if row.turn is not None else f", of run {row.parent_run_id}"
    user = f", user {row.user_id}" if row.user_id else ""
    console.print(
        Text(visible(f"run {row.run_id}"), style="bold"),
        Text(visible(f"session {row.session_id}{turn}{user}")),
    )
    made = Table(box=None, header_style="dim", pad_edge=False)
    made.add_column("seq", justify="right")
    made.add_column("at", justify="right", no_wrap=True)
    made.add_column("took", justify="right", no_wrap=True)
    made.add_column("event", style="cyan", no_wrap=True)
    made.add_column("what", ratio=1, overflow="fold")
    made.add_column("cost", style="dim", overflow="fold")
    for one in told:
        name = one.type.rpartition(".v")[0]
        made.add_row(
            str(one.seq), _time(one.after_ms), _time(one.took_ms), name,
            Text(visible(one.what)), Text(one.cost),
        )  # fmt: skip
    console.print(made)


def _time(ms: float) -> str:
    return f"{ms / 1_000:.2f} s" if ms >= 1_000 else f"{ms:.0f} ms"
