"""Runs a callable of the author: in the loop or in a thread, until its deadline, and contained."""

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import structlog

from actalog_contracts.runs import StateOp
from actalog_core import crashpoints
from actalog_core.clock import Monotonic
from actalog_tools.results import joined, joined_async, text_of
from actalog_tools.threads import Ended, Threads

log = structlog.get_logger()

# After its deadline an async callable is cancelled, and given so long to put things in order.
GRACE_S = 1.0
LEAST_S = 0.001  # what was never begun cannot put anything in order

How = Literal["returned", "raised", "timeout", "cancelled", "late", "died", "lost"]
Kind = Literal["raised", "limit", "internal"]


@dataclass(frozen=True)
class Ran:
    """How it went. `text` when it returned, `error` when it raised; `late`: it was not begun;
    `lost`: nor was this, since another may have the call.

    Of another process come the text cut to its limit with the length of the `whole`, what it did
    to the session's state as `ops`, and what else may be wrong as `kind`. `died`: that process
    ended as `died` tells. `begun` is False where the callable certainly has not acted.
    """

    how: How
    text: str = ""
    error: BaseException | None = None
    whole: int | None = None
    ops: tuple[StateOp, ...] | None = None
    kind: Kind = "raised"
    died: str = ""
    begun: bool = True


def _certainly() -> bool:
    return True


@dataclass
class Cancel:
    """Tells a callable that nobody waits for it any more. One that is in a thread runs on.

    `ours` is asked before it begins: a process that stood still may have lost the call.
    """

    wanted: bool = False
    tasks: list["asyncio.Future[Any]"] = field(default_factory=list["asyncio.Future[Any]"])
    ours: Callable[[], bool] = _certainly

    def __call__(self) -> None:
        self.wanted = True
        for task in self.tasks:
            task.cancel()

    def forbids(self) -> Ran | None:
        """None: it may begin now. In any thread."""
        if self.wanted:
            return Ran("cancelled", begun=False)
        return None if self.ours() else Ran("lost", begun=False)


class Runner:
    """Runs callables, many at once."""

    def __init__(self, threads: Threads, monotonic: Monotonic = time.monotonic) -> None:
        self.threads, self.monotonic = threads, monotonic
        self.left: set[asyncio.Task[Ended[str]]] = set()

    async def run(
        self, function: Callable[..., Any], kwargs: Mapping[str, Any], *, timeout_s: float,
        limit: int, cancel: Cancel,
    ) -> Ran:  # fmt: skip
        """Run it to its end, its deadline, or until it is cancelled. Raises nothing of the
        author's. The deadline of a thread begins when it has one."""
        if (forbidden := cancel.forbids()) is not None:
            return forbidden
        if is_async(function):
            return await self._in_loop(_called(function, kwargs, limit), timeout_s, cancel)

        def begun() -> Any:  # it may have waited long for its thread
            return cancel.forbids() or plain(function, kwargs, limit)

        waiting = asyncio.ensure_future(self.threads.begin(begun))
        cancel.tasks.append(waiting)
        try:
            job = await waiting
        except asyncio.CancelledError:
            if cancel.wanted:
                return Ran("cancelled", begun=False)
            raise
        cancel.tasks.remove(waiting)
        if crashpoints.armed:
            crashpoints.reach("tool.running")
        began = self.monotonic()
        try:
            await asyncio.wait([job.done], timeout=timeout_s)
        finally:
            self.threads.leave(job)
        if not job.done.done():
            return Ran("timeout")
        ended = job.done.result()
        if isinstance(ended.value, Ran):
            return ended.value
        if ended.error is None and not isinstance(ended.value, str):
            left_s = max(timeout_s - (self.monotonic() - began), LEAST_S)
            return await self._in_loop(awaited(ended.value, limit), left_s, cancel)
        return _ran(cast(Ended[str], ended), cancel)

    async def _in_loop(self, call: Any, timeout_s: float, cancel: Cancel) -> Ran:
        task = asyncio.create_task(contained(call))
        cancel.tasks.append(task)
        if crashpoints.armed:
            await asyncio.sleep(0)  # it has begun
            crashpoints.reach("tool.running")
        try:
            await asyncio.wait([task], timeout=timeout_s)
        except asyncio.CancelledError:
            self._leave(task)
            raise
        if task.done():
            return _ran(task.result(), cancel)
        task.cancel()
        await asyncio.wait([task], timeout=GRACE_S)
        self._leave(task)
        return Ran("timeout")

    def _leave(self, task: "asyncio.Task[Ended[str]]") -> None:
        """It does not hear that it is cancelled, or has not yet: it ends when it ends."""
        if not task.done():
            task.cancel()
            self.left.add(task)
            task.add_done_callback(self.left.discard)


def is_async(function: Any) -> bool:
    """Whether calling it gives something to await or to iterate asynchronously. A decorator may
    have made a plain function of an async one, so `__wrapped__` says nothing."""
    while True:
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            return True
        inner = getattr(function, "func", None) or getattr(function, "entrypoint", None)
        if inspect.isroutine(function) or not callable(inner):
            call = getattr(cast(type, type(function)), "__call__", None)  # noqa: B004
            return inspect.iscoroutinefunction(call) or inspect.isasyncgenfunction(call)
        function = inner


async def contained(call: Any) -> Ended[str]:
    """Whatever the author raises becomes a value here: SystemExit in a task ends the loop."""
    try:
        return Ended(await call)
    except BaseException as error:  # noqa: BLE001
        return Ended(error=error)


async def _called(function: Callable[..., Any], kwargs: Mapping[str, Any], limit: int) -> str:
    return await awaited(function(**kwargs), limit)


async def awaited(made: Any, limit: int) -> str:
    """The text of what has to be awaited, or iterated over."""
    if inspect.isawaitable(made):
        made = await made
    if isinstance(made, AsyncIterator):
        return await joined_async(cast(AsyncIterator[Any], made), limit)
    return joined(cast(Iterator[Any], made), limit) if isinstance(made, Iterator) else text_of(made)


def plain(function: Callable[..., Any], kwargs: Mapping[str, Any], limit: int) -> Any:
    """Its text, or what has to be awaited in a loop."""
    made = function(**kwargs)
    if inspect.isawaitable(made) or isinstance(made, AsyncIterator):
        return made  # pyright: ignore[reportUnknownVariableType]
    return joined(cast(Iterator[Any], made), limit) if isinstance(made, Iterator) else text_of(made)


def _ran(ended: Ended[str], cancel: Cancel) -> Ran:
    if ended.error is None:
        return Ran("returned", text=ended.value or "")
    if cancel.wanted and isinstance(ended.error, asyncio.CancelledError):
        return Ran("cancelled")
    return Ran("raised", error=ended.error)
