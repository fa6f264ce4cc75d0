"""The faults, each with what shows that it happened and what it happened to."""

import asyncio
import os
import random
import signal
import time
from dataclasses import dataclass

from tests.chaos.load import Load
from tests.chaos.stage import Stage

EVERYTHING = "everything"  # whom it happened to, when it is not one copy of a service


@dataclass(frozen=True)
class Injection:
    """`fault` is its row in the table; `at` seconds since the epoch.

    `whom`: a copy of a service (`llm-0`), which then heard `partitions`; or `EVERYTHING`.
    `evidence` is empty when the fault did not happen.
    """

    fault: str
    at: float
    whom: str
    in_flight: frozenset[str]
    evidence: str
    partitions: frozenset[tuple[str, int]] = frozenset()


class Chaos:
    """Does what is wrong to a stage under load, and keeps the list."""

    def __init__(self, stage: Stage, load: Load, dice: random.Random) -> None:
        self.stage, self.load, self.dice = stage, load, dice
        self.injected: list[Injection] = []

    def note(
        self, fault: str, whom: str, at: float, evidence: str,
        partitions: frozenset[tuple[str, int]] = frozenset(),
    ) -> None:  # fmt: skip
        """It has happened, to what was in flight."""
        runs = frozenset(
            one.task.run_id for one in self.load.in_flight if (one.accepted_at or at) < at
        )
        self.injected.append(Injection(fault, at, whom, runs, evidence, partitions))

    async def pause(self, least: float, most: float) -> None:
        """Some seconds in between, as the dice fall."""
        await asyncio.sleep(self.dice.uniform(least, most))

    async def kill(self, each: str, fault: str) -> None:
        """SIGKILL; it stays dead."""
        partitions = await self.heard_by(each)
        process = self.stage.fleet.running[each]
        self.stage.fleet.kill(each)
        died = process.returncode == -signal.SIGKILL
        self.note(fault, each, time.time(), f"{process.pid} died" if died else "", partitions)

    def start(self, each: str) -> None:
        """A new process in its place."""
        name, _, copy = each.rpartition("-")
        self.stage.fleet.spawn(name, int(copy))

    async def started(self, each: str) -> None:
        """A new process in its place, that is ready."""
        self.start(each)
        await self.stage.fleet.ready(each, within_s=90)

    async def stop(self, each: str, seconds: float, fault: str) -> None:
        """SIGSTOP, and SIGCONT after some seconds: a zombie, if others took its work."""
        partitions = await self.heard_by(each)
        process = self.stage.fleet.running[each]
        self.stage.stopped.add(each)
        process.send_signal(signal.SIGSTOP)
        at = time.time()
        await asyncio.sleep(seconds)
        stopped = _state(process.pid) == "T"
        process.send_signal(signal.SIGCONT)
        self.stage.stopped.discard(each)
        evidence = f"{process.pid} stood still for {seconds:.1f} s" if stopped else ""
        self.note_at(fault, each, at, evidence, partitions)

    def note_at(
        self, fault: str, whom: str, at: float, evidence: str,
        partitions: frozenset[tuple[str, int]] = frozenset(),
    ) -> None:  # fmt: skip
        """It happened then, to what was in flight then."""
        runs = frozenset(
            one.task.run_id for one in self.load.sent.values()
            if one.accepted_at and one.accepted_at < at and (one.ended_at is None or one.ended_at > at)
        )  # fmt: skip
        self.injected.append(Injection(fault, at, whom, runs, evidence, partitions))

    async def heard_by(self, each: str) -> frozenset[tuple[str, int]]:
        """Gateways hear everything, and nobody waits for one of them."""
        return frozenset() if each.startswith("gateway") else await self.stage.partitions(each)

    async def database(self, down_s: float, fault: str) -> None:
        """PostgreSQL is shut down at once, and started after some seconds."""
        database, before = self.stage.database, self.stage.database.pid
        await database.kill()
        self.note(fault, EVERYTHING, time.time(), f"server {before} ended")
        await asyncio.sleep(down_s)
        await database.start()
        assert database.pid != before

    async def broker(self, down_s: float, fault: str) -> None:
        """Kafka is killed, and started after some seconds with what it has on disk."""
        await self.stage.kafka.kill()
        self.note(fault, EVERYTHING, time.time(), "the broker died")
        await asyncio.sleep(down_s)
        await self.stage.kafka.start()

    async def wipe(self, fault: str, known: "asyncio.Future[set[str]] | None" = None) -> None:
        """Kafka loses all topics and offsets; an operator makes the topics again."""
        at = time.time()
        await self.stage.kafka.wipe()
        self.note_at(fault, EVERYTHING, at, "all topics and offsets are gone")
        await self.stage.topics_there()


def _state(pid: int) -> str:
    """Of a process: R, S, T (stopped), Z."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def alive(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
