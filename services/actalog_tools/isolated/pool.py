"""The service's side: workers that wait for calls, and the guardian that forks and kills them."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from actalog_core.errors import Transient
from actalog_tools.isolated import frames
from actalog_tools.isolated.asked import Ask, answered
from actalog_tools.isolated.guarding import Guardian, Worker
from actalog_tools.running import Cancel, Ran

log = structlog.get_logger()

MOST = 8  # processes at once; calls beyond wait
LOAD_S = 30.0  # a worker's start and the import of the author's module, before the deadline begins
KILLED_S = 5.0  # what is not dead by then waits in the kernel: it is told of, not waited for


class Stopping(Transient):
    """The tools service stops."""


class Isolated:
    """A part of the tools service. Nothing is started before the first call."""

    def __init__(self, *, most: int = MOST) -> None:
        self.most = most
        self.slots = asyncio.Semaphore(most)
        self.idle: list[Worker] = []
        self.guardian: Guardian | None = None
        self.undead = 0
        self.stopped = False

    async def start(self) -> None:
        self.stopped = False

    async def stop(self) -> None:
        """Kill what still runs, and all that it left."""
        self.stopped = True
        guardian, self.guardian = self.guardian, None
        if guardian is not None:
            await guardian.stop()

    def ready(self) -> str | None:
        if self.undead < self.most:
            return None
        return f"isolated tools: {self.undead} processes cannot be killed"

    async def run(self, ask: Ask, *, timeout_s: float, cancel: Cancel) -> Ran:
        """Run a callable in a process of its own, to its end, its deadline, or until it is
        cancelled or ours; then nothing of it runs any more. Raises nothing of the author's.
        The deadline begins with the callable.

        Raises:
            Stopping: the service ends; whoever takes the call over does what is declared.
        """
        try:
            async with self._worker(cancel) as worker:
                if (forbidden := cancel.forbids()) is not None:
                    return forbidden
                return await self._call(worker, ask, timeout_s, cancel)
        except asyncio.CancelledError:
            if cancel.wanted and not _being_cancelled():
                return Ran("cancelled", begun=False)
            raise

    @asynccontextmanager
    async def _worker(self, cancel: Cancel) -> AsyncGenerator[Worker]:
        """One for a call; killed unless it may be used again."""
        if cancel.wanted:
            raise asyncio.CancelledError
        waiting = asyncio.ensure_future(self.slots.acquire())
        cancel.tasks.append(waiting)
        await waiting
        cancel.tasks.remove(waiting)
        try:
            worker = self._idle() or await self._forked()
        except BaseException:
            self.slots.release()
            raise
        try:
            yield worker
        finally:
            if worker.again:
                self.idle.append(worker)
                self.slots.release()
            else:
                worker.kill("stopped")
                self.undead += 1
                worker.gone.add_done_callback(lambda _: self._dead())

    def _dead(self) -> None:
        self.undead -= 1
        self.slots.release()

    def _idle(self) -> Worker | None:
        while self.idle:
            worker = self.idle.pop()
            if not worker.gone.done():
                return worker
        return None

    async def _forked(self) -> Worker:
        if self.stopped:
            raise Stopping
        if self.guardian is None or self.guardian.gone:
            self.guardian = Guardian.started()
        return await self.guardian.fork()

    async def _call(self, worker: Worker, ask: Ask, timeout_s: float, cancel: Cancel) -> Ran:
        worker.again, begun = False, False
        worker.send(frames.packed(ask.frame()))
        stopped = asyncio.get_running_loop().create_future()
        cancel.tasks.append(stopped)
        try:
            for within_s in (LOAD_S, timeout_s):
                said = await _said(worker, ask.most_bytes(), stopped, within_s)
                match said:
                    case {"how": "began"} if not begun:
                        begun = True
                    case {"left": left, "large": large}:
                        worker.again = not (left or large)
                        return await self._told(worker, said, "left" if left else "memory")
                    case "timeout" | "cancelled":
                        return await self._killed(worker, said, begun)
                    case _:
                        return await self._died(worker, said, begun)
            return await self._died(worker, None, begun)
        finally:
            cancel.tasks.remove(stopped)

    async def _told(self, worker: Worker, said: dict[str, Any], why: str) -> Ran:
        """Its answer; what it left behind dies before the answer is told."""
        try:
            ran = answered(said)
        except (KeyError, TypeError, ValueError):
            worker.again = False
            return await self._died(worker, said, True)
        if not worker.again:
            await self._kill(worker, why)
        return ran

    async def _killed(self, worker: Worker, why: Any, begun: bool) -> Ran:
        await self._kill(worker, why)
        if why == "timeout" and not begun:
            said = f"its module was not imported within {LOAD_S:.0f} s"
            return Ran("died", died=said, begun=False)
        return Ran(why, begun=begun)

    async def _died(self, worker: Worker, said: Any, begun: bool) -> Ran:
        if said is not None:  # it lives, but what it says is no answer
            await self._kill(worker, "garbage")
            return Ran("died", died="its process said what is no answer", begun=begun)
        await self._kill(worker, "died")
        if self.stopped:
            raise Stopping
        return Ran("died", died=worker.told(), begun=begun)

    async def _kill(self, worker: Worker, why: str) -> None:
        worker.kill(why)
        await asyncio.wait([worker.gone], timeout=KILLED_S)
        if not worker.gone.done():
            log.error("a worker cannot be killed", worker=worker.number)


async def _said(
    worker: Worker, most_bytes: int, stopped: "asyncio.Future[Any]", within_s: float
) -> Any:
    """A frame, "timeout", "cancelled", something else that is no frame, or None: it is gone."""
    reading = asyncio.ensure_future(frames.read(worker.reader, most=most_bytes))
    try:
        await asyncio.wait(
            [reading, stopped, worker.gone], timeout=within_s, return_when="FIRST_COMPLETED"
        )
        if reading.done():
            with contextlib.suppress(OSError, EOFError):
                return reading.result()
            return None
    except frames.NoFrame as error:
        return str(error)
    finally:
        reading.cancel()
    if worker.gone.done():
        return None
    return "cancelled" if stopped.done() else "timeout"


def _being_cancelled() -> bool:
    """Whether we ourselves are: not what we wait for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
