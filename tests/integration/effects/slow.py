"""Tools that stand in the middle of their work until they are stopped or let go, and write down
outside how far they came."""

import asyncio
import os
import time
from pathlib import Path

from actalog import Agent, App
from actalog.tools import NOT_DONE, UNKNOWN, Done, tool


def folder() -> Path:
    return Path(os.environ["SLOW_FOLDER"])


def did(what: str, order_id: str) -> None:
    with (folder() / order_id).open("a") as journal:
        journal.write(f"{what}\n")


async def waits(order_id: str) -> str:
    """Charge an order."""
    did("begun", order_id)
    await asyncio.sleep(60)
    did("ended", order_id)
    return "charged"


def blocks(order_id: str) -> str:
    """Charge an order."""
    did("begun", order_id)
    until = time.monotonic() + 60
    while not (folder() / "go").exists() and time.monotonic() < until:
        time.sleep(0.01)
    did("ended", order_id)
    return "charged"


def apart(order_id: str) -> str:
    """Charge an order."""
    did(f"begun {os.getpid()}", order_id)
    time.sleep(60)
    did("ended", order_id)
    return "charged"


NAME = "charge_order"
TOOLS = {
    "reads": tool(name=NAME, read_only=True)(waits),
    "again": tool(name=NAME, idempotent=True)(waits),
    "once": tool(name=NAME)(waits),
    "booked": tool(name=NAME, reconciler=lambda: Done("charged before"))(waits),
    "unbooked": tool(name=NAME, reconciler=lambda: NOT_DONE)(waits),
    "unknown": tool(name=NAME, reconciler=lambda: UNKNOWN)(waits),
    "thread": tool(name=NAME)(blocks),
    "apart-again": tool(name=NAME, idempotent=True, isolated=True)(apart),
    "apart-once": tool(name=NAME, isolated=True)(apart),
}
app = App(
    agents=[Agent(name=name, model="openai:scripted", tools=[one]) for name, one in TOOLS.items()]
)
