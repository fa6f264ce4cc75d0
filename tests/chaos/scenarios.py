"""What goes wrong in each scenario, in which order. The dice are seeded; times are seconds."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.acceptance.processes import SERVICES
from tests.chaos.faults import Chaos
from tests.chaos.stage import COPIES, LEASE_S

# Longer than a lease, which is no shorter than a session: what is stopped is taken for dead, and comes back.
LONG_S = LEASE_S + 2.5
BUSY = ("conductor", "llm", "tools")
OTHERS = ("context", "guardrails", "memory", "gateway")


@dataclass(frozen=True)
class Scenario:
    """`schedule` does the faults, under load; it ends when the last has been done.

    `wipes`: what was published and not read may be gone. `proxied`: services reach their servers
    by proxies. `exact`: no model call is repeated and nothing is in doubt.
    """

    name: str
    schedule: Callable[[Chaos], Awaitable[None]]
    wipes: bool = False
    proxied: bool = False
    exact: bool = False


def copies(dice: random.Random, service: str) -> str:
    """One of the copies."""
    return f"{service}-{dice.randrange(COPIES)}"


async def healthy(chaos: Chaos) -> None:
    """Nothing goes wrong, for some time."""
    await asyncio.sleep(15)


async def kills(chaos: Chaos) -> None:
    """Each service is killed, and started again after a short time; those that hold calls more
    often."""
    await chaos.pause(2, 3)
    order = [*SERVICES, *BUSY]
    for service in chaos.dice.sample(order, len(order)):
        each = copies(chaos.dice, service)
        await chaos.kill(each, f"{service} killed, started again")
        await chaos.pause(0.1, 1.5)
        await chaos.started(each)
        await chaos.pause(0.5, 2)


async def alone(chaos: Chaos) -> None:
    """Each service is killed and not started: the second copy takes everything over."""
    await chaos.pause(2, 3)
    for group in ((one,) for one in BUSY), (OTHERS,):
        for services in group:
            dead = [copies(chaos.dice, service) for service in services]
            for each in dead:
                await chaos.kill(each, f"{each.partition('-')[0]} killed, the second copy alone")
            await asyncio.sleep(LONG_S)
            for each in dead:
                chaos.start(each)
            await chaos.stage.ready()
            await chaos.pause(1, 2)


async def zombies(chaos: Chaos) -> None:
    """Each service that holds something stands still until it is taken for dead, and goes on."""
    await chaos.pause(2, 3)
    for service in chaos.dice.sample(BUSY, len(BUSY)):
        await chaos.stop(copies(chaos.dice, service), LONG_S, f"{service} stopped, then a zombie")
        await chaos.pause(2, 3)


async def database(chaos: Chaos) -> None:
    """PostgreSQL is shut down at once every 5 to 20 s, and away for up to 5 s."""
    for _ in range(4):
        await chaos.pause(5, 20)
        await chaos.database(chaos.dice.uniform(0, 5), "PostgreSQL killed and restarted")
    await chaos.pause(3, 5)


async def broker(chaos: Chaos) -> None:
    """Kafka is killed, and away for some seconds."""
    for _ in range(2):
        await chaos.pause(4, 8)
        await chaos.broker(chaos.dice.uniform(0, 5), "Kafka killed and restarted")
    await chaos.pause(6, 8)


async def wipe(chaos: Chaos) -> None:
    """Kafka loses all topics and offsets."""
    await chaos.pause(4, 6)
    await chaos.wipe("Kafka wiped")
    await chaos.pause(12, 15)


async def everything(chaos: Chaos) -> None:
    """All services are killed at once, and started in other orders."""
    for _ in range(3):
        await chaos.pause(3, 4)
        await chaos.kill_all("all services killed at once")
        await chaos.pause(0, 1)
        names = [f"{name}-{copy}" for name in SERVICES for copy in range(COPIES)]
        for each in chaos.dice.sample(names, len(names)):
            chaos.start(each)
            await chaos.pause(0, 0.3)
        await chaos.stage.ready()
        chaos.back()
    await chaos.pause(3, 4)


async def rolling(chaos: Chaos) -> None:
    """Every process is asked to end, and replaced by a new one that is ready."""
    await chaos.pause(2, 3)
    for name in SERVICES:
        for copy in range(COPIES):
            await chaos.replace(f"{name}-{copy}", "rolling deploy (SIGTERM)")


async def mixed(chaos: Chaos) -> None:
    """A little of everything in one load."""
    await chaos.pause(2, 3)
    for service in ("llm", "conductor", "tools"):
        each = copies(chaos.dice, service)
        await chaos.kill(each, f"{service} killed, started again")
        await chaos.pause(0.1, 1)
        await chaos.started(each)
        await chaos.pause(0.5, 1)
    await chaos.database(chaos.dice.uniform(0, 3), "PostgreSQL killed and restarted")
    await chaos.pause(3, 4)
    each = copies(chaos.dice, "tools")
    await chaos.stop(each, LONG_S, "tools stopped, then a zombie")
    await chaos.broker(chaos.dice.uniform(0, 2), "Kafka killed and restarted")
    await chaos.pause(4, 5)


async def cuts(chaos: Chaos) -> None:
    """Answers to COMMIT do not arrive."""
    await chaos.pause(2, 3)
    await chaos.cut_commits(15, 0.02, "connection cut after COMMIT, before its answer")
    await chaos.pause(2, 3)


async def slow(chaos: Chaos) -> None:
    """Both servers answer late, each message by another time."""
    await chaos.pause(2, 3)
    stage = chaos.stage
    await chaos.late(stage.to_database, 8, "PostgreSQL late by 20 to 60 ms each way")
    await chaos.late(stage.to_kafka, 8, "Kafka late by 20 to 60 ms each way")
    await chaos.pause(1, 2)


async def resets(chaos: Chaos) -> None:
    """All connections to a server are reset."""
    for _ in range(3):
        await chaos.pause(2, 3)
        chaos.reset(chaos.stage.to_database, "connections to PostgreSQL reset")
        await chaos.pause(2, 3)
        chaos.reset(chaos.stage.to_kafka, "connections to Kafka reset")
    await chaos.pause(3, 4)


async def silent_database(chaos: Chaos) -> None:
    """Connections stay open and say nothing any more; new ones, too, for some seconds."""
    await chaos.pause(2, 3)
    await chaos.silence(chaos.stage.to_database, 4, "connections to PostgreSQL silent")
    await chaos.pause(18, 20)


async def silent_broker(chaos: Chaos) -> None:
    """The same before Kafka."""
    await chaos.pause(2, 3)
    await chaos.silence(chaos.stage.to_kafka, 4, "connections to Kafka silent")
    await chaos.pause(18, 20)


SCENARIOS = (
    Scenario("healthy", healthy),
    Scenario("mixed", mixed),
    Scenario("kills", kills),
    Scenario("alone", alone),
    Scenario("zombies", zombies),
    Scenario("database", database),
    Scenario("broker", broker),
    Scenario("wipe", wipe, wipes=True),
    Scenario("everything", everything),
    Scenario("rolling", rolling, exact=True),
    Scenario("cuts", cuts, proxied=True),
    Scenario("slow", slow, proxied=True),
    Scenario("resets", resets, proxied=True),
    Scenario("silent-database", silent_database, proxied=True),
    Scenario("silent-broker", silent_broker, proxied=True),
)
SHORT = ("healthy", "mixed")
