"""Plans that aim at one thing: what a general seed meets seldom, these meet nearly always."""

import random
from dataclasses import replace

from tests.simulation.plan import SERVICES, TOPICS, Fault, Plan, Task


def _plan(seed: int, tasks: list[Task], faults: list[Fault]) -> Plan:
    return Plan(seed, tuple(tasks), tuple(sorted(faults, key=lambda one: one.at)))


def _tasks(agent: str, script: str, *, count: int = 5, by: str = "topic") -> list[Task]:
    return [Task(1.0 + n / 2, f"r{n}", agent, None, script, by=by) for n in range(count)]


def workers_sleep(seed: int) -> Plan:
    """A worker is stopped in the middle of a tool, and goes on when another is at it."""
    dice = random.Random(f"sleeper {seed}")
    faults = [Fault(2.0 + dice.random() * 2, "pause", "tools", for_s=5.5 + dice.random() * 3)]
    faults += [Fault(1.0 + dice.random() * 6, "slow tool", point="tool.begin") for _ in range(8)]
    return _plan(seed, _tasks("learns", "put,put,put|put,put", count=4), faults)


def workers_die_holding(seed: int) -> Plan:
    """A worker dies once it has put a message aside, and another asks the model again."""
    faults = [Fault(1.2, "kill", "llm", "db.after", "put_held", for_s=2.0)]
    return _plan(seed, _tasks("guarded", "put|put", count=3), faults)


def workers_die_acting(seed: int) -> Plan:
    """A worker dies once its tool has acted, and before anybody knows."""
    faults = [Fault(1.0 + n, "kill", "tools", "tool.effect", for_s=1.0) for n in range(5)]
    return _plan(seed, _tasks("acts", "pay,put|put,pay|pay"), faults)


def conductors_change(seed: int) -> Plan:
    """A conductor is stopped, and goes on with what it knew when others have gone on."""
    dice = random.Random(f"changing {seed}")
    faults = [Fault(1.5, "pause", "conductor", for_s=7 + dice.random() * 4, number=0)]
    faults += [Fault(2.0 + n * 2, "rebalance", "conductor") for n in range(5)]
    topics = ("actalog.replies", "actalog.tools.commands")
    faults += [Fault(2.0 + n, "again", what=topics[n % 2], count=10) for n in range(10)]
    return _plan(seed, _tasks("acts", "look,put|pay,look|put"), faults)


def conductors_die(seed: int) -> Plan:
    """Conductors die at every moment of a hearing, one after the other."""
    dice = random.Random(f"dying {seed}")
    points = ("db.before", "db.after", "publish.before", "publish.after")
    faults = [
        Fault(1.0 + n / 2, "kill", "conductor", dice.choice(points), for_s=0.5) for n in range(8)
    ]
    return _plan(seed, _tasks("acts", "look,put|pay,look", count=8), faults)


def attempts_break(seed: int) -> Plan:
    """Models break off in the middle of their messages."""
    faults = [Fault(1.0 + n / 2, "broken model", point="model.begin", what="cut") for n in range(6)]
    return _plan(seed, _tasks("acts", "look|look"), faults)


def the_broker_is_wiped(seed: int) -> Plan:
    """The broker loses all it has while everybody is at work."""
    dice = random.Random(f"wiping {seed}")
    faults = [Fault(2.0 + dice.random() * 2, "wipe", for_s=0.2)]
    return _plan(seed, _tasks("acts", "look,put|pay,look|put", by="gateway"), faults)


def the_newest_records_are_lost(seed: int) -> Plan:
    """The broker loses what it took last, and gives the offsets again, while everybody is at work;
    some are started anew meanwhile, and clocks differ."""
    dice = random.Random(f"cutting {seed}")
    at, what = 2.0 + dice.random() * 2, dice.choice(("", *TOPICS[:5]))
    point = dice.choice(("", "offsets"))
    faults = [Fault(at, "cut off", point=point, what=what, for_s=dice.choice((0.1, 1)), count=6)]
    faults += [
        Fault(at + dice.uniform(-1, 0.5), "crash", dice.choice(("conductor", "llm", "tools")),
              number=n, for_s=dice.uniform(0.2, 3), count=1)
        for n in range(dice.randint(0, 2))
    ]  # fmt: skip
    tasks = [
        *_tasks("acts", "look,put|pay,look|put", count=6),
        *_tasks("side", "put", count=2, by="gateway"),
    ]
    tasks = [replace(one, token=f"r{n}", at=1.0 + n / 3) for n, one in enumerate(tasks)]
    skews = {f"{name}-{n}": dice.uniform(-3, 3) for name in SERVICES for n in range(2)}
    return replace(_plan(seed, tasks, faults), skews=skews)


