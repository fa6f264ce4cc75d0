"""One event loop in a thread of its own, so that `run` works in scripts, in notebooks, and inside
a loop that runs already."""

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from typing import Any, TypeVar

from actalog_core.errors import ActalogError
from actalog_core.service import in_order

T = TypeVar("T")
STOP_S = 10.0  # how long the end of a program waits for what runs in it


class BackgroundLoop:
    """The thread starts when it is first needed and ends with the program."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._closers: list[Callable[[], Awaitable[None]]] = []

    def loop(self) -> asyncio.AbstractEventLoop:
        """The running loop; a forked process gets its own."""
        with self._lock:
            if self._loop is None or self._pid != os.getpid():
                self._loop = asyncio.new_event_loop()
                self._pid = os.getpid()
                self._closers = []  # what its parent has opened is its parent's
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="actalog", daemon=True
                )
                self._thread.start()
                atexit.register(self.close)
            return self._loop

    def at_close(self, closer: Callable[[], Awaitable[None]]) -> None:
        """Await this before the loop ends; the last one first."""
        self._closers.append(closer)

    def inside(self) -> bool:
        """Whether the caller runs on this loop."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop())

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Block until it is done. An interrupt cancels it.

        Raises:
            RuntimeError: the caller would wait for itself.
        """
        if self.inside():
            coroutine.close()
            raise RuntimeError("run() would wait for itself in an async tool; await arun() instead")
        future = self.submit(coroutine)
        try:
            return future.result()
        except ActalogError as error:
            raise _shortly(error) from error.__cause__
        except BaseException:
            future.cancel()
            raise

    async def wait(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Await it from whatever loop the caller has."""
        if self.inside():
            return await coroutine
        try:
            return await asyncio.wrap_future(self.submit(coroutine))
        except ActalogError as error:
            raise _shortly(error) from error.__cause__

    def iterate(self, items: AsyncGenerator[T, None]) -> Iterator[T]:
        """An async generator's items, one after the other, for a caller without a loop."""
        try:
            while True:
                try:
                    yield self.run(_next(items))
                except StopAsyncIteration:
                    return
        finally:
            self.run(_close(items))

    async def aiterate(self, items: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """The same for a caller with a loop of its own."""
        try:
            while True:
                try:
                    yield await self.wait(_next(items))
                except StopAsyncIteration:
                    return
        finally:
            await self.wait(_close(items))

    def close(self) -> None:
        """Stop what runs, then the loop. Called at the end of the program."""
        with self._lock:
            loop, self._loop = self._loop, None
            thread, self._thread = self._thread, None
        if loop is None or thread is None or self._pid != os.getpid():
            return
        with contextlib.suppress(TimeoutError):  # the program ends, and what still runs with it
            asyncio.run_coroutine_threadsafe(self._shut(), loop).result(STOP_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(STOP_S)
        if not loop.is_running():
            loop.close()

    async def _shut(self) -> None:
        while self._closers:
            await in_order(self._closers.pop()())
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        for task in others:
            await asyncio.wait([task], timeout=1)


def _shortly(error: ActalogError) -> ActalogError:
    """Its message says what is wrong. By which ways of ours it came from the other loop tells an
    author nothing, and buries his own line."""
    return error.with_traceback(None)


async def _next(items: AsyncGenerator[T, None]) -> T:
    return await anext(items)


async def _close(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()


BACKGROUND = BackgroundLoop()
