"""Threads for callables that are not async. One that overruns its deadline cannot be stopped:
its slot goes to others, as long as not too many hang."""

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Ended(Generic[T]):
    """How author code ended: what it made, or what it raised, also KeyboardInterrupt and
    SystemExit, which a future or a task would carry into the event loop."""

    value: T | None = None
    error: BaseException | None = None


@dataclass(eq=False)
class _Job:
    run: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    done: "asyncio.Future[Ended[Any]]"
    finished: Callable[["_Job", Ended[Any]], None]
    overran: bool = False


class Threads:
    """At most `most` callables at once, and `most_overrunning` that hang beside them. The threads
    are daemons: one that hangs does not keep the process from ending."""

    def __init__(self, *, most: int = 64, most_overrunning: int = 64) -> None:
        self.slots = asyncio.Semaphore(most)
        self.most_overrunning = most_overrunning
        self.overrunning = 0
        self.jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self.idle = threading.Semaphore(0)
        self.threads = 0

    async def begin(self, run: Callable[[], T]) -> "_Job":
        """Begin once a slot is free, in the caller's context. `done` of what is returned never
        raises; after a deadline it is given to `leave`."""
        await self.slots.acquire()
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()
        job = _Job(lambda: context.run(run), loop, loop.create_future(), self._finished)
        try:
            if not self.idle.acquire(blocking=False):
                threading.Thread(target=self._work, name="actalog tool", daemon=True).start()
                self.threads += 1
        except RuntimeError:  # no thread can be had: the slot stays usable
            self.slots.release()
            raise
        self.jobs.put(job)
        return job

    def leave(self, job: "_Job") -> None:
        """Nobody waits for it any more. It runs on; what it makes is dropped."""
        if job.done.done() or job.overran:
            return
        job.overran = True
        self.overrunning += 1
        if self.overrunning <= self.most_overrunning:
            self.slots.release()

    def stop(self) -> None:
        """Let idle threads end."""
        for _ in range(self.threads):
            self.jobs.put(None)

    def missing(self) -> str | None:
        """None while there are slots to be had; else what is wrong."""
        if self.overrunning <= self.most_overrunning:
            return None
        return f"threads: {self.overrunning} tools hang beyond their deadline"

    def _work(self) -> None:
        while (job := self.jobs.get()) is not None:
            try:
                ended: Ended[Any] = Ended(job.run())
            except BaseException as error:  # noqa: BLE001 - whatever an author raises
                ended = Ended(error=error)
            self.idle.release()
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
                job.loop.call_soon_threadsafe(job.finished, job, ended)
            del job, ended

    def _finished(self, job: _Job, ended: Ended[Any]) -> None:
        if not job.done.done():
            job.done.set_result(ended)
        if not job.overran:
            self.slots.release()
            return
        if self.overrunning > self.most_overrunning:
            self.slots.release()
        self.overrunning -= 1
