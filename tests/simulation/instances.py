"""The services as processes: built from their own `build_app`, over connections of their own."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from actalog_bus.settings import KafkaSettings
from actalog_conductor.app import build_app as conductor
from actalog_conductor.live import Runs
from actalog_context.app import build_app as context
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_gateway.acceptance import Acceptance
from actalog_guardrails.app import build_app as guardrails
from actalog_llm.adapters.loading import Adapters
from actalog_llm.app import build_app as llm
from actalog_llm.attempts import Patience
from actalog_memory.app import build_app as memory
from actalog_tools.app import build_app as tools
from actalog_tools.threads import Ended, Threads
from tests.simulation.broker import SimBroker
from tests.simulation.consumer import SimBus
from tests.simulation.loop import Process, SimLoop
from tests.simulation.outside import CALLABLES, Outside, SimAdapter
from tests.simulation.store import Connection, Database, remote_calls, remote_log, remote_memories

LEASE_S = 5.0
SETTINGS = Settings(
    openai_api_key="k", openai_base_url="http://model", lease_ms=int(LEASE_S * 1_000)
)  # fmt: skip
GRACE_S = 2.0  # that is given to what is being heard when a process is told to stop
KAFKA = KafkaSettings(bootstrap="simulated", keeps_marks=False)  # a death here is all of it


class InlineThreads(Threads):
    """A callable that is not async runs at once: there is one thread."""

    async def begin(self, run: Callable[[], Any]) -> Any:
        job = _Job(asyncio.get_running_loop().create_future())
        try:
            ended: Ended[Any] = Ended(run())
        except BaseException as error:  # noqa: BLE001, as a thread does
            ended = Ended(error=error)
        job.done.set_result(ended)
        await asyncio.sleep(0)
        return job


@dataclass(eq=False)
class _Job:
    done: "asyncio.Future[Ended[Any]]"
    overran: bool = False


@dataclass
class Ground:
    """What all processes stand on."""

    loop: SimLoop
    broker: SimBroker
    database: Database
    outside: Outside
    clock: Callable[[], datetime]
    seed: int


@dataclass(eq=False)
class Instance:
    """One life of one instance of a service."""

    service: str
    number: int
    process: Process
    acceptance: Acceptance | None = None
    app: Service | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)  # SIGTERM

    def runs(self) -> Runs | None:
        """A conductor's cache."""
        if self.app is None or self.service != "conductor":
            return None
        return cast(Any, self.app.parts[0]).waking.runs


def start(on: Ground, service: str, number: int, life: int, *, skew_s: float) -> Instance:
    """Begin a process; it is ready a little later."""
    process = Process(f"{service}-{number}.{life}")
    instance = Instance(service, number, process)
    on.loop.begin(process, _live(on, instance, skew_s))
    return instance


async def _live(on: Ground, instance: Instance, skew_s: float) -> None:
    process, service = instance.process, instance.service
    connection = Connection(on.database, process)
    bus, log = SimBus(KAFKA, on.broker, process), remote_log(connection)
    calls, memories = remote_calls(connection), remote_memories(connection)
    clock = lambda: on.clock() + timedelta(seconds=skew_s)
    monotonic, holder = on.loop.time, process.name
    match service:
        case "conductor":
            app = conductor(bus=bus, log=log, settings=SETTINGS, clock=clock, monotonic=monotonic)
        case "llm":
            dice = random.Random(f"patience {on.seed} {process.name}")
            patience = Patience(jitter=dice.random, clock=clock, monotonic=monotonic)
            app = llm(
                bus=bus, log=log, calls=calls, settings=SETTINGS, holder=holder,
                patience=patience,
            )  # fmt: skip
            cast(Adapters, app.parts[0]).loaded["openai"] = SimAdapter(on.outside)
        case "tools":
            app = tools(
                bus=bus, log=log, calls=calls, settings=SETTINGS, holder=holder, clock=clock,
                callables=CALLABLES, threads=InlineThreads(), monotonic=monotonic,
            )  # fmt: skip
        case "context":
            app = context(bus=bus, log=log, memories=memories, settings=SETTINGS)
        case "guardrails":
            app = guardrails(bus=bus, log=log, settings=SETTINGS)
        case "memory":
            app = memory(bus=bus, log=log, memories=memories, settings=SETTINGS)
        case _:
            instance.acceptance = Acceptance(bus=bus, log=log, prefix="actalog")
            app = Service("gateway", [instance.acceptance])
    await app.start()
    await bus.start()
    instance.app = app
    await instance.stop.wait()
    await bus.stop(GRACE_S)
    await app.stop()
    on.broker.leave(process)
    process.kill()
