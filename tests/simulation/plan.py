"""What happens in one simulation: the tasks, and the faults. A function of the seed, and values,
so that faults can be left out one by one."""

import random
from dataclasses import dataclass, field

SERVICES = ("conductor", "llm", "tools", "context", "guardrails", "memory", "gateway")
BUSY = ("conductor", "conductor", "conductor", "llm", "llm", "tools", "tools", *SERVICES)
FAULTS_END_S = 20.0
TASKS_END_S = 9.0

# Where a process can be killed, between two of its instructions that others can tell apart.
POINTS = (
    "db.before", "db.after", "db.after", "publish.before", "publish.after", "tool.effect",
    "model.chunk",
)  # fmt: skip
WRITES = ("append", "append", "append", "calls.claim", "calls.settle", "put_inbox", "calls.renew",
          "put_held", "calls.raise_epoch")  # fmt: skip
TOPICS = ("actalog.tasks", "actalog.replies", "actalog.replies", "actalog.llm.commands",
          "actalog.tools.commands", "actalog.context.commands", "actalog.memory.commands",
          "actalog.guardrails.commands", "actalog.events", "actalog.results")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """Something goes wrong at a time, or at the first occasion after it (`what` at `point`)."""

    at: float
    kind: str
    service: str = ""
    point: str = ""
    what: str = ""
    for_s: float = 0.0
    count: int = 0
    number: int = 0  # of the instance

    def __str__(self) -> str:
        told = [self.kind, self.service, self.point, self.what]
        sized = [f"for {self.for_s:.1f} s"] if self.for_s else []
        counted = [f"count {self.count}"] if self.count else []
        return f"{self.at:6.2f} s  {' '.join([*filter(None, told), *sized, *counted])}"


@dataclass(frozen=True, slots=True)
class Task:
    """What a client sends. `by`: over the gateway, or by itself on the topic."""

    at: float
    token: str  # the run's id, too, unless it is `nameless`
    agent: str
    session: str | None
    script: str
    by: str = "gateway"
    user: str | None = None
    nameless: bool = False
    deadline_s: float | None = None
    cancel_at: float | None = None
    decision: str = "approve"
    persons: int = 1  # who answer, each for themselves
    answers_after_s: float = 1.0
    repeats: int = 0
    conflicts: bool = False  # somebody sends another body under the same id

    def __str__(self) -> str:
        told = f"{self.at:6.2f} s  {self.token} to {self.agent} by {self.by}: {self.script!r}"
        cancel = f", cancelled at {self.cancel_at:.2f} s" if self.cancel_at is not None else ""
        return f"{told} in {self.session}{cancel}"


@dataclass(frozen=True, slots=True)
class Plan:
    """`skews`: how wrong the clock of each instance is, in seconds."""

    seed: int
    tasks: tuple[Task, ...]
    faults: tuple[Fault, ...]
    skews: dict[str, float] = field(default_factory=dict[str, float])


def plan(seed: int) -> Plan:
    """What happens in this seed."""
    dice = random.Random(f"plan {seed}")
    users = ["ann", "bob"]
    sessions = {f"s{n}": dice.choice([None, *users]) for n in range(dice.randint(1, 4))}
    tasks = tuple(_task(dice, n, sessions) for n in range(dice.randint(3, 9)))
    most = 0 if seed % 25 == 0 else dice.choice([1, 2, 3, 4, 6, 8, 12])
    faults = sorted((_fault(dice) for _ in range(most)), key=lambda one: one.at)
    if most and seed % 8 == 1:  # drawn apart: other seeds keep their meaning
        faults = sorted([*faults, cut_off(seed)], key=lambda one: one.at)
    skewed = most > 0 and dice.random() < 0.3
    skews = {f"{s}-{n}": dice.uniform(-2, 2) for s in SERVICES for n in range(2)} if skewed else {}
    return Plan(seed, tasks, tuple(faults), skews)


