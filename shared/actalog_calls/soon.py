"""Work that can wait for a moment, so that much of it goes together."""

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

SOON_S = 0.05


class Soon:
    """What is put off within one moment begins together when the moment is over."""

    def __init__(self, delay_s: float = SOON_S) -> None:
        self.delay_s = delay_s
        self.tasks: set[asyncio.Task[bool]] = set()
        self.over = asyncio.Event()
        self.over.set()

    def begin(self, work: Coroutine[Any, Any, bool]) -> "asyncio.Task[bool]":
        """Nobody needs to wait for it."""
        if self.over.is_set():
            self.over = asyncio.Event()
            asyncio.get_running_loop().call_later(self.delay_s, self.over.set)
        task = asyncio.create_task(self._after(self.over, work), name="put off")
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def _after(self, over: asyncio.Event, work: Coroutine[Any, Any, bool]) -> bool:
        try:
            await over.wait()
        except BaseException:
            work.close()
            raise
        return await work

    async def stop(self, within_s: float = 1.0) -> None:
        """Begin now what was put off; what is not done within that time is given up."""
        self.over.set()
        if not self.tasks:
            return
        await asyncio.wait(set(self.tasks), timeout=within_s)
        for task in set(self.tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
