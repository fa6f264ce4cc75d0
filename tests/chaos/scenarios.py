"""What goes wrong in each scenario, in which order. The dice are seeded; times are seconds."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.acceptance.processes import SERVICES
from tests.chaos.faults import Chaos
from tests.chaos.stage import COPIES


@dataclass(frozen=True)
class Scenario:
    """`schedule` does the faults, under load; it ends when the last has been done."""

    name: str
    schedule: Callable[[Chaos], Awaitable[None]]


def copies(dice: random.Random, service: str) -> str:
    """One of the copies."""
    return f"{service}-{dice.randrange(COPIES)}"


async def healthy(chaos: Chaos) -> None:
    """Nothing goes wrong, for some time."""
    await asyncio.sleep(15)


async def kills(chaos: Chaos) -> None:
    """Each service is killed, and started again after a short time."""
    await chaos.pause(2, 3)
    for service in chaos.dice.sample(SERVICES, len(SERVICES)):
        each = copies(chaos.dice, service)
        await chaos.kill(each, f"{service} killed, started again")
        await chaos.pause(0.1, 1.5)
        await chaos.started(each)
        await chaos.pause(1, 3)


SCENARIOS = (
    Scenario("healthy", healthy),
    Scenario("kills", kills),
)
