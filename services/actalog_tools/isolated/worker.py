"""A worker: runs one callable of the author after the other, under the limits of each."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from typing import Any

from actalog_core.calling import CALLING
from actalog_core.session_state import write_ops
from actalog_tools.functions import FunctionSpec, bind, describe
from actalog_tools.isolated import asked as asks
from actalog_tools.isolated import frames
from actalog_tools.isolated.addresses import Address, load
from actalog_tools.results import told, where
from actalog_tools.run_context import StateTooLarge
from actalog_tools.running import awaited, is_async, plain

STATM = Path("/proc/self/statm")
PAGE = resource.getpagesize()
MB = 1 << 20


def serve(channel: socket.socket) -> None:
    """Until the service closes the channel. An answer says whether the process may be used again:
    not after it ran out of memory, nor when the call left processes, threads or a timer behind, or
    the process elsewhere than it was."""
    me, known = os.getpid(), dict[Address, tuple[Callable[..., Any], FunctionSpec]]()
    while (asked := frames.receive(channel)) is not None:
        answer = _answer(asked, known, lambda: frames.send(channel, {"how": "began"}))
        if os.getpid() != me:  # the callable forked, and this is the other one
            os._exit(0)
        frames.send(channel, answer)


def _answer(
    asked: Mapping[str, Any],
    known: dict[Address, tuple[Callable[..., Any], FunctionSpec]],
    began: Callable[[], None],
) -> dict[str, Any]:
    address = Address(asked["module"], asked["name"], asked["path"])
    try:
        if address not in known:
            function = load(address)
            known[address] = function, describe(function)
    except BaseException as error:  # noqa: BLE001 - whatever the author's module raises
        said = _failed("internal", error, "its module cannot be imported in a worker: ")
        return {**said, "left": True, "large": False}
    threads, before = set(threading.enumerate()), _standing()
    size = _size()
    began()
    answer = _called(*known[address], asked, size + asked["memory_mb"] * MB)
    left = bool(set(threading.enumerate()) - threads) or _has_children() or _standing() != before
    large = _size() - size > asked["memory_mb"] * MB // 2
    return {**answer, "left": left, "large": large or answer.get("name") == "MemoryError"}


def _called(
    function: Callable[..., Any], spec: FunctionSpec, asked: Mapping[str, Any], most_bytes: int
) -> dict[str, Any]:
    CALLING.set(asks.calling(asked))
    try:
        special = asks.read(asked)
        kwargs = bind(spec, asked["arguments"], special.values)
        with _limited(most_bytes):  # an answer is written without it, also after a MemoryError
            text = _text(function, kwargs, asked["limit"])
    except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt as well
        return _failed("raised", error)
    try:
        ops = write_ops(special.changed())
    except (TypeError, StateTooLarge) as error:
        kind = "limit" if isinstance(error, StateTooLarge) else "raised"
        return _failed(kind, error, "It has run, but ")
    most = asked["limit"] + 1
    return {"how": "returned", "text": text[:most], "whole": len(text), "ops": ops}


def _text(function: Callable[..., Any], kwargs: Mapping[str, Any], limit: int) -> str:
    if is_async(function):
        return asyncio.run(awaited(function(**kwargs), limit))
    made = plain(function, kwargs, limit)
    return made if isinstance(made, str) else asyncio.run(awaited(made, limit))


def _failed(kind: str, error: BaseException, before: str = "") -> dict[str, Any]:
    said = f"{before}{told(error)}"
    return {
        "how": "raised", "kind": kind, "name": type(error).__name__, "said": said,
        "at": where(error),
    }  # fmt: skip


def _size() -> int:
    """Bytes of address space, which is what is limited; 0 where the system does not tell."""
    try:
        return int(STATM.read_text().split()[0]) * PAGE
    except OSError:
        return 0


@contextlib.contextmanager
def _limited(most_bytes: int) -> Generator[None]:
    """What the callable may take; its answer is written without a limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    if hard == resource.RLIM_INFINITY or most_bytes < hard:
        resource.setrlimit(resource.RLIMIT_AS, (most_bytes, hard))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # the callable has lowered it for good
            resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def _standing() -> tuple[object, ...]:
    """What a call leaves as it found it: else the next one's files would be elsewhere, or a signal
    would come to it that is not its own."""
    timers = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
    try:
        folder = os.getcwd()
    except OSError:  # it is deleted
        folder = None
    running = [signal.getitimer(one)[0] > 0 for one in timers]
    return folder, running, resource.getrlimit(resource.RLIMIT_AS)[1]


def _has_children() -> bool:
    """Also those that left the session, because we are a subreaper."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
