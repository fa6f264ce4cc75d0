"""The faults, each with what shows that it happened and what it happened to."""

import asyncio
import random
import signal
import time
from dataclasses import dataclass, field

from actalog_bus.processes import end
from actalog_log.database import connect
from tests.chaos.load import Load
from tests.chaos.proxy import Proxy
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
    away: list[float] = field(default_factory=list[float])  # seconds until it was there again


class Chaos:
    """Does what is wrong to a stage under load, and keeps the list."""

    def __init__(self, stage: Stage, load: Load, dice: random.Random) -> None:
        self.stage, self.load, self.dice = stage, load, dice
        self.injected: list[Injection] = []

    def note(
        self, fault: str, whom: str, at: float, evidence: str,
        partitions: frozenset[tuple[str, int]] = frozenset(),
    ) -> None:  # fmt: skip
        """It happened then, to what was in flight then."""
        runs = frozenset(
            one.task.run_id for one in self.load.sent.values()
            if one.accepted_at and one.accepted_at < at and (one.ended_at or at + 1) > at
        )  # fmt: skip
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
        last = next((one for one in reversed(self.injected) if one.whom == each), None)
        if last is not None:
            last.away.append(time.time() - last.at)

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
        self.note(fault, each, at, evidence, partitions)

    def back(self) -> None:
        """What went away last is there again."""
        last = self.injected[-1]
        last.away.append(time.time() - last.at)

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
        self.back()
        assert database.pid != before

    async def broker(self, down_s: float, fault: str) -> None:
        """Kafka is killed, and started after some seconds with what it has on disk."""
        await self.stage.kafka.kill()
        self.note(fault, EVERYTHING, time.time(), "the broker died")
        await asyncio.sleep(down_s)
        await self.stage.kafka.start()
        self.back()

    async def wipe(self, fault: str) -> None:
        """Kafka loses all topics and offsets; an operator makes the topics again."""
        await self.load.published.end()
        at = time.time()
        await self.stage.kafka.wipe()
        self.note(fault, EVERYTHING, at, "all topics and offsets are gone")
        connection = await connect(self.stage.database.dsn)
        rows = await connection.fetch("select run_id from runs")
        await connection.close()
        await self.stage.topics_there()
        self.back()
        await self.load.after_wipe({row["run_id"] for row in rows})

    async def kill_all(self, fault: str) -> None:
        """SIGKILL to every service at once."""
        running = dict(self.stage.fleet.running)
        for process in running.values():
            process.kill()
        for each in running:
            self.stage.fleet.kill(each)
        died = all(process.returncode == -signal.SIGKILL for process in running.values())
        self.note(fault, EVERYTHING, time.time(), f"{len(running)} died" if died else "")

    async def replace(self, each: str, fault: str) -> None:
        """SIGTERM, and a new process once the old one has ended."""
        partitions = await self.heard_by(each)
        process = self.stage.fleet.running.pop(each)
        at = time.time()
        await end(process, grace_s=20)
        ended = process.returncode == 0
        self.note(fault, each, at, f"{process.pid} ended" if ended else "", partitions)
        await self.started(each)

    # --- between services and servers

    async def cut_commits(self, seconds: float, rate: float, fault: str) -> None:
        """For some seconds that share of commits has no answer."""
        proxy = self.stage.to_database
        proxy.wrong.rate, before = rate, len(proxy.cuts)
        await asyncio.sleep(seconds)
        proxy.wrong.rate = 0.0
        for at, what in proxy.cuts[before:]:
            self.note(fault, EVERYTHING, at, what)

    async def late(self, proxy: Proxy, seconds: float, fault: str) -> None:
        """For some seconds everything takes longer."""
        at, before = time.time(), proxy.done["delayed"]
        proxy.wrong.delay_s, proxy.wrong.jitter_s = 0.02, 0.04
        await asyncio.sleep(seconds)
        proxy.wrong.delay_s = proxy.wrong.jitter_s = 0.0
        delayed = proxy.done["delayed"] - before
        self.note(fault, EVERYTHING, at, f"{delayed} were late" if delayed else "")

    def reset(self, proxy: Proxy, fault: str) -> None:
        """Every connection."""
        links = proxy.reset()
        self.note(fault, EVERYTHING, time.time(), f"{links} were reset" if links else "")

    async def silence(self, proxy: Proxy, seconds: float, fault: str) -> None:
        """Connections that there are say nothing any more, new ones nothing for some seconds."""
        at = time.time()
        proxy.wrong.silent, muted = True, proxy.mute()
        await asyncio.sleep(seconds)
        proxy.wrong.silent = False
        self.note(fault, EVERYTHING, at, f"{muted} fell silent" if muted else "")


def _state(pid: int) -> str:
    """Of a process: R, S, T (stopped), Z."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""
