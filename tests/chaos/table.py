"""The tables of docs/reliability.md, from what the suites wrote down: a line of JSON each."""

import json
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.chaos.bounds import bound

BEGIN, END = "<!-- produced by `make chaos` -->", "<!-- end of what `make chaos` produced -->"
HEAD = (
    "fault", "injected", "runs in flight", "lost", "repeated effects", "in doubt",
    "to recover: p50", "p95", "most", "away itself, most", "bounded by",
)  # fmt: skip
Line = Mapping[str, Any]


def read(file: Path) -> list[dict[str, Any]]:
    """The lines of a file."""
    return [json.loads(line) for line in file.read_text().splitlines() if line.strip()]


def rendered(lines: Sequence[Line]) -> str:
    """All tables as Markdown."""
    chaos = [line for line in lines if line["suite"] == "chaos"]
    cells = [line for line in lines if line["suite"] == "cells"]
    by_service = [{**line, "fault": _service(line)} for line in cells]
    parts = [
        "Processes and servers under load, two copies of each service:", "", _faults(chaos), "",
        *_goodput([line for line in lines if line["suite"] == "goodput"]),
    ]  # fmt: skip
    if cells:
        parts += [
            "", "Processes killed or stopped at a named point, all cells of a service together:", "",
            _faults(by_service), "", "Cells by service and point:", "", _matrix(cells),
        ]  # fmt: skip
    return "\n".join(parts) + "\n"


def put(document: Path, lines: Sequence[Line]) -> None:
    """Replace what is between the markers.

    Raises:
        ValueError: there are no markers.
    """
    before, begin, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{document} has no place for the tables")
    document.write_text(f"{before}{BEGIN}\n\n{rendered(lines)}\n{END}{after}")


def _service(line: Line) -> str:
    return str(line["fault"]).partition(":")[0]


def _faults(lines: Iterable[Line]) -> str:
    found: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        found[line["fault"]].append(line)
    rows = [_row(fault, of_it) for fault, of_it in found.items()]
    total = [line for of_it in found.values() for line in of_it]
    return _table(HEAD, [*rows, _row("**together**", total)])


def _row(fault: str, lines: Sequence[Line]) -> list[str]:
    waits = sorted(s for line in lines for s in line["recovery_s"])
    away = [s for line in lines for s in line.get("away_s", ())]
    single = all((line["suite"], line["fault"]) == ("chaos", fault) for line in lines)
    counts = [
        str(sum(line[name] for line in lines))
        for name in ("injected", "in_flight", "lost", "repeated_effects", "in_doubt")
    ]
    told = [f"{_share(waits, share):.1f} s" if waits else "" for share in (0.5, 0.95, 1)]
    return [
        fault,
        *counts,
        *told,
        f"{max(away):.1f} s" if away else "",
        bound(fault).text if single else "",
    ]


def _share(waits: Sequence[float], share: float) -> float:
    """The smallest that this share of them is not above."""
    return waits[math.ceil(len(waits) * share) - 1]


def _goodput(lines: Sequence[Line]) -> list[str]:
    healthy = [line["runs_per_s"] for line in lines if line["name"] == "healthy"]
    if not healthy:
        return []
    base = statistics.mean(healthy)
    rows = [
        [str(line["name"]), f"{line['runs_per_s']:.1f}", f"{100 * line['runs_per_s'] / base:.0f} %"]
        for line in lines
    ]
    return [
        "Runs that completed a second, twenty asked for at a time:", "",
        _table(("scenario", "runs a second", "of the healthy"), rows),
    ]  # fmt: skip


def _matrix(cells: Sequence[Line]) -> str:
    counted: Counter[tuple[str, str]] = Counter()
    for line in cells:
        service = _service(line)
        letter = str(line["cell"]).removeprefix(f"{service}-").partition("-")[0]
        counted[service, letter] += 1
    letters = sorted({letter for _, letter in counted})
    services = sorted({service for service, _ in counted})
    rows = [[one, *(str(counted[one, at] or "") for at in letters)] for one in services]
    return _table(("service", *letters), rows)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)
