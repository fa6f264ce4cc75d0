"""Batches without a timer: whoever sends lets the others speak first."""

import asyncio

TURNS = 5  # of the event loop; without load each takes some microseconds


async def gathered() -> None:
    """Let whoever is about to ask, ask: what is ready now goes into the same batch."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def others_first() -> None:
    """Let what came in just now for others of this process reach them, and be passed on."""
    await gathered()
    await gathered()
