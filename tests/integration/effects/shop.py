"""An author's App whose tools write down outside what they do, and stand still when told to."""

import os
import time
from pathlib import Path

from actalog import Agent, App
from actalog.tools import NOT_DONE, Done, tool

FOLDER = Path(os.environ.get("SHOP_FOLDER", "."))


def did(what: str, key: str) -> None:
    """A line outside the platform: what was done under which key."""
    with (FOLDER / "journal").open("a") as journal:
        journal.write(f"{what} {key}\n")


def charged(key: str) -> str:
    """Charge, and stand still behind it until the file that says so is gone."""
    did("charged", key)
    until = time.monotonic() + 60
    while (FOLDER / "stand still").exists() and time.monotonic() < until:
        time.sleep(0.01)
    return "charged 4 EUR"


@tool(read_only=True, name="charge_order")
def reads(order_id: str, idempotency_key: str) -> str:
    """Charge an order."""
    return charged(idempotency_key)


@tool(idempotent=True, name="charge_order")
def again(order_id: str, idempotency_key: str) -> str:
    """Charge an order."""
    return charged(idempotency_key)


def asks(idempotency_key: str) -> object:
    """The bank's books."""
    did("asked", idempotency_key)
    return Done("charged before") if (FOLDER / "the bank has it").exists() else NOT_DONE


@tool(reconciler=asks, name="charge_order")
def reconciled(order_id: str, idempotency_key: str) -> str:
    """Charge an order."""
    return charged(idempotency_key)


@tool(name="charge_order")
def once(order_id: str, idempotency_key: str) -> str:
    """Charge an order."""
    return charged(idempotency_key)


@tool(idempotent=True, name="charge_order")
def kills(order_id: str, idempotency_key: str) -> str:
    """Charge an order."""
    did("charged", idempotency_key)
    os._exit(9)


@tool(isolated=True, name="charge_order")
def apart(order_id: str, idempotency_key: str) -> str:
    """Charge an order."""
    did("process", str(os.getpid()))
    return charged(idempotency_key)


@tool(isolated=True, idempotent=True, name="charge_order")
def ends_apart(order_id: str, idempotency_key: str) -> str:
    """Charge an order."""
    did("charged", idempotency_key)
    os._exit(9)


@tool(name="charge_order")
def brief(order_id: str, idempotency_key: str) -> str:
    """Charge an order."""
    did("begun", idempotency_key)
    time.sleep(3)
    did("finished", idempotency_key)
    return "charged 4 EUR"


app = App(
    agents=[
        Agent(name=one.__name__, model="openai:gpt-5.4-mini", tools=[one])
        for one in (reads, again, reconciled, once, kills, apart, ends_apart, brief)
    ]
)
