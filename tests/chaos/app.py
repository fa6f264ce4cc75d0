"""The author's App: tools of each declaration, which write down outside what they do.

A line of the journal is one effect: `{"tool", "token", "key", "pid", "at"}`.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import random
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from actalog import Agent, App
from actalog.guardrails import PIIDetectionGuardrail
from actalog.tools import NOT_DONE, Done, tool

JOURNAL = Path(os.environ.get("CHAOS_JOURNAL", "journal"))
LONGEST_S = 0.2  # a tool waits about that long before its effect, and again behind it


def did(name: str, token: str, key: str) -> None:
    """One line, in one write: processes share the file."""
    told = {"tool": name, "token": token, "key": key, "pid": os.getpid(), "at": time.time()}
    with JOURNAL.open("a") as journal:
        journal.write(json.dumps(told) + "\n")


def effects() -> list[dict[str, Any]]:
    """Everything that happened so far."""
    return [json.loads(line) for line in JOURNAL.read_text().splitlines()]


def _wait() -> None:
    time.sleep(random.random() * LONGEST_S)


@tool(read_only=True)
def look(token: str, idempotency_key: str) -> str:
    """Look something up.

    Args:
        token: What it is about.
    """
    _wait()
    did("look", token, idempotency_key)
    return f"saw {token}"


@tool(idempotent=True)
async def put(token: str, idempotency_key: str) -> str:
    """Put something where it may be put again.

    Args:
        token: What it is about.
    """
    await asyncio.sleep(random.random() * LONGEST_S)
    did("put", token, idempotency_key)
    await asyncio.sleep(random.random() * LONGEST_S)
    return f"put {token}"


@contextlib.contextmanager
def books(token: str, fencing_token: int) -> Generator[None]:
    """Of whom `wire` sends to: who was taken for dead, and another was asked about, comes too late."""
    with (JOURNAL.parent / f"books-{token}").open("a+") as book:
        fcntl.flock(book, fcntl.LOCK_EX)
        book.seek(0)
        highest = max(map(int, book.read().split()), default=0)
        if fencing_token < highest:
            raise PermissionError(f"attempt {fencing_token} of {token} comes after {highest}")
        book.write(f"{fencing_token}\n")
        book.flush()
        yield


def asks(token: str, fencing_token: int) -> object:
    """Whether they have it; whoever tried before is refused from now on."""
    with books(token, fencing_token):
        known = any(one["tool"] == "wire" and one["token"] == token for one in effects())
        return Done(f"wired {token}") if known else NOT_DONE


@tool(reconciler=asks)
def wire(token: str, idempotency_key: str, fencing_token: int) -> str:
    """Send something whose arrival can be asked for.

    Args:
        token: What it is about.
    """
    _wait()
    with books(token, fencing_token):
        did("wire", token, idempotency_key)
    _wait()
    return f"wired {token}"


@tool
def pay(token: str, idempotency_key: str) -> str:
    """Do what must not be done twice, and cannot be asked for.

    Args:
        token: What it is about.
    """
    _wait()
    did("pay", token, idempotency_key)
    _wait()
    return f"paid {token}"


plain = Agent(name="plain", model="openai:scripted", instructions="Be brief.")
acts = Agent(
    name="acts", model="openai:scripted", instructions="Be brief.", tools=[look, put, wire, pay],
)  # fmt: skip
careful = Agent(
    name="careful", model="openai:scripted", instructions="Be brief.", tools=[look, put],
    pre_hooks=[PIIDetectionGuardrail(mask_pii=True)],
    post_hooks=[PIIDetectionGuardrail(mask_pii=True)],
    add_history_to_context=True, num_history_runs=2, update_memory_on_run=True,
)  # fmt: skip
app = App(agents=[plain, acts, careful])
