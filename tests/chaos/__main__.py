"""`python -m tests.chaos [--short] [--seed N] [--only NAME] [--results FILE]`."""

import argparse
import asyncio
import json
import logging
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.running import Outcome, played, told
from tests.chaos.scenarios import SCENARIOS, SHORT, Scenario
from tests.chaos.stage import staged


async def all_of(scenarios: list[Scenario], seed: int, folder: Path) -> list[Outcome]:
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
                print(told(outcome), flush=True)
                for one in outcome.wrong[:20]:
                    print(f"  {one}", flush=True)
                if outcome.wrong:
                    break
    return outcomes


def main() -> int:
    asked = argparse.ArgumentParser(prog="python -m tests.chaos")
    asked.add_argument("--short", action="store_true")
    asked.add_argument("--seed", type=int, default=int(time.time()))
    asked.add_argument("--only", action="append", default=[])
    asked.add_argument("--results", type=Path)
    asked.add_argument("--keep", type=Path)
    given = asked.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    print(f"seed {given.seed}: python -m tests.chaos --seed {given.seed}", flush=True)
    names = given.only or (SHORT if given.short else [one.name for one in SCENARIOS])
    chosen = [one for one in SCENARIOS if one.name in names]
    folder = given.keep or Path(tempfile.mkdtemp(prefix="actalog-chaos-"))
    folder.mkdir(parents=True, exist_ok=True)
    outcomes = asyncio.run(all_of(chosen, given.seed, folder))
    lines = [line for one in outcomes for line in one.lines]
    if given.results:
        with given.results.open("a") as results:
            for line in lines:
                results.write(json.dumps(line) + "\n")
    faults = sum(line["injected"] for line in lines)
    wrong = [said for one in outcomes for said in one.wrong]
    print(f"{len(outcomes)} scenarios, {faults} faults, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
