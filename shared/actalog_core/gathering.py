"""Batches without a timer: whoever sends lets the others speak first."""

import asyncio

TURNS = 5  # of the event loop; without load each takes some microseconds


async def gathered(*, alone: bool = False) -> None:
    """Let whoever is about to ask, ask: what is ready now goes into the same batch. `alone`:
    nobody shared the batch before, so that one turn is enough to learn whether somebody does now."""
    for _ in range(1 if alone else TURNS):
        await asyncio.sleep(0)


async def sent() -> None:
    """Let a statement that was just asked for be on its way before more is begun: what takes the
    loop for milliseconds (building a request) would hold it back, a turn at a time."""
    await gathered()
    await gathered()
