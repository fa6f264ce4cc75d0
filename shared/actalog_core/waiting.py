"""Waiting for a server that is away: said once, then now and then; not at every attempt."""

import asyncio
import time
from collections.abc import Callable

import structlog

FIRST_S, MOST_S = 0.2, 5.0
SAY_AGAIN_S = 60.0

log = structlog.get_logger()


class Waiting:
    """Pauses that grow, for one thing that is waited for."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._wait_s = FIRST_S
        self._said: str | None = None
        self._say_at = 0.0

    async def pause(self, what: str) -> None:
        """It is not there. Tells what is waited for when that is new, and once a minute."""
        now = self._monotonic()
        if what != self._said or now >= self._say_at:
            log.warning("waiting", what=what)
            self._said, self._say_at = what, now + SAY_AGAIN_S
        await asyncio.sleep(self._wait_s)
        self._wait_s = min(MOST_S, self._wait_s * 2)

    def over(self) -> None:
        """It is there; told where the waiting was."""
        if self._said is not None:
            log.info("waited enough", what=self._said)
        self._said, self._wait_s = None, FIRST_S
