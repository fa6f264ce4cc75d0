"""Keeps the projection near the log."""

import asyncio
import contextlib

import structlog

from actalog_core import metrics
from actalog_log.memories import BATCH, MemoryStore

SOON_S, LATER_S = 0.25, 1.0  # while there is news, and when it is quiet
LOOK_S = 15.0  # how often it looks how far it is behind

log = structlog.get_logger()


class Projector:
    """A part of the memory service. Several replicas share the work: one holds the cursor."""

    def __init__(self, memories: MemoryStore, *, look_s: float = LOOK_S) -> None:
        self._memories, self._look_s = memories, look_s
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to follow the log."""
        self._task = asyncio.create_task(self._follow(), name="memory projector")

    async def stop(self) -> None:
        """Stop between two steps."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def ready(self) -> str | None:
        """None while it follows."""
        if self._task is None or self._task.done():
            return "memory: the projector does not run"
        return None

    async def _follow(self) -> None:
        loop, pause_s, look_at = asyncio.get_running_loop(), SOON_S, 0.0
        while True:
            try:
                applied = await self._memories.catch_up()
                if loop.time() >= look_at:
                    metrics.MEMORIES_BEHIND_SECONDS.set(await self._memories.behind_s())
                    look_at = loop.time() + self._look_s
            except Exception as error:  # noqa: BLE001 - whatever it is, nobody else follows
                log.warning("the projection waits", error=type(error).__name__)
                applied = 0
            pause_s = SOON_S if applied else min(LATER_S, pause_s * 1.5)
            if applied < BATCH:
                await asyncio.sleep(pause_s)
