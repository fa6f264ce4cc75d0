"""Many seeds on all cores, or one with its story.

python -m tests.simulation --seeds 2000
python -m tests.simulation --seed 42 [--shrink]
python -m tests.simulation --alone "kill llm" --seed 3
"""

import argparse
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence

from tests.simulation import alone
from tests.simulation.plan import Plan, plan
from tests.simulation.running import Report, kept, shrunk, simulate


def main() -> int:
    """0 when every seed holds."""
    options = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    options.add_argument("--seeds", type=int, default=200, help="how many")
    options.add_argument("--first", type=int, default=0, help="from which on")
    options.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options.add_argument("--seed", type=int, help="one seed, with its trace")
    options.add_argument("--shrink", action="store_true", help="leave out what is not needed")
    options.add_argument("--alone", help="the seed's plan with this one fault")
    told = options.parse_args()
    if told.seed is not None:
        return _one(told.seed, shrink=told.shrink, alone_with=told.alone)
    return _many(told.first, told.seeds, told.jobs, shrink=told.shrink)


def _one(seed: int, *, shrink: bool, alone_with: str | None) -> int:
    chosen = plan(seed)
    if alone_with:
        chosen = alone.plan_of({one.name: one for one in alone.KINDS}[alone_with], seed)
    elif shrink:
        chosen, _ = shrunk(seed)
    report = simulate(seed, of=chosen, tracing=True)
    _show_plan(chosen)
    print("\n".join(["", "What happened:", *report.lines, ""]))
    _show(report)
    return bool(report.broken)


def _show_plan(chosen: Plan) -> None:
    print(f"Seed {chosen.seed}. Tasks:")
    print("\n".join(f"  {task}" for task in chosen.tasks))
    print("Faults:" if chosen.faults else "No faults.")
    print("\n".join(f"  {fault}" for fault in chosen.faults))


def _show(report: Report) -> None:
    hits = ", ".join(f"{kind} {n}" for kind, n in sorted(report.hits.items())) or "none"
    print(
        f"seed {report.seed}: {report.runs} runs of {report.tasks} tasks, {report.effects} effects,"
        f" {report.virtual_s:.1f} virtual s, {report.steps} steps, {report.fingerprint};"
        f" hit while in flight: {hits}"
    )
    print(f"  slowest to recover ({report.recovered_s:.1f} s): {report.worst}")
    print("\n".join(f"  BROKEN {said}" for said in report.broken) or "  all holds", flush=True)


def _many(first: int, count: int, jobs: int, *, shrink: bool) -> int:
    began = time.monotonic()
    seeds = [*kept(), *range(first, first + count)]
    reports: list[Report] = []
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=50) as pool:
        for report in pool.imap_unordered(simulate, seeds, chunksize=10):
            reports.append(report)
            if report.broken:
                _show(report)
            if len(reports) % 500 == 0:
                print(f"{len(reports)} of {len(seeds)} seeds", flush=True)
        told = sorted(pool.imap_unordered(alone.judged, alone.plans(), chunksize=10), key=_place)
    failed = [one.seed for one in reports if one.broken]
    for seed in failed if shrink else ():
        print(f"seed {seed}, shrunk to:")
        _show_plan(shrunk(seed)[0])
    _table(reports, time.monotonic() - began)
    print("\n".join(alone.table(told)))
    late = [(kind, one, said) for kind, one in told for said in alone.broken(kind, one)]
    for kind, one, said in late:
        print(f"BROKEN {kind.name!r} {one.seed}: {said} ({one.worst})")
    return bool(failed or late)


def _place(told: tuple[alone.Kind, Report]) -> tuple[int, int]:
    return alone.KINDS.index(told[0]), told[1].seed


def _table(reports: Sequence[Report], took_s: float) -> None:
    hits: Counter[str] = Counter()
    for report in reports:
        hits += report.hits
    recovered = sorted(one.recovered_s for one in reports)
    print(f"{len(reports)} seeds in {took_s:.0f} s, {len(reports) / took_s:.1f} a second;"
          f" {sum(bool(one.broken) for one in reports)} failed")  # fmt: skip
    print(f"{sum(one.runs for one in reports)} runs, {sum(one.effects for one in reports)} effects,"
          f" {sum(one.virtual_s for one in reports) / 3600:.1f} virtual hours"
          f", {sum(one.asked_again for one in reports)} model calls made again,"
          f" {sum(one.cpu_s for one in reports):.0f} s of CPU")  # fmt: skip
    print("stood still when no fault was left, the longest of each seed: median {:.1f} s, p95 {:.1f} s, most {:.1f} s".format(
        *(recovered[min(len(recovered) - 1, int(len(recovered) * q))] for q in (0.5, 0.95, 1))))  # fmt: skip
    print("faults that hit while work was in flight:")
    print("\n".join(f"  {n:6d}  {kind}" for kind, n in sorted(hits.items())))


if __name__ == "__main__":
    sys.exit(main())
