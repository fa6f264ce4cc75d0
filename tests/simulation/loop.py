"""An event loop of virtual time in which several processes live.

A process is a name in the context of a callback. Callbacks of one process run in the order in
which they became ready, as asyncio promises; between processes the seed chooses. A process that
was killed runs no callback any more, not even its `finally`; one that is paused runs its own
later. Nothing waits for real time, and nothing here depends on the real one.
"""

import asyncio
import contextlib
import contextvars
import heapq
import random
import warnings
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

T = TypeVar("T")
Handles = deque[asyncio.Handle]


class Stuck(Exception):
    """Nothing is ready and no timer is set, but the main coroutine has not ended."""


@dataclass(eq=False)
class Process:
    """One life of one process. `steps` counts its callbacks; at `dies_at` it is killed before
    the next one."""

    name: str
    state: Literal["up", "paused", "dead"] = "up"
    steps: int = 0
    dies_at: int | None = None
    most_tasks: int = 1_000
    on_death: list[Callable[["Process"], None]] = field(
        default_factory=list[Callable[["Process"], None]]
    )
    ready: Handles = field(default_factory=Handles)
    listed: bool = False  # among those that the loop chooses from
    tasks: list[tuple[asyncio.Task[Any], Context]] = field(
        default_factory=list[tuple[asyncio.Task[Any], Context]]
    )

    def kill(self) -> None:
        """From now on nothing of it runs."""
        if self.state == "dead":
            return
        self.state = "dead"
        self.ready.clear()
        for told in self.on_death:
            told(self)


OWNER: ContextVar[Process | None] = ContextVar("simulated_process", default=None)


class SimLoop(asyncio.AbstractEventLoop):
    """`asyncio` as far as the platform uses it. `now` is in seconds since the beginning."""

    def __init__(self, seed: object) -> None:
        self.now = 0.0
        self.steps = 0
        self.world = Process("world")  # what belongs to no process: servers, clients, the faults
        self.dice = random.Random(f"loop {seed}")
        self.errors: list[BaseException] = []
        self._live: list[Process] = []  # with something ready
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._numbers = 0
        self._processes: dict[Process, None] = {self.world: None}

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(
        self, coro: Any, *, name: str | None = None, context: Context | None = None
    ) -> "asyncio.Task[Any]":
        context = context or contextvars.copy_context()
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name, context=context)
        owner = context.get(OWNER) or self.world
        owner.tasks.append((task, context))
        if len(owner.tasks) > owner.most_tasks:
            owner.tasks = [one for one in owner.tasks if not one[0].done()]
            owner.most_tasks = 1_000 + 2 * len(owner.tasks)
        return task

    def call_soon(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._put(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.now + max(0.0, delay), callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        self._numbers += 1
        heapq.heappush(self._timers, (when, self._numbers, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None: ...

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """At once and inline: there is one thread."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001, it belongs to whoever awaits it
            done.set_exception(error)
        return done

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.errors.append(error or RuntimeError(context.get("message")))

    # Processes.

    def within(self, process: Process) -> Context:
        """A context in which everything that is begun belongs to the process."""
        self._processes[process] = None
        context = Context()
        context.run(OWNER.set, process)
        return context

    def begin(self, process: Process, coro: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """A task of the process."""
        return self.create_task(coro, context=self.within(process))

    def pause(self, process: Process) -> None:
        """As SIGSTOP does: what is ready waits."""
        if process.state == "up":
            process.state = "paused"

    def resume(self, process: Process) -> None:
        """As SIGCONT does."""
        if process.state == "paused":
            process.state = "up"
            self._list(process)

    def _put(self, handle: asyncio.Handle) -> None:
        owner = handle._context.get(OWNER) or self.world  # type: ignore[attr-defined]
        if owner.state == "dead":
            return
        owner.ready.append(handle)
        self._list(owner)

    def _list(self, owner: Process) -> None:
        if owner.ready and owner.state == "up" and not owner.listed:
            owner.listed = True
            self._live.append(owner)

    # Running.

    def run(self, main: Coroutine[Any, Any, T], *, most_steps: int = 5_000_000) -> T:
        """Until `main` has ended.

        Raises:
            Stuck: nothing can happen any more, or far too much did.
        """
        asyncio._set_running_loop(self)  # type: ignore[attr-defined]
        try:
            task: asyncio.Task[T] = self.create_task(main)
            while not task.done():
                if not self._step():
                    raise Stuck(f"at {self.now:.3f} s")
                if self.steps > most_steps:
                    raise Stuck(f"{self.steps} steps at {self.now:.3f} s")
            return task.result()
        finally:
            self._bury()
            asyncio._set_running_loop(None)  # type: ignore[attr-defined]

    def _step(self) -> bool:
        live = self._live
        while not live:
            if not self._timers:
                return False
            when, _, handle = heapq.heappop(self._timers)
            if not handle.cancelled():
                self.now = max(self.now, when)
                self._put(handle)
        at = int(self.dice.random() * len(live)) if len(live) > 1 else 0
        owner = live[at]
        if owner.state != "up" or not owner.ready:
            live[at] = live[-1]
            live.pop()
            owner.listed = False
            return True
        if owner.dies_at is not None and owner.steps >= owner.dies_at:
            owner.dies_at = None
            owner.kill()
            return True
        handle = owner.ready.popleft()
        owner.steps += 1
        self.steps += 1
        if not handle.cancelled():
            handle._run()
        return True

    def _bury(self) -> None:
        """Close what is left, so that the garbage collector runs nobody's `finally` later."""
        for process in self._processes:
            process.state = "dead"
            process.ready.clear()
        self._timers.clear()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of coroutines that were never begun
            for process in self._processes:
                for task, context in process.tasks:
                    if not task.done():
                        _close(task, context)
                process.tasks.clear()


def _close(task: "asyncio.Task[Any]", context: Context) -> None:
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    with contextlib.suppress(BaseException):  # a dead process's clean-up is of no interest
        context.run(task.get_coro().close)  # type: ignore[union-attr]
