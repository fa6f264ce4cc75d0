"""What runs tell after their commit: commands first, then events, then the result (protocol 7)."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from actalog_bus.envelope import Postman
from actalog_bus.ports import Outgoing
from actalog_conductor import kinds
from actalog_conductor.agent_states import Finished, Paused
from actalog_conductor.draft import Told
from actalog_conductor.live import SETTLED, Live, Runs
from actalog_conductor.publish import Publisher
from actalog_contracts.calls import TurnFree
from actalog_core import crashpoints
from actalog_log.ports import RunLog, StoredEvent

COMPLETED = "run.completed.v1"
Fresh: TypeAlias = tuple[StoredEvent, bytes]  # with its payload
Leave: TypeAlias = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]  # `Delivery.leave`


class Teller:
    """Tells at least once, in order per run; repeats carry the same ids."""

    def __init__(self, *, log: RunLog, runs: Runs, postman: Postman, publisher: Publisher) -> None:
        self.log, self.runs, self.postman, self.publisher = log, runs, postman, publisher

    async def tell(self, all_told: Sequence[Told], leave: Leave | None = None) -> list[Live]:
        """After a commit. When it returns the broker has acknowledged all of it, unless `leave` is
        given: then it has what is left of that, and the run may hear what comes next."""
        out = [self.postman.request(one) for told in all_told for one in told.commands]
        results: list[Live] = []
        for told in all_told:
            fresh = await self._contiguous(told)
            out += self.publisher.events(told.live.row, fresh)
            if _speaks(told.live, fresh):
                results.append(told.live)
        elsewhere = await self._results(out, results)
        work = self._told(out, elsewhere, all_told)
        telling = leave(work) if leave is not None else await work
        return [
            self.runs.keep(replace(told.live, published=told.live.head.seq, telling=telling))
            for told in all_told
        ]

    async def _told(
        self, out: list[Outgoing], elsewhere: Sequence[Live], all_told: Sequence[Told]
    ) -> None:
        """What is behind others of its run counts as told when they do."""
        await self._send(out, elsewhere)
        lives = [told.live for told in all_told]
        for live in lives:
            await acknowledged(live)
        self._note(lives)
        for told in all_told:
            if told.moved:
                await self.turn_free(told.live)

    async def again(
        self, live: Live, *, without: frozenset[str] = frozenset(), result: bool = False,
        keep: bool = True,
    ) -> Live:  # fmt: skip
        """Everything that may not have been told: the message may be a redelivery whose first
        hearer died between commit and command (protocol 4.4). Calls in `without` are not asked."""
        await acknowledged(live)
        unpublished = live.published < live.head.seq
        fresh = await self._unpublished(live) if unpublished else ()
        if any(event.type == COMPLETED for event, _ in fresh):
            await self._children_again(live)
        asks = [one for one in kinds.commands(live.due()) if one.call_id not in without]
        out = [self.postman.request(one, again=True) for one in asks]
        out += self.publisher.events(live.row, fresh)
        results = [live] if result or _speaks(live, fresh) else []
        await self._send(out, await self._results(out, results))
        self._note([live])
        told = replace(live, published=live.head.seq, telling=None)
        await self.turn_free(told)
        return self.runs.keep(told) if keep else told

    async def _children_again(self, live: Live) -> None:
        """The child that an end started was told with it, or not at all."""
        for found in await self.log.children(live.row.run_no):
            await self.again(await self.runs.rebuild(found), keep=False)

    async def turn_free(self, live: Live) -> None:
        """Whoever ends or pauses looks for the first that waits (protocol 3.3)."""
        row = live.row
        if row.turn is None or kinds.standing(live.state) not in ("paused", "ended"):
            return
        waits = await self.log.first_waiting_no(row.tenant_id, row.session_id)
        if waits is None or (found := await self.log.find_run_no(waits)) is None:
            return
        row = found.row
        await self.postman.reply(
            TurnFree(
                tenant_id=row.tenant_id, run_no=row.run_no, run_id=row.run_id,
                session_id=row.session_id,
            )
        )  # fmt: skip

    async def _contiguous(self, told: Told) -> Sequence[Fresh]:
        """From memory only where nothing is missing before it."""
        if told.fresh[0][0].seq == told.live.published + 1:
            return told.fresh
        return await self._unpublished(told.live)

    async def _unpublished(self, live: Live) -> Sequence[Fresh]:
        stored = await self.log.read(live.row.run_no, after=live.published)
        return [(one, one.payload) for one in stored]

    async def _results(self, out: list[Outgoing], results: Sequence[Live]) -> Sequence[Live]:
        """Add results to what goes out; those that are sent to topics of their own."""
        elsewhere = [live for live in results if self.publisher.goes_elsewhere(live)]
        for live in results:
            if live not in elsewhere:
                out += await self.publisher.result(live)
        return elsewhere

    async def _send(self, out: Sequence[Outgoing], elsewhere: Sequence[Live]) -> None:
        if crashpoints.armed:
            crashpoints.reach("tell.sending")
        await self.postman.bus.publish_many(out)
        if crashpoints.armed:
            crashpoints.reach("tell.sent")
        for live in elsewhere:
            await self.publisher.result_elsewhere(live)

    def _note(self, lives: Sequence[Live]) -> None:
        for live in lives:
            if live.published < live.head.seq:
                self.log.published(live.row.run_no, live.head.seq)


async def acknowledged(live: Live) -> None:
    """Wait until what was told of a run is acknowledged.

    Raises:
        Transient: it was not.
    """
    if live.telling is not None:
        await asyncio.wait([live.telling])  # who is cancelled here cancels nobody else
        live.telling.result()


def _speaks(live: Live, fresh: Sequence[Fresh]) -> bool:
    """Whether a result follows: the run paused or ended, and not only a late outcome was told."""
    rests = isinstance(live.state, (Finished, Paused))
    return rests and any(event.type != SETTLED for event, _ in fresh)
