"""What became of an answer: the event that stands in the log, or why it was refused."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from actalog.cli.following import Follower
from actalog_contracts.runs import RequirementResolved
from actalog_core.events import decode
from actalog_log.ports import RunLog

LOOK_S = 0.05
WITHIN_S = 10.0


async def resolution(
    log: RunLog, run_no: int, requirement_id: str, *, after: int = 0
) -> RequirementResolved | None:
    """The answer that stands; None: nobody's does yet."""
    for stored in await log.read(run_no, after=after):
        if stored.type == "requirement.resolved.v1":
            event = decode(stored.type, stored.payload)
            if isinstance(event, RequirementResolved) and event.requirement_id == requirement_id:
                return event
    return None


async def became(
    log: RunLog, run_no: int, message: dict[str, Any], follower: Follower, *,
    within_s: float = WITHIN_S,
) -> RequirementResolved | dict[str, Any] | None:  # fmt: skip
    """The event that stands, or the refusal of this message; None: not decided in time."""
    async with _refusal(follower, message) as refused:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while True:
                    event = await resolution(log, run_no, message["requirement_id"])
                    if event is not None:
                        return event
                    if refused.done():
                        return refused.result()
                    await asyncio.sleep(LOOK_S)
    return None


@asynccontextmanager
async def _refusal(
    follower: Follower, message: dict[str, Any]
) -> AsyncGenerator["asyncio.Task[dict[str, Any]]"]:
    task = asyncio.ensure_future(_refused(follower, message))
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _refused(follower: Follower, message: dict[str, Any]) -> dict[str, Any]:
    async for told in follower.messages():
        about = (told.get("type"), told.get("refused_type"), told.get("run_id"))
        if about == ("message.refused.v1", message["type"], message["run_id"]):
            return told
    raise AssertionError("messages() never ends")


def same(event: RequirementResolved, message: dict[str, Any]) -> bool:
    """Whether the answer that stands is this one."""
    return (event.decision, event.by) == (message["decision"], message["by"])


def told(event: RequirementResolved) -> str:
    """`approve by ann: looks right`."""
    by = f" by {event.by}" if event.by else ""
    return f"{event.decision}{by}" + (f": {event.note}" if event.note else "")
