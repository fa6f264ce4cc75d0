"""Isolated tools of an author, of the worst kind. What they do outside is written into FOLDER."""

import asyncio
import ctypes
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from actalog.tools import tool
from actalog_core.calling import CALLING
from actalog_tools.run_context import RunContext


def note(folder: str, what: str) -> None:
    """A line outside: what happened, and in which process."""
    with (Path(folder) / "journal").open("a") as journal:
        journal.write(f"{what} {os.getpid()}\n")


@tool(isolated=True)
def fine(number: int = 1) -> str:
    return f"{number} in {os.getpid()}"


@tool(isolated=True)
async def later(number: int = 1) -> str:
    await asyncio.sleep(0.01)
    return f"{number} in {os.getpid()}"


@tool(isolated=True)
def pieces() -> Iterator[str]:
    yield from ("one ", "two")


@tool(isolated=True)
def hangs(folder: str) -> str:
    for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(one, signal.SIG_IGN)
    note(folder, "hangs")
    while True:
        time.sleep(60)


@tool(isolated=True)
async def spins(folder: str) -> str:
    """It blocks its loop: nothing can be cancelled there."""
    note(folder, "hangs")
    while True:
        pass


def child(folder: str) -> None:
    note(folder, "child")
    time.sleep(120)
    os._exit(0)


@tool(isolated=True)
def forks(folder: str, how: str, then: str) -> str:
    """Children that stay: plain ones, of another session, of no parent that lives."""
    if how == "program":
        sleeper = "import os, sys, time; print('child', os.getpid(), flush=True); time.sleep(120)"
        with (Path(folder) / "journal").open("a") as journal:
            subprocess.Popen([sys.executable, "-c", sleeper], stdout=journal)
    elif os.fork() == 0:
        if how == "plain":
            child(folder)
        os.setsid()
        if how == "session" or os.fork() == 0:
            child(folder)
        os._exit(0)  # "daemon": its child has no parent that lives
    while not (Path(folder) / "journal").exists() or not (Path(folder) / "journal").read_text():
        time.sleep(0.01)
    if then == "exit":
        os._exit(3)
    if then == "hang":
        time.sleep(120)
    return "returned"


@tool(isolated=True)
def comes_back_twice() -> str:
    return "child" if os.fork() == 0 else "parent"


@tool(isolated=True, memory_mb=100)
def allocates() -> str:
    kept: list[bytearray] = []
    while True:
        kept.append(bytearray(10_000_000))


@tool(isolated=True)
def dies(folder: str, how: str, idempotency_key: str) -> str:
    note(folder, idempotency_key)
    match how:
        case "exit":
            os._exit(9)
        case "segfault":
            ctypes.string_at(0)
        case "abort":
            os.abort()
        case _:
            os.kill(os.getpid(), signal.SIGKILL)
    return "unreachable"


@tool(isolated=True)
def dies_once(folder: str) -> str:
    note(folder, "ran")
    if (Path(folder) / "journal").read_text().count("ran") == 1:
        os._exit(1)
    return "second"


@tool(isolated=True)
def prints(megabytes: int) -> str:
    for _ in range(megabytes):
        print("x" * 1_000_000)
        print("y" * 1_000, file=sys.stderr)
    return "printed"


@tool(isolated=True)
def writes(descriptor: int) -> str:
    os.write(descriptor, b"\xff\xff\xff\xff no frame")
    time.sleep(0.05)
    return "written"


@tool(isolated=True)
def says_much(characters: int) -> str:
    return "\N{GRINNING FACE}" * characters


@tool(isolated=True)
def closes_everything() -> str:
    os.closerange(0, 1024)
    return "closed"


class Odd(Exception):
    """It has a lock inside and no text."""

    def __init__(self) -> None:
        super().__init__(threading.Lock())

    def __str__(self) -> str:
        raise RuntimeError("no text")


@tool(isolated=True)
def raises(what: str) -> str:
    match what:
        case "exit":
            sys.exit(4)
        case "interrupt":
            raise KeyboardInterrupt
        case "odd":
            raise Odd
        case "deep":
            return raises(what)
        case _:
            raise ValueError(what)


@tool(isolated=True)
def odd_result() -> Any:
    return object()


@tool(isolated=True)
def starts_a_thread(folder: str) -> str:
    def goes_on() -> None:
        time.sleep(0.3)
        note(folder, "acted")

    threading.Thread(target=goes_on, daemon=True).start()
    return f"in {os.getpid()}"


@tool(isolated=True)
def leaves(what: str) -> str:
    """Something for the next call in this process."""
    match what:
        case "alarm":
            signal.setitimer(signal.ITIMER_REAL, 0.2)
        case "folder":
            os.chdir("/")
        case "no folder":
            with tempfile.TemporaryDirectory() as folder:
                os.chdir(folder)
        case _:
            resource.setrlimit(resource.RLIMIT_AS, (1 << 36, 1 << 36))
    return f"in {os.getpid()}"


@tool(isolated=True)
def knows(run_context: RunContext, idempotency_key: str, session_state: dict[str, Any]) -> Any:
    session_state["seen"] = [run_context.run_id]
    calling = CALLING.get()
    return {
        "run": run_context.run_id, "user": run_context.user_id, "key": idempotency_key,
        "colour": run_context.session_state["colour"], "trace": run_context.metadata["trace"],
        "calling": calling and calling.run_id,
    }  # fmt: skip


@tool(isolated=True)
def bad_state(session_state: dict[str, Any], much: bool) -> str:
    session_state["x"] = "x" * 300_000 if much else threading.Lock()
    return "done"


@tool(isolated=True)
def limits() -> Any:
    return {"core": resource.getrlimit(resource.RLIMIT_CORE)[0], "stdin": sys.stdin.read()}
