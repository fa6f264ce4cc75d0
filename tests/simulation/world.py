"""One simulation: two instances of every service, their clients, and what goes wrong."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from unittest import mock

import orjson

from actalog.definitions import encode
from actalog_bus import dispatch, envelope, publisher
from actalog_bus.ports import Headers, Record
from actalog_bus.retry import Backoff
from actalog_conductor.live import SETTLED
from actalog_contracts.runs import (
    RequirementResolved,
    RunPaused,
    ToolCalled,
    ToolFailed,
    ToolReturned,
)
from actalog_core import homes
from actalog_core.errors import ActalogError
from actalog_core.events import decode
from actalog_gateway.acceptance import Acceptance
from actalog_log import chain
from actalog_log.ports import Decision, Head, NewEvent
from tests.simulation import bounded, instances
from tests.simulation.broker import PARTITIONS, SimBroker
from tests.simulation.clients import ANSWER_S, Person
from tests.simulation.consumer import SimProducer
from tests.simulation.faults import Faults
from tests.simulation.instances import Ground, Instance
from tests.simulation.loop import OWNER, Process, SimLoop
from tests.simulation.outside import DEFINITIONS, Outside, is_outside
from tests.simulation.plan import SERVICES, Plan
from tests.simulation.recovery import Watch
from tests.simulation.store import Database

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)
SETTLES_S = 7.0  # of quiet: a fetch is parked for 5 s, then ends are looked at
BOUND_S = 300.0  # within which everything has ended once the faults are over
ENDS = ("run.completed.v1", "run.failed.v1", "run.blocked.v1", "run.cancelled.v1")


class World:
    """All of it, for one plan."""

    def __init__(self, plan: Plan, *, tracing: bool = False) -> None:
        self.plan, self.tracing = plan, tracing
        self.lines: list[str] = []
        self.loop = SimLoop(plan.seed)
        self.watch = Watch(self)
        self.faults = Faults(self)
        self.broker = SimBroker(
            self.loop, seed=plan.seed, clock=self.clock, hook=self.faults.hook, skew_s=self._skew_s
        )
        self.database = Database(self.loop, seed=plan.seed, clock=self.clock, hook=self.faults.hook)
        self.outside = Outside(
            self.loop, self.faults.hook, random.Random(f"out {plan.seed}"), self.watch
        )
        self.ground = Ground(
            self.loop, self.broker, self.database, self.outside, self.clock, plan.seed
        )
        self.running: dict[tuple[str, int], Instance] = {}
        self.lives = 0
        self.restarting: set[tuple[str, int]] = set()
        self.submitted: dict[str, Person] = {}
        self.converged = False
        self.unbounded: list[str] = []
        self.heard: set[tuple[object, ...]] = set()
        self.ended_at = 0.0
        self._producer = SimProducer(self.broker, self.loop.world)

    def clock(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.loop.now)

    def _skew_s(self, process: Process) -> float:
        return self.plan.skews.get(process.name.partition(".")[0], 0.0)

    def takes(self, record: Record) -> None:
        """Somebody hears it."""
        self.heard.add(identity(record))

    def trace(self, line: str) -> None:
        if self.tracing:
            self.lines.append(f"{self.loop.now:9.4f}  {line}")

    def _watch_log(self) -> None:
        log = self.database.log
        append = log.append

        async def watched(decision: Decision) -> tuple[Head, ...]:
            heads = await append(decision)
            for one, head in zip(decision.appends, heads, strict=True):
                self.watch.appended(one.run_no, [(e.type, _settles(e)) for e in one.events])
                told = ", ".join(event.type for event in one.events)
                self.trace(f"  run {one.run_no} ({log.runs[one.run_no].run_id[:8]}) "
                           f"{one.expected.seq + 1}..{head.seq}: {told}")  # fmt: skip
            return heads

        log.append = watched

    # Running.

    def run(self) -> "World":
        """To the end."""
        is_outside(self.outside)
        self._watch_log()
        with _determined(self):
            self.loop.run(self._main())
        return self

    async def _main(self) -> None:
        for definition in DEFINITIONS:
            digest, body = encode(definition)
            await self.database.log.put_definition(digest, "agent", definition.id, body)
        for service in SERVICES:
            for number in range(2):
                self._start(service, number)
        self.faults.schedule()
        persons = [Person(self, task) for task in self.plan.tasks]
        for person in persons:
            self.loop.create_task(person.live())
        quiet_since: float | None = None
        while True:
            await asyncio.sleep(0.5)
            now = self.loop.now
            if not self._over() or not all(p.sent for p in persons):
                quiet_since = None
            elif not all(self._is_ended(no) for no in self.database.log.runs):
                self.ended_at = 0.0
            elif not self.ended_at:
                self.ended_at = now
            if not self._quiet(persons):
                quiet_since = None
            elif quiet_since is None:
                quiet_since = now
            elif now - quiet_since >= SETTLES_S:
                self.converged = True
                return
            if now > max(20.0, self.faults.last) + BOUND_S:
                return

    def _over(self) -> bool:
        """No fault is left that has not happened."""
        latest = max((one.at for one in self.plan.faults), default=0.0)
        return self.loop.now > max(latest, self.faults.last) and not self.restarting

    def _quiet(self, persons: list[Person]) -> bool:
        log = self.database.log
        if not self._over() or not all(p.sent for p in persons):
            return False
        if not all(p.answered() for p in persons) or not self.broker.shared_out():
            return False
        return not log.open and not log.inbox and all(self._is_ended(no) for no in log.runs)

    # Processes.

    def instance(self, service: str, number: int) -> Instance:
        return self.running[service, number]

    def _start(self, service: str, number: int) -> None:
        self.restarting.discard((service, number))
        self.lives += 1
        skew_s = self.plan.skews.get(f"{service}-{number}", 0.0)
        made = instances.start(self.ground, service, number, self.lives, skew_s=skew_s)
        made.process.on_death.append(self._died)
        self.running[service, number] = made
        self.trace(f"{made.process.name} begins")

    def _died(self, process: Process) -> None:
        self.trace(f"{process.name} dies")
        self.watch.stopped(process)
        self.broker.lost(process)

    def restart_after(self, process: Process, delay_s: float) -> None:
        """Somebody notices that a process has died, or is about to."""
        where = next((at for at, one in self.running.items() if one.process is process), None)
        if where is None or where in self.restarting:
            return  # it has a successor, or will have one
        self.restarting.add(where)
        context = self.loop.within(self.loop.world)
        self.loop.call_later(delay_s, self._start, *where, context=context)

    # What clients do.

    async def ask_gateway(
        self, ask: Callable[[Acceptance], Awaitable[str]], dice: random.Random
    ) -> str | None:
        """A request over HTTP to one of the gateways; None: no answer, who knows what happened."""
        instance = self.running["gateway", dice.randint(0, 1)]
        acceptance = instance.acceptance
        if instance.process.state == "dead" or instance.app is None or acceptance is None:
            await asyncio.sleep(0.05)
            return None
        answered: asyncio.Future[str | None] = self.loop.create_future()

        async def serve() -> None:
            try:
                told: str | None = await ask(acceptance)
            except (ActalogError, TimeoutError):
                told = None
            if not answered.done():
                answered.set_result(told)

        self.loop.begin(instance.process, serve())
        try:
            async with asyncio.timeout(ANSWER_S):
                return await answered
        except TimeoutError:
            return None

    async def produce(self, topic: str, value: bytes, key: bytes, headers: Headers) -> bool:
        """A record of another system; False: not acknowledged."""
        at = homes.murmur2(key) % PARTITIONS
        try:
            async with asyncio.timeout(5):
                sent = await self._producer.send(
                    topic, value=value, key=key, partition=at, headers=headers
                )
                await sent
        except Exception:  # noqa: BLE001, whatever a client's library raises
            return False
        return True

    # What can be seen of it, in the log alone.

    def run_of(self, token: str) -> str | None:
        """The run whose input names the token."""
        log = self.database.log
        for run_no, row in log.runs.items():
            events = log.events[run_no]
            if row.turn is not None and events and f"[{token}] ".encode() in events[0].payload:
                return row.run_id
        return None

    def ended(self, run_id: str) -> bool | None:
        """None: there is no such run."""
        run_no = self.database.log.ids.get(("default", run_id))
        return None if run_no is None else self._is_ended(run_no)

    def _is_ended(self, run_no: int) -> bool:
        events = self.database.log.events[run_no]
        return any(one.type in ENDS for one in reversed(events[-6:]))

    def open_requirements(self, run_id: str) -> list[tuple[str, str]]:
        """(id, kind) of what is asked of a person."""
        run_no = self.database.log.ids.get(("default", run_id))
        found: dict[str, str] = {}
        for stored in self.database.log.events.get(run_no or 0, ()):
            match decode(stored.type, chain.unseal(stored.payload)):
                case RunPaused(requirements=asked):
                    found |= {one.id: one.kind for one in asked}
                case RequirementResolved(requirement_id=id):
                    found.pop(id, None)
                case ToolReturned(call_id=call_id) | ToolFailed(call_id=call_id):
                    for id in [one for one in found if one.rpartition(":")[0] == call_id]:
                        found.pop(id)
                case _:
                    pass
        return list(found.items())

    def has_acted(self, run_id: str, call_id: str) -> bool:
        """Whether the outside knows of what the call does: what a person looks up. Who said "not
        done" while the request was still on its way would cause the second effect themselves."""
        run_no = self.database.log.ids.get(("default", run_id))
        for stored in self.database.log.events.get(run_no or 0, ()):
            event = decode(stored.type, chain.unseal(stored.payload))
            if isinstance(event, ToolCalled) and event.call_id == call_id:
                return any(
                    token in event.arguments and self.outside.knows(token)
                    for token in self.outside.tokens()
                )
        return False

    def expired(self, run_id: str | None) -> bool:
        """Whether the conductor told that the task came after its deadline."""
        for record in self.broker.history:
            if record.topic == "actalog.results" and b'"expired"' in (record.value or b""):
                told = orjson.loads(record.value or b"")
                if told["type"] == "message.refused.v1" and told.get("run_id") == run_id:
                    return True
        return False

    def in_flight(self) -> int:
        """Runs on their way, and messages that were accepted and not decided."""
        log = self.database.log
        return sum(one.standing != "ended" for one in log.open.values()) + len(log.inbox)


