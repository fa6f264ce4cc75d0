"""Faults as they happen, and the evidence that they hit something."""

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.simulation.instances import Instance
from tests.simulation.loop import Process
from tests.simulation.plan import SERVICES, Fault

if TYPE_CHECKING:
    from tests.simulation.world import World

LATEST_S = 2.0  # who has nothing to do dies all the same
ACTIONS = {
    "kill": "kill", "lost answer": "lose", "torn": "refuse", "lost ack": "lose",
    "refused": "refuse", "twice": "twice", "slow model": "slow", "slow tool": "slow",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hit:
    """A fault that happened while that many runs were on their way."""

    fault: Fault
    at: float
    in_flight: int
    where: str


@dataclass
class Faults:
    """`last` is when the last one was over."""

    world: "World"
    hits: list[Hit] = field(default_factory=list[Hit])
    armed: list[Fault] = field(default_factory=list[Fault])
    last: float = 0.0

    def schedule(self) -> None:
        loop = self.world.loop
        for fault in self.world.plan.faults:
            loop.call_at(fault.at, self._begin, fault, context=loop.within(loop.world))

    def counts(self) -> Counter[str]:
        """How often each kind hit while work was in flight."""
        return Counter(hit.fault.kind for hit in self.hits if hit.in_flight)

    def hook(self, point: str, process: Process, what: str) -> str | None:
        """What goes wrong with this, if anything does."""
        for at, fault in enumerate(self.armed):
            if fault.point == point and self._fits(fault, process, what):
                del self.armed[at]
                self._hit(fault, f"{process.name} {point} {what}")
                if fault.kind == "broken model":
                    return fault.what
                if fault.kind == "kill":
                    self.world.restart_after(process, fault.for_s)
                return ACTIONS[fault.kind]
        return None

    def _fits(self, fault: Fault, process: Process, what: str) -> bool:
        if process is self.world.loop.world or process.state == "dead":
            return False
        mine = not fault.service or process.name.startswith(f"{fault.service}-")
        return mine and (fault.point == "model.begin" or fault.what in ("", what))

    def _hit(self, fault: Fault, where: str) -> None:
        now = self.world.loop.now
        self.hits.append(Hit(fault, now, self.world.in_flight(), where))
        self.last = max(self.last, now + fault.for_s)
        self.world.trace(f"FAULT {fault.kind} {where} {fault.for_s:.1f} s")

    def _begin(self, fault: Fault) -> None:
        world = self.world
        match fault.kind:
            case "crash":
                instance = world.instance(fault.service, fault.number)
                self._doom(instance.process, fault)
            case "crash all":
                for service in SERVICES:
                    for number in range(2):
                        self._doom(world.instance(service, number).process, fault)
            case "deploy":
                self._replace(world.instance(fault.service, fault.number), fault)
            case "pause":
                self._pause(world.instance(fault.service, fault.number).process, fault)
            case "wipe":
                self._hit(fault, "broker")
                world.broker.wipe(down_s=fault.for_s)
            case "cut off":
                gone = world.broker.cut_off(
                    fault.what, within_s=fault.count, offsets=bool(fault.point), down_s=fault.for_s
                )
                self._hit(fault, f"broker: {gone} records")
            case "broker down":
                self._hit(fault, "broker")
                world.broker.stop(down_s=fault.for_s)
            case "database down":
                self._hit(fault, "database")
                world.database.stop(down_s=fault.for_s)
            case "slow database":
                self._hit(fault, "database")
                world.database.slow(for_s=fault.for_s)
            case "again":
                if world.broker.again(fault.what, copies=fault.count, window=50):
                    self._hit(fault, fault.what)
            case "rewind":
                if world.broker.rewind(f"actalog.{fault.service}"):
                    self._hit(fault, fault.service)
            case "rebalance":
                group = world.broker.groups.get(f"actalog.{fault.service}")
                if group is not None and not group.rebalancing:
                    self._hit(fault, fault.service)
                    world.broker.disturb(group)
            case "stall":
                self._hit(fault, fault.what)
                for at in range(2):
                    world.broker.stall(fault.what, at, for_s=fault.for_s)
            case _:
                self.armed.append(fault)

    def _doom(self, process: Process, fault: Fault) -> None:
        """It dies some callbacks from now: between any two awaits."""
        if process.state == "dead":
            return
        process.dies_at = process.steps + fault.count
        loop = self.world.loop
        loop.call_later(LATEST_S, process.kill, context=loop.within(loop.world))

        def died(dead: Process) -> None:
            self._hit(fault, f"{dead.name} at step {dead.steps}")
            self.world.restart_after(dead, fault.for_s)

        process.on_death.append(died)

    def _replace(self, instance: Instance, fault: Fault) -> None:
        """It is told to stop, and a new one begins at once."""
        if instance.process.state != "up" or instance.app is None:
            return
        self._hit(fault, instance.process.name)
        instance.stop.set()
        self.world.restart_after(instance.process, fault.for_s)

    def _pause(self, process: Process, fault: Fault) -> None:
        if process.state != "up":
            return
        world = self.world
        self._hit(fault, process.name)
        world.loop.pause(process)
        world.watch.stopped(process)
        world.broker.lost(process)

        def back() -> None:
            world.trace(f"{process.name} goes on")
            world.loop.resume(process)
            world.watch.goes_on(process)
            world.broker.back(process)

        world.loop.call_later(fault.for_s, back, context=world.loop.within(world.loop.world))
