"""One fault in each plan: how long until the runs go on, by what went wrong, and what bounds it."""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from tests.simulation.broker import SESSION_S
from tests.simulation.instances import LEASE_S
from tests.simulation.plan import POINTS, TOPICS, WRITES, Fault, Plan, Task, cut_off, fault_of
from tests.simulation.recovery import NET_S
from tests.simulation.running import Report, simulate

WORKERS = ("llm", "tools", "context", "guardrails", "memory")
AGENTS = (
    ("acts", "look,put|pay,look|put"), ("guarded", "put|look"), ("learns", "put|put"),
    ("plain", ""), ("asks", "look|wire"), ("side", "put,pay|put"),
)  # fmt: skip
LOOK_S = 1.0  # a supervisor looks twice a second, and what it asks for takes a moment
SEEDS = 20  # of each kind


@dataclass(frozen=True, slots=True)
class Kind:
    """`bound_s`: within which every run goes on, and what it is made of. `over`: counted from the
    fault's end, because nothing can be done while it lasts; else from its beginning."""

    name: str
    bound_s: float
    made_of: str
    over: bool = False


_LOST = "what was refused is sent again after a pause of at most 1 s"
_ANSWERS = "a request that got no answer is made again after a pause"
_DEAD = max(LEASE_S, SESSION_S) + LOOK_S
_MADE_OF_DEAD = "the longer of lease and session timeout, and a look"
_PAUSE_S = 3.0  # the longest between two tries of what a server refuses
_BACK = 2.5 * LOOK_S
KINDS = (
    Kind("crash conductor", SESSION_S + LOOK_S, "session timeout, and a look"),
    Kind("kill conductor", SESSION_S + LOOK_S, "session timeout, and a look"),
    Kind("pause conductor", SESSION_S + LOOK_S, "session timeout, and a look"),
    *(Kind(f"crash {one}", _DEAD, _MADE_OF_DEAD) for one in WORKERS),
    *(Kind(f"kill {one}", _DEAD, _MADE_OF_DEAD) for one in WORKERS),
    *(Kind(f"pause {one}", _DEAD, _MADE_OF_DEAD) for one in WORKERS),
    Kind("crash gateway", 3 + LOOK_S, "an inbox row is nobody's after 3 s, and a look"),
    Kind("kill gateway", 3 + LOOK_S, "an inbox row is nobody's after 3 s, and a look"),
    Kind("crash all", _DEAD, _MADE_OF_DEAD, over=True),
    Kind("deploy", _BACK, "nobody waits for a session timeout: who stops leaves its groups"),
    Kind("rebalance", _BACK, "a heartbeat, and everybody joins anew"),
    Kind("rewind", _BACK, "a heartbeat, and everybody joins anew"),
    Kind("wipe", _BACK, "members join anew and notice; every open run is looked at", over=True),
    Kind("cut off", NET_S, "what only the broker had comes with the supervisor's net", over=True),
    Kind("broker down", _BACK, "fetches and sends are tried again all the time", over=True),
    Kind("database down", _PAUSE_S + LOOK_S, "the pause between tries, which grows", over=True),
    Kind("stall", _BACK, "nothing: what was late is there", over=True),
    Kind("lost ack", _BACK, _LOST), Kind("refused", _BACK, _LOST), Kind("twice", _BACK, "nothing"),
    Kind("lost answer", _BACK, _ANSWERS), Kind("torn", _BACK, _ANSWERS), Kind("again", _BACK, "nothing"),
    Kind("broken model", _BACK, "the pause before a model is asked again"),
)  # fmt: skip


def plan_of(kind: Kind, seed: int) -> Plan:
    """Six runs of every sort, and one fault in their middle."""
    dice = random.Random(f"{kind.name} {seed}")
    tasks = tuple(
        Task(0.5 + n * 0.4 + dice.random() / 5, f"r{n}", agent, None, script,
             by=dice.choice(["gateway", "topic"]), user="ann", answers_after_s=0.3)
        for n, (agent, script) in enumerate(AGENTS)
    )  # fmt: skip
    return Plan(seed, tasks, (_fault(kind.name, dice),))


def _fault(name: str, dice: random.Random) -> Fault:
    at, (what, _, service) = dice.uniform(0.8, 4.0), name.partition(" ")
    if what == "kill":
        points = {"tools": (*POINTS, "tool.effect"), "llm": (*POINTS, "model.chunk")}
        places = points.get(service, POINTS)
        point = dice.choice([one for one in places if _can(service, one)])
        on = (
            dice.choice(["", *WRITES[:5]])
            if point.startswith("db") and service == "conductor"
            else ""
        )
        return Fault(at, "kill", service, point, on, for_s=dice.uniform(0.2, 8))
    if what in ("crash", "pause") and service != "all":
        number = dice.randint(0, 1)
        return fault_of(what, at, service, number, dice)
    if name == "stall" or name in ("lost ack", "refused", "twice", "again"):
        made = fault_of(name, at, "", 0, dice)
        return Fault(at, name, "", made.point, dice.choice(TOPICS), made.for_s, made.count)
    if name == "cut off":
        return replace(cut_off(dice.randint(0, 999)), at=at)
    busy = dice.choice(["conductor", "llm", "tools", "context"])
    return fault_of(name, at, busy, dice.randint(0, 1), dice)


def _can(service: str, point: str) -> bool:
    """Whether a service comes to that point."""
    only = {"tool.effect": "tools", "model.chunk": "llm"}
    return only.get(point, service) == service


def recovery_s(kind: Kind, report: Report) -> float:
    return report.recovered_s if kind.over else report.began_s


def plans() -> Iterator[tuple[Kind, int]]:
    return ((kind, seed) for kind in KINDS for seed in range(1, SEEDS + 1))


def judged(of: tuple[Kind, int]) -> tuple[Kind, Report]:
    kind, seed = of
    return kind, simulate(seed, of=plan_of(kind, seed))


def broken(kind: Kind, report: Report) -> list[str]:
    """What does not hold of it."""
    found = list(report.broken)
    if (took_s := recovery_s(kind, report)) > kind.bound_s:
        found.append(f"I14: after {kind.name!r} it took {took_s:.1f} s, not {kind.bound_s} s")
    return found


def table(told: Iterable[tuple[Kind, Report]]) -> list[str]:
    """A line for each kind: how often it hit, seconds to recover, and the bound."""
    by_kind: dict[Kind, list[Report]] = {}
    for kind, report in told:
        by_kind.setdefault(kind, []).append(report)
    return [
        "until every run went on again, in seconds (one fault in each plan):",
        f"  {'fault':18} {'hit':>4} {'p50':>5} {'p95':>5} {'most':>5} {'bound':>5}  made of",
        *(_line(kind, reports) for kind, reports in by_kind.items()),
    ]


def _line(kind: Kind, reports: Sequence[Report]) -> str:
    took = sorted(recovery_s(kind, one) for one in reports if one.hits)
    told = [took[min(len(took) - 1, int(len(took) * q))] if took else 0.0 for q in (0.5, 0.95, 1)]
    numbers = " ".join(f"{one:5.1f}" for one in (*told, kind.bound_s))
    since = " (from its end)" if kind.over else ""
    return f"  {kind.name:18} {len(took):4} {numbers}  {kind.made_of}{since}"