def identity(record: Record) -> tuple[object, ...]:
    """Of a record among all that ever had its offset."""
    return record.topic, record.partition, record.offset, record.timestamp_ms, record.value


def _settles(event: NewEvent) -> str:
    """The requirement that an event settles, if it does."""
    if event.type != "requirement.resolved.v1":
        return ""
    told = decode(event.type, event.payload)
    assert isinstance(told, RequirementResolved)
    return told.requirement_id


@contextmanager
def _determined(world: World) -> Generator[None]:
    """Ids, times in envelopes, waits and producers come from this world."""
    dice = random.Random(f"ids {world.plan.seed}")

    def producer(**_: object) -> SimProducer:
        return SimProducer(world.broker, OWNER.get() or world.loop.world)

    def new_id() -> uuid.UUID:
        return uuid.UUID(int=dice.getrandbits(128), version=4)

    with (
        mock.patch.object(uuid, "uuid4", new_id),
        mock.patch.object(envelope, "system_clock", world.clock),
        mock.patch.object(publisher, "AIOKafkaProducer", producer),
        mock.patch.object(dispatch, "Backoff", partial(Backoff, dice=dice)),
        bounded.watched(world.plan, world.unbounded.append, world.takes),
    ):
        yield


__all__ = ["ENDS", "SETTLED", "World"]