def commands_are_lost(seed: int) -> Plan:
    """The newest commands of models are lost, and nothing else goes wrong."""
    faults = [Fault(4.0, "cut off", what="actalog.llm.commands", for_s=0.1, count=3)]
    return _plan(seed, _tasks("acts", "look,put|pay,look|put"), faults)


def conductors_begin_after_a_wipe(seed: int) -> Plan:
    """The broker loses all it has while no conductor is there to notice."""
    dice = random.Random(f"beginning {seed}")
    at = 2.0 + dice.random() * 2
    faults = [Fault(at + n / 10, "crash", "conductor", number=n, for_s=3.0) for n in range(2)]
    faults.append(Fault(at + 1, "wipe", for_s=0.2))
    return _plan(seed, _tasks("acts", "look,put|pay,look|put", by="gateway", count=8), faults)


def the_database_is_slow(seed: int) -> Plan:
    """Each statement takes most of a second, for longer than a lease, while forty tasks come."""
    dice = random.Random(f"slow {seed}")
    tasks = [
        Task(1.0 + n / 20, f"r{n}", "acts", None, "look,put|pay", by=dice.choice(["topic", "gateway"]))
        for n in range(40)
    ]  # fmt: skip
    return _plan(seed, tasks, [Fault(1.2, "slow database", for_s=8 + dice.random() * 4)])


def everything_is_deployed(seed: int) -> Plan:
    """Every instance is told to stop, one after the other, and has a successor at once."""
    dice = random.Random(f"deploying {seed}")
    every = [(service, number) for service in SERVICES for number in range(2)]
    dice.shuffle(every)
    faults = [
        Fault(1.0 + at * 0.6, "deploy", service, number=number, for_s=0.1)
        for at, (service, number) in enumerate(every)
    ]
    return _plan(seed, _tasks("acts", "look,put|pay,look|put", count=12), faults)


def clocks_are_wrong(seed: int) -> Plan:
    """Of conductors and workers one has a clock that is a day ahead, the other's is a day behind;
    persons take their time."""
    tasks = _tasks("acts", "look,put|pay,look|put", count=6)
    tasks += [Task(1.0 + n, f"p{n}", "asks", None, "wire", answers_after_s=3.0) for n in range(3)]
    faults = [Fault(3.0, "kill", "conductor", "db.after", "append", for_s=0.5)]
    services = ("conductor", "llm", "tools")
    skews = {f"{name}-{n}": (1 - 2 * n) * 86_400.0 for name in services for n in range(2)}
    return replace(_plan(seed, tasks, faults), skews=skews)


def memories_are_reviewed(seed: int) -> Plan:
    """Whoever has a part in the review of what is remembered dies at it, or hears it again."""
    dice = random.Random(f"reviewing {seed}")
    faults = [Fault(3.0, "kill", "llm", "db.after", "put_held", for_s=1.0)]
    for service in ("conductor", "llm", "guardrails", "memory"):
        point = dice.choice(("db.after", "publish.before", "publish.after"))
        faults.append(Fault(2.0 + dice.random() * 4, "kill", service, point, for_s=1.0))
    topics = ("actalog.replies", "actalog.guardrails.commands", "actalog.memory.commands")
    faults += [Fault(3.0 + n, "again", what=topics[n % 3], count=10) for n in range(6)]
    faults += [Fault(3.0 + dice.random() * 3, "wipe", for_s=0.2)] if seed % 2 else []
    tasks = [replace(one, user="ann") for one in _tasks("discreet", "put", count=6)]
    return _plan(seed, tasks, faults)


AIMED = (
    workers_sleep, workers_die_holding, workers_die_acting, conductors_change, conductors_die,
    attempts_break, the_broker_is_wiped, conductors_begin_after_a_wipe, the_database_is_slow,
    everything_is_deployed, clocks_are_wrong, the_newest_records_are_lost, commands_are_lost,
    memories_are_reviewed,
)  # fmt: skip
