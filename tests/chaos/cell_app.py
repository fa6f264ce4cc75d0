"""The author's App of the cells: each run has work for every service.

What its tools do is written down in a file outside of all processes. A tool that reads stands
still while the file `hold` is there, so that a run is in flight for as long as it takes.
"""

import asyncio
import os
import time
from pathlib import Path

from actalog import Agent, App
from actalog.guardrails import LengthGuardrail, PIIDetectionGuardrail
from actalog.tools import tool

FOLDER = Path(os.environ.get("CELL_FOLDER", "."))
MOST_HELD_S = 60
VERSION = f"You are version {os.environ.get('CELL_VERSION', '1')}."


def did(what: str, order: str, key: str) -> None:
    """One line, whole: several processes write to the same file."""
    with (FOLDER / "journal").open("a") as journal:
        journal.write(f"{what} {order} {key}\n")


@tool(idempotent=True)
async def book(order: str, idempotency_key: str) -> str:
    """Book an order."""
    did("book", order, idempotency_key)
    await asyncio.sleep(0.05)
    return f"booked {order}"


@tool
def charge(order: str, idempotency_key: str) -> str:
    """Charge an order, which nobody knows how to take back."""
    did("charge", order, idempotency_key)
    time.sleep(0.05)
    return f"charged {order}"


@tool(read_only=True)
async def look_up(order: str) -> str:
    """Where an order is."""
    until = time.monotonic() + MOST_HELD_S
    while (FOLDER / "hold").exists() and time.monotonic() < until:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return f"{order} left on Tuesday"


@tool(requires_confirmation=True)
def refund(order: str, idempotency_key: str) -> str:
    """Refund an order, if a person lets it."""
    did("refund", order, idempotency_key)
    return f"refunded {order}"


def _agent(name: str, *tools: object, **more: object) -> Agent:
    return Agent(
        name=name, model="openai:m", instructions=["Be brief.", VERSION], tools=list(tools),  # pyright: ignore[reportArgumentType]
        pre_hooks=[PIIDetectionGuardrail(mask_pii=True)], add_history_to_context=True, **more,  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


app = App(
    agents=[
        _agent("clerk", book, charge, look_up, update_memory_on_run=True,
               enable_session_summaries=True),
        _agent("careful", book, charge, look_up, post_hooks=[LengthGuardrail(max_chars=5_000)]),
        _agent("asks", refund, look_up),
    ]
)  # fmt: skip