def _task(dice: random.Random, n: int, sessions: dict[str, str | None]) -> Task:
    agent = dice.choice(
        ["plain", "acts", "acts", "acts", "asks", "guarded", "learns", "hasty", "side"]
    )
    session = dice.choice([*sessions, None])
    at = dice.uniform(0.1, TASKS_END_S)
    cancel = at + dice.uniform(-1.0, 6.0) if dice.random() < 0.15 else None
    nameless = dice.random() < 0.1 and cancel is None and agent != "guarded"
    hurried = dice.uniform(1, 8) if dice.random() < 0.08 and not nameless else None
    return Task(
        at, f"r{n}", agent, session, _script(dice, agent), dice.choice(["gateway", "topic"]),
        user=sessions.get(session) if session else dice.choice([None, "ann"]),
        nameless=nameless,
        deadline_s=hurried,
        cancel_at=max(0.05, cancel) if cancel is not None else None,
        decision=dice.choice(["approve", "approve", "reject"]), persons=dice.choice([1, 1, 2]),
        answers_after_s=dice.uniform(0.1, 3), repeats=dice.choice([0, 0, 0, 1, 3]),
        conflicts=dice.random() < 0.05,
    )  # fmt: skip


def _script(dice: random.Random, agent: str) -> str:
    known = {
        "acts": ["look", "pay", "put", "count"], "asks": ["look", "wire", "pay"],
        "guarded": ["look", "put"], "learns": ["put"], "hasty": ["pay", "wire", "look"],
        "side": ["put", "pay"],
    }.get(agent, [])  # fmt: skip
    turns = [
        ",".join(dice.choice(known) for _ in range(dice.randint(1, 3)))
        for _ in range(dice.randint(0, 3) if known else 0)
    ]
    secret = "; write to bob@example.org" if agent == "guarded" else ""
    return "|".join(turns) + secret


def _fault(dice: random.Random) -> Fault:
    at = dice.uniform(0.3, FAULTS_END_S - 5)
    service, number = dice.choice(BUSY), dice.randint(0, 1)
    # What is drawn, and in which order, gives seeds their meaning: kept ones would lose theirs.
    kind = dice.choice([
        "crash", "crash", "crash", "kill", "kill", "kill", "kill", "crash all", "pause", "pause",
        "wipe", "broker down", "database down", "lost answer", "lost answer", "torn", "lost ack",
        "refused", "twice", "again", "again", "rewind", "stall", "stall", "rebalance",
        "slow model", "slow tool", "broken model", "deploy", "deploy",
    ])  # fmt: skip
    return fault_of(kind, at, service, number, dice)


def cut_off(seed: int) -> Fault:
    """A broker loses its newest records (`point`: and what was committed meanwhile)."""
    dice = random.Random(f"cut off {seed}")
    at, topic = dice.uniform(0.3, FAULTS_END_S - 5), dice.choice(["", "", dice.choice(TOPICS)])
    point = dice.choice(["", "offsets"])
    return Fault(
        at,
        "cut off",
        point=point,
        what=topic,
        for_s=dice.uniform(0.1, 4),
        count=dice.randint(1, 10),
    )


def fault_of(kind: str, at: float, service: str, number: int, dice: random.Random) -> Fault:
    """One of its kind, at that time."""
    match kind:
        case "crash" | "crash all":
            return Fault(at, kind, service, for_s=dice.uniform(0.2, 8), number=number,
                         count=int(2 ** dice.uniform(0, 8)))  # fmt: skip
        case "kill":
            point = dice.choice(POINTS)
            what = dice.choice(["", *WRITES]) if point.startswith("db") else ""
            service = {"tool.effect": "tools", "model.chunk": "llm"}.get(point, service)
            return Fault(at, kind, service, point, what, for_s=dice.uniform(0.2, 8))
        case "deploy":
            return Fault(at, kind, service, for_s=dice.uniform(0.1, 3), number=number)
        case "pause":
            return Fault(at, kind, service, for_s=dice.uniform(0.5, 14), number=number)
        case "wipe" | "broker down" | "database down":
            return Fault(at, kind, for_s=dice.choice([0.1, dice.uniform(0.5, 8)]))
        case "lost answer":
            return Fault(at, kind, service, "db.after", dice.choice(WRITES))
        case "torn":
            return Fault(at, kind, service, "db.before", dice.choice(["", *WRITES]))
        case "lost ack" | "refused" | "twice":
            point = "publish.before" if kind == "refused" else "publish.after"
            return Fault(at, kind, "", point, dice.choice(TOPICS))
        case "again":
            return Fault(at, kind, what=dice.choice(TOPICS), count=dice.randint(1, 10))
        case "rewind" | "rebalance":
            return Fault(at, kind, dice.choice(SERVICES[:-1]), number=number)
        case "stall":
            return Fault(at, kind, what=dice.choice(TOPICS), for_s=dice.uniform(0.5, 8))
        case "slow model" | "broken model":
            return Fault(at, kind, point="model.begin", what=dice.choice(["refuse", "cut"]))
        case _:
            return Fault(at, kind, point="tool.begin")
