"""`python -m tests.chaos [--short] [--seed N] [--only NAME] [--results FILE]`: real services and
servers under real faults, then the cells.

`python -m tests.chaos table FILE` puts the tables of docs/reliability.md from what was written to
FILE; a whole run that found nothing wrong does so by itself.
"""

import argparse
import asyncio
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.chaos import table
from tests.chaos.running import Outcome, played, told
from tests.chaos.scenarios import SCENARIOS, SHORT, Scenario
from tests.chaos.stage import ROOT, staged

DOCUMENT = ROOT / "docs" / "reliability.md"
FEW_CELLS = 12


async def all_of(
    scenarios: Sequence[Scenario], seed: int, folder: Path, results: Path
) -> list[Outcome]:
    """Each kind on one stage; a new one after a scenario that failed."""
    outcomes: list[Outcome] = []
    left = list(scenarios)
    while left:
        place = folder / f"stage-{len(outcomes)}"
        place.mkdir()
        proxied = left[0].proxied
        dice = random.Random(f"proxies {seed}")
        async with staged(place, dice, proxied=proxied) as stage:
            while left and left[0].proxied == proxied:
                outcome = await played(left.pop(0), stage, seed)
                outcomes.append(outcome)
                write(results, outcome)
                print(told(outcome), flush=True)
                for one in outcome.wrong[:20]:
                    print(f"  {one}", flush=True)
                if outcome.wrong:
                    break
    return outcomes


def write(results: Path, outcome: Outcome) -> None:
    """The lines of a scenario; goodput is a line of its own."""
    goodput = {"suite": "goodput", "name": outcome.name, "runs_per_s": round(outcome.goodput, 3)}
    with results.open("a") as out:
        for line in [*outcome.lines, goodput]:
            out.write(json.dumps(line) + "\n")


def cells(results: Path, *, few: bool) -> bool:
    """The cells; whether all hold."""
    env = {**os.environ, "ACTALOG_CHAOS_RESULTS": str(results)}
    if few:
        env.setdefault("ACTALOG_CHAOS_CELLS", str(FEW_CELLS))
    command = [sys.executable, "-m", "pytest", "-q", "-m", "chaos", "tests/chaos/test_cells.py"]
    return subprocess.run(command, env=env, cwd=ROOT, check=False).returncode == 0


def arguments() -> argparse.Namespace:
    """As given."""
    asked = argparse.ArgumentParser(prog="python -m tests.chaos")
    asked.add_argument("table", nargs="*", help="`table FILE`: only put the tables")
    asked.add_argument("--short", action="store_true", help="one scenario, a few cells")
    asked.add_argument("--seed", type=int, default=int(time.time()))
    names = [one.name for one in SCENARIOS]
    asked.add_argument("--only", action="append", default=[], choices=names, help="no cells")
    asked.add_argument("--results", type=Path, help="lines of JSON are added to it")
    return asked.parse_args()


def run(given: argparse.Namespace, folder: Path) -> bool:
    """Everything that was asked for; whether it holds."""
    results: Path = (given.results or folder / "results.jsonl").absolute()
    before = len(table.read(results)) if results.exists() else 0
    names = given.only or (SHORT if given.short else [one.name for one in SCENARIOS])
    chosen = [one for one in SCENARIOS if one.name in names]
    outcomes = asyncio.run(all_of(chosen, given.seed, folder, results))
    good = not any(one.wrong for one in outcomes)
    good = (bool(given.only) or cells(results, few=given.short)) and good
    lines = table.read(results)[before:]
    print(table.rendered(lines))
    if good and not given.only and not given.short:
        table.put(DOCUMENT, lines)
    print(summed(outcomes, lines) + ("" if good else ": SOMETHING IS WRONG, see above"))
    return good


def summed(outcomes: Sequence[Outcome], lines: Sequence[dict[str, Any]]) -> str:
    """The last line."""
    counted = [line for line in lines if line["suite"] != "goodput"]
    of_cells = sum(line["suite"] == "cells" for line in counted)
    faults, lost, repeated = (
        sum(line[name] for line in counted) for name in ("injected", "lost", "repeated_effects")
    )
    ran = f"{len(outcomes)} scenarios, " + (f"{of_cells} cells, " if of_cells else "")
    return f"{ran}{faults} faults, {lost} lost, {repeated} repeated"


def main() -> int:
    given = arguments()
    if given.table:
        table.put(DOCUMENT, table.read(Path(given.table[-1])))
        return 0
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    short = " --short" if given.short else ""
    print(f"seed {given.seed}; again: python -m tests.chaos{short} --seed {given.seed}", flush=True)
    folder = Path(tempfile.mkdtemp(prefix="actalog-chaos-"))
    folder.chmod(0o755)  # PostgreSQL runs as somebody else
    good = run(given, folder)
    if good:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"logs are in {folder}", file=sys.stderr)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
