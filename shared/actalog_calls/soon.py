"""What can wait for a moment, so that much of it goes together."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping

Settled = tuple[int, bytes]  # epoch, outcome
SOON_S = 0.05


class Soon:
    """What comes within one moment is settled together when the moment is over."""

    def __init__(
        self, settle: Callable[[Mapping[str, Settled]], Awaitable[None]], delay_s: float = SOON_S
    ) -> None:
        self.settle, self.delay_s = settle, delay_s
        self.waiting: dict[str, Settled] = {}
        self.over = asyncio.Event()
        self.next: asyncio.Task[None] | None = None
        self.tasks: set[asyncio.Task[None]] = set()

    def put_off(self, call_id: str, settled: Settled) -> "asyncio.Task[None]":
        """Nobody needs to wait for it; who does waits for all of them."""
        self.waiting[call_id] = settled
        if self.next is None:
            self.over.clear()
            asyncio.get_running_loop().call_later(self.delay_s, self.over.set)
            self.next = asyncio.create_task(self._run(), name="settled soon")
            self.tasks.add(self.next)
            self.next.add_done_callback(self.tasks.discard)
        return self.next

    async def _run(self) -> None:
        await self.over.wait()
        together, self.waiting, self.next = self.waiting, {}, None
        await self.settle(together)

    async def stop(self, within_s: float = 1.0) -> None:
        """Settle now what was put off; what is not done within that time is given up."""
        self.over.set()
        if not self.tasks:
            return
        await asyncio.wait(set(self.tasks), timeout=within_s)
        for task in set(self.tasks):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
