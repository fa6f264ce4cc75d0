"""One seed, from its plan to its report."""

import contextlib
import hashlib
import logging
import time
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from tests.simulation.oracle import violations
from tests.simulation.plan import Fault, Plan, plan
from tests.simulation.recovery import Still
from tests.simulation.world import World

KEPT = Path(__file__).with_name("kept_seeds.txt")


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a seed. `hits`: faults by kind that happened while work was in flight;
    `recovered_s`: the longest that a run stood still when no fault was left."""

    seed: int
    broken: Sequence[str]
    hits: Counter[str]
    runs: int
    tasks: int
    effects: int
    asked_again: int  # requests to the model beyond the first of each turn
    recovered_s: float
    virtual_s: float
    cpu_s: float
    steps: int
    fingerprint: str
    lines: Sequence[str] = field(default=(), repr=False)
    worst: Still | None = None  # of the times that a run stood still
    began_s: float = 0.0  # as `recovered_s`, from the beginning of the faults


def simulate(seed: int, *, of: Plan | None = None, tracing: bool = False) -> Report:
    """Run a seed's plan, or another one under this seed, and judge it."""
    began = time.process_time()
    with _quiet():
        world = World(of or plan(seed), tracing=tracing).run()
        broken = violations(world)
    stills = world.watch.stills()
    worst = max(stills, key=lambda one: one.recovery_s, default=None)
    return Report(
        seed=seed, broken=broken, hits=world.faults.counts(), runs=len(world.database.log.runs),
        tasks=len(world.plan.tasks), effects=len(world.outside.effects),
        asked_again=sum(n - 1 for n in world.outside.asked.values()), 
        recovered_s=worst.recovery_s if worst else 0.0, worst=worst,
        began_s=max((one.from_begin_s for one in stills), default=0.0),
        virtual_s=world.loop.now, cpu_s=time.process_time() - began, steps=world.loop.steps,
        fingerprint=fingerprint(world), lines=world.lines,
    )  # fmt: skip


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Log lines are written by the thousand; whoever wants a story asks for the trace."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    try:
        yield
    finally:
        structlog.configure(**before)


def fingerprint(world: World) -> str:
    """A digest of everything that was recorded and published, in its order."""
    told = hashlib.sha256()
    for run_no, events in sorted(world.database.log.events.items()):
        for event in events:
            told.update(f"{run_no} {event.seq} {event.position} {event.hash.hex()}\n".encode())
    for one in world.broker.history:
        told.update(repr((one.topic, one.partition, one.timestamp_ms, one.value)).encode())
    return told.hexdigest()[:16]


def shrunk(seed: int, start: Plan | None = None) -> tuple[Plan, Report]:
    """The plan with every fault and task left out that is not needed for it to fail alike."""
    best = start or plan(seed)
    report = simulate(seed, of=best)
    kinds = _kinds(report)
    smaller = True
    while smaller and kinds:
        smaller = False
        for candidate in _without_one(best):
            told = simulate(seed, of=candidate)
            if _kinds(told) & kinds:
                best, report, smaller = candidate, told, True
                break
    return best, report


def _without_one(best: Plan) -> Sequence[Plan]:
    faults: list[tuple[Fault, ...]] = [
        best.faults[:at] + best.faults[at + 1 :] for at in range(len(best.faults))
    ]
    tasks = [best.tasks[:at] + best.tasks[at + 1 :] for at in range(len(best.tasks))]
    return [
        *(replace(best, faults=some) for some in faults),
        *(replace(best, tasks=some) for some in tasks),
        *([replace(best, skews={})] if best.skews else []),
    ]


def _kinds(report: Report) -> set[str]:
    """Which laws were broken: the word before the colon."""
    return {said.partition(":")[0] for said in report.broken if ":" in said} or set(report.broken)


def kept() -> dict[int, str]:
    """Seeds that once failed, and why."""
    found: dict[int, str] = {}
    for line in KEPT.read_text().splitlines():
        number, _, why = line.partition(" ")
        if number.isdecimal():
            found[int(number)] = why.strip()
    return found
