"""What nobody waits for at the broker leaves a moment later, and with what is sent next.

A run alone sends its records one by one, and each of them is a request, an answer and a fetch in the
middle of what a person waits for. What this process hears by itself (`early`) can wait.
"""

import asyncio

SOON_S = 0.005


class Departures:
    """Records leave in the order in which they were published, whoever of them waits."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Future[None]] = []
        self._leaving = 0  # were told to go, and have not gone yet
        self._timer: asyncio.TimerHandle | None = None

    async def turn(self, *, waits: bool) -> None:
        """Until it is one's turn: at once, or with the next that cannot wait."""
        if not waits and not self._waiting and not self._leaving:
            return
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[None] = loop.create_future()
        self._waiting.append(mine)
        if not waits:
            loop.call_soon(self.go)
        elif self._timer is None:
            self._timer = loop.call_later(SOON_S, self.go)
        try:
            await mine
        finally:
            if mine.done() and not mine.cancelled():
                self._leaving -= 1
            mine.cancel()  # who gave up is told nothing

    def go(self) -> None:
        """All that wait leave now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)
                self._leaving += 1
