"""Until SIGTERM or SIGINT: then drain. A second signal ends at once."""

import asyncio
import contextlib
import os
import signal
from typing import Protocol

from actalog.cli.common import INTERRUPTED


class Lasting(Protocol):
    """Something that runs until it is told to stop."""

    async def run(self) -> int | None:
        """Runs; cancelled when a signal comes. An exit status when it ends by itself."""
        ...

    async def stop(self) -> None:
        """Drain. Called once, also after a failure."""
        ...


async def until_signal(lasting: Lasting) -> int | None:
    """Run it; whatever happens, stop it in order. A signal is no failure."""
    running = asyncio.ensure_future(lasting.run())
    loop, told = asyncio.get_running_loop(), False

    def on_signal() -> None:
        nonlocal told
        if told:
            os._exit(INTERRUPTED)  # somebody insists; what is unfinished is heard again
        told = True
        running.cancel()

    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, on_signal)
    try:
        with contextlib.suppress(asyncio.CancelledError):
            return await running
        return None
    finally:
        await lasting.stop()
