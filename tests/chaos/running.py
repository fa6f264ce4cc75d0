"""One scenario: load, faults, the end of everything, and the verdict."""

import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.bounds import most_s
from tests.chaos.faults import Chaos, Injection
from tests.chaos.load import Load
from tests.chaos.oracle import Verdict, judged
from tests.chaos.person import Person
from tests.chaos.recovery import recovery
from tests.chaos.scenarios import Scenario
from tests.chaos.stage import Stage

REFUSED_S = 5.0  # so near to a gateway's death, it is why a request was refused
DRAINS_S = 120.0  # after the last fault everything has ended by then, or it never will


@dataclass
class Outcome:
    """`lines` are the table's; `wrong` is empty when everything holds."""

    name: str
    seconds: float
    completed: int
    lines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    wrong: list[str] = field(default_factory=list[str])
    again: int = 0  # tasks that a broker lost before anybody had accepted them

    @property
    def goodput(self) -> float:
        """Runs that completed, a second, from the first task to the last fault's end."""
        return self.completed / self.seconds


async def played(scenario: Scenario, stage: Stage, seed: int) -> Outcome:
    """Run it on a stage that is ready; leave the stage ready."""
    dice = random.Random(f"{scenario.name} {seed}")
    began = time.time()
    load = Load(
        scenario.name, bootstrap=stage.kafka.bootstrap, prefix=stage.prefix,
        gateways=stage.gateways, seed=seed,
    )  # fmt: skip
    async with Person(stage.journal, stage.gateways, stage.quiet), load:
        chaos = Chaos(stage, load, dice)
        await scenario.schedule(chaos)
        took = time.time() - began
        completed = len(load.ended)
        load.stop()
        await stage.ready()
        left = await load.drained(DRAINS_S, stage.database.dsn if scenario.wipes else None)
        verdict = await judged(stage, load, wiped=scenario.wipes)
    outcome = Outcome(scenario.name, took, completed)
    outcome.wrong += verdict.wrong
    outcome.wrong += [f"I14: {one.task.run_id} had no result in {DRAINS_S:.0f} s" for one in left]
    outcome.wrong += vacuous(scenario, chaos.injected, load)
    if scenario.exact:
        outcome.wrong += inexact(stage, load, verdict)
    outcome.lines = lines(chaos.injected, verdict, load)
    outcome.wrong += late(outcome.lines)
    outcome.again = load.again
    return outcome


def inexact(stage: Stage, load: Load, verdict: Verdict) -> list[str]:
    """What was asked of a model twice, or is in doubt: a deploy must not cost that."""
    mine = f"{load.name}-".encode()
    again = sum(n - 1 for body, n in stage.models.whole.items() if mine in body)
    wrong = [f"{again} model calls were answered twice"] if again else []
    return [*wrong, *(f"{one} is in doubt" for one in verdict.doubts)]


def vacuous(scenario: Scenario, injected: list[Injection], load: Load) -> list[str]:
    """What would let a scenario pass without having tried anything."""
    wrong = [f"vacuous: {one.fault} did not happen" for one in injected if not one.evidence]
    wrong += [
        f"vacuous: nothing was in flight at {one.fault}" for one in injected if not one.in_flight
    ]
    good = sum(bool(one.result and one.result["status"] == "completed") for one in load.ended)
    if good * 2 < len(load.sent) or not load.sent:
        wrong.append(f"vacuous: only {good} of {len(load.sent)} tasks completed")
    if scenario.name != "healthy" and not injected:
        wrong.append("vacuous: no fault")
    return wrong


def lines(injected: list[Injection], verdict: Verdict, load: Load) -> list[dict[str, Any]]:
    """One for each kind of fault. A doubt belongs to the last fault before it."""
    found: dict[str, dict[str, Any]] = {}
    ordered = sorted(injected, key=lambda one: one.at)
    for at, one in enumerate(ordered):
        line = found.setdefault(one.fault, _line(one.fault))
        line["injected"] += 1
        line["in_flight"] += len(one.in_flight)
        line["away_s"] += [round(s, 3) for s in one.away]
        line["recovery_s"] += [round(s, 3) for s in waits(one, verdict, load, ordered[at + 1 :])]
    for at in verdict.doubts.values():
        before = [one for one in ordered if one.at <= at]
        if before:
            found[before[-1].fault]["in_doubt"] += 1
    told = list(found.values())
    if told:  # what all of them did together is told once
        told[0] |= {"runs": len(load.sent), "lost": verdict.lost}
        told[0] |= {"repeated_effects": verdict.repeated}
    return told


def waits(
    injection: Injection, verdict: Verdict, load: Load, after: Sequence[Injection] = ()
) -> list[float]:
    """Until the next event; where a gateway died, until it or another one accepted."""
    if not injection.whom.startswith("gateway"):
        return recovery(injection, verdict.runs, after)
    return [
        accepted - max(tried, injection.at) for tried, accepted in load.http_waits
        if abs(tried - injection.at) < REFUSED_S and accepted > injection.at
    ]  # fmt: skip


def late(lines: list[dict[str, Any]]) -> list[str]:
    """What stood still for longer than its fault's bound."""
    return [
        f"I14: {line['fault']}: a run stood still for {max(line['recovery_s']):.1f} s"
        for line in lines
        if max(line["recovery_s"], default=0)
        > most_s(line["fault"], max(line["away_s"], default=0))
    ]


def _line(fault: str) -> dict[str, Any]:
    return {
        "suite": "chaos", "fault": fault, "injected": 0, "in_flight": 0, "runs": 0, "lost": 0,
        "repeated_effects": 0, "in_doubt": 0, "recovery_s": [], "away_s": [],
    }  # fmt: skip


def told(outcome: Outcome) -> str:
    """For a person who watches."""
    counts = {key: sum(line[key] for line in outcome.lines) for key in ("injected", "in_doubt")}
    if outcome.again:
        counts["sent_again"] = outcome.again
    stood = sorted(s for line in outcome.lines for s in line["recovery_s"])
    said = f"{outcome.name}: {outcome.completed} runs in {outcome.seconds:.0f} s"
    said += f" ({outcome.goodput:.1f}/s), {json.dumps(counts)}"
    return said + (f", longest wait {stood[-1]:.1f} s of {len(stood)}" if stood else "")
