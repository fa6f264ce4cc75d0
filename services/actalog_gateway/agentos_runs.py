"""Follows a run for AgentOS's clients: as a stream, or to its end; remembering is waited for."""

import asyncio
from collections.abc import AsyncGenerator, Collection
from contextlib import aclosing, suppress
from typing import Any

from fastapi import Request

from actalog_contracts.definitions import AgentDefinition
from actalog_core import metrics
from actalog_core.errors import Transient
from actalog_gateway.agentos_told import AgentTeller
from actalog_gateway.feeds import Dropped, Feed, Item, Told
from actalog_gateway.follow import Refused
from actalog_gateway.gateway import Gateway
from actalog_gateway.problems import Problem
from actalog_gateway.reader import Where
from actalog_gateway.story import Story, tell
from actalog_gateway.streaming import CutOff
from actalog_log.ports import FoundRun

REMEMBER_S = 30.0  # AgentOS shows RunCompleted after memory; the answer is there before
REMEMBER_LOOK_S = 0.05
SETTLED = "call.settled.v1"  # what came late may follow a pause, too
ENDLESS = 1_000_000  # items: who waits for the end reads as fast as they come
ENDLESS_BYTES = 64 * 1_048_576


class ClientGone(Exception):
    """Nobody waits for the answer any more; the run goes on."""


async def frames(
    gate: Gateway, where: Where, teller: AgentTeller, first: bytes,
    answered: Collection[str] = (), *, fresh: bool = False,
) -> AsyncGenerator[bytes, None]:  # fmt: skip
    """The stream of a run until it has ended or waits for somebody. `answered`: requirements whose
    answers are on their way. `fresh`: see `Hub.story`.

    Raises:
        CutOff: it reads too slowly, or the gateway stops. This wire has no way to go on.
    """
    if first:
        yield first
    with gate.hub.feed(where) as feed:
        async with aclosing(gate.hub.story(where, feed, fresh=fresh)) as story:
            try:
                async for item in story:
                    pause = _pause(item, teller.after)
                    if pause and not await _stands(gate, where, pause, answered):
                        continue
                    for frame in teller.tell(item):
                        yield frame
                    if pause:
                        return
            except Dropped:
                metrics.SSE_DROPPED.inc()
                raise CutOff from None
            except Refused as refused:
                yield teller.frame("RunError", content=refused.message, error_type="refused")
                return
        if not teller.story.ended:
            raise CutOff
    if teller.story.status in ("completed", "cancelled"):
        async for frame in _remembered(gate, where, teller):
            yield frame
        if teller.events:
            yield teller.completed(await state(gate, where, teller.definition))


async def ended(
    gate: Gateway, where: Where, *, after: int = 0, answered: Collection[str] = (),
    request: Request | None = None,
) -> FoundRun:  # fmt: skip
    """Wait until the run has ended, or waits for somebody behind `after`.

    Raises:
        ClientGone: it has closed the connection.
        Problem: there will be no such run, or the gateway stops.
    """
    with gate.hub.feed(where, Feed(most=ENDLESS, most_bytes=ENDLESS_BYTES, deltas=False)) as feed:
        async with aclosing(gate.hub.story(where, feed)) as story:
            waiting = asyncio.ensure_future(_last(gate, where, story, after, answered))
            try:
                while not waiting.done():
                    await asyncio.wait([waiting], timeout=1.0)
                    if request is not None and await request.is_disconnected():
                        raise ClientGone
                await waiting
            except Refused as refused:
                raise Problem("unknown_run", refused.message, field="run_id") from refused
            finally:
                waiting.cancel()
                await asyncio.wait([waiting])  # it runs the story, which is closed next
        if feed.closed:
            raise goes_on(where, "this gateway stops")
    return await gate.reader.run(where.tenant_id, where.run_id)


def goes_on(where: Where, why: str) -> Problem:
    """No answer now. Whoever took that for a refusal, and sent the task again, would have two runs."""
    said = f"{why}; the run {where.run_id!r} goes on, ask for it by its id"
    return Problem("overloaded", said, status=503, retryable=False, run_id=where.run_id)


async def _last(
    gate: Gateway, where: Where, story: AsyncGenerator[Item], after: int, answered: Collection[str]
) -> None:
    async for item in story:
        pause = _pause(item, after)
        if pause and await _stands(gate, where, pause, answered):
            return


def _pause(item: Item, after: int) -> Told | None:
    if isinstance(item, Told) and item.type == "run.paused.v1" and item.seq > after:
        return item
    return None


async def _stands(gate: Gateway, where: Where, pause: Told, answered: Collection[str]) -> bool:
    """Whether it is for somebody to answer still. A run whose first answer has ended a call pauses
    again for the others, which are on their way; and one that is followed anew has gone on."""
    if all(one["id"] in answered for one in pause.payload["requirements"]):
        return False
    with suppress(Transient):
        found = await gate.reader.run(where.tenant_id, where.run_id)
        since = await gate.log.read(found.row.run_no, after=pause.seq)
        return all(one.type == SETTLED for one in since)
    return True


async def state(gate: Gateway, where: Where, definition: AgentDefinition) -> dict[str, Any]:
    """The session's state as it is now."""
    told, _ = await gate.reader.session_state(where.tenant_id, where.session_id, definition)
    return told


async def _remembered(
    gate: Gateway, where: Where, teller: AgentTeller
) -> AsyncGenerator[bytes, None]:
    """The memory run's events, if the definition asks for one; it can neither delay nor fail the
    answer, so it is not waited for without end."""
    wanted = teller.events and wants_memory(teller.definition)
    if teller.story.status != "completed" or not wanted:
        return
    if teller.definition.learn:
        yield teller.frame("MemoryUpdateStarted")
    told = await _memory_story(gate, where)
    if teller.definition.learn:
        yield teller.frame("MemoryUpdateCompleted", memories=_memories(told, where, teller))
    if teller.definition.summary:
        yield teller.frame("SessionSummaryStarted")
        summary = told.summary if told else None
        said = {"summary": summary.summary, "topics": list(summary.topics)} if summary else None
        yield teller.frame("SessionSummaryCompleted", session_summary=said)


def wants_memory(definition: AgentDefinition) -> bool:
    return definition.learn or definition.summary


async def _memory_story(gate: Gateway, where: Where) -> Story | None:
    """The memory run's story once it has ended; what there is of it after REMEMBER_S."""
    told: Story | None = None
    found = await gate.reader.run(where.tenant_id, where.run_id)
    until = asyncio.get_running_loop().time() + REMEMBER_S
    wait = REMEMBER_LOOK_S
    while asyncio.get_running_loop().time() < until:
        for child in await gate.log.children(found.row.run_no):
            if child.row.kind == "memory":
                told = tell(child.row.run_id, await gate.reader.events(child.row.run_no))
        if told is None or told.ended:
            return told
        await asyncio.sleep(wait)
        wait = min(wait * 1.5, 1.0)
    return told


def _memories(told: Story | None, where: Where, teller: AgentTeller) -> list[dict[str, Any]]:
    ops = [op for event in told.memories for op in event.ops] if told else []
    return [
        {"memory_id": op.id, "memory": op.text, "topics": list(op.topics),
         "agent_id": teller.definition.id}
        for op in ops if op.op != "delete"
    ]  # fmt: skip
