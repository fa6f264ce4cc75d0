"""Wakes one run: what it waits for is asked again, where nobody is at it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from actalog_bus.envelope import Postman
from actalog_conductor import kinds
from actalog_conductor.live import Live, Runs
from actalog_conductor.telling import Teller
from actalog_contracts.calls import TimePassed, TurnFree
from actalog_core import metrics
from actalog_core.clock import Clock, parse_time, rfc3339
from actalog_log.call_ports import ledger_key
from actalog_log.ports import OpenRun, RunLog

SOONEST = timedelta(seconds=1)


@dataclass
class Waking:
    """Reads runs from the log, never from the cache: it may not be their home."""

    log: RunLog
    runs: Runs
    teller: Teller
    postman: Postman
    clock: Clock

    async def wake(self, due: OpenRun) -> datetime | None:
        """An open run whose `wake_at` has come. When it wants to be looked at by itself, if the
        net would come later."""
        metrics.WAKES.inc()
        live = await self.runs.load(due.row.run_no)
        match kinds.standing(live.state):
            case "ended":
                await self._close(live)
            case "waiting":
                await self._turn(live)
                await self._ask(live)
            case "active" | "paused":
                await self._ask(live)
            case "lost":
                return None
        return await self._timer(live)

    async def resume(self, run_no: int, key: str) -> bool:
        """A call whose holder's lease has run out; False: the run does not wait for it."""
        live = await self.runs.load(run_no)
        asks = kinds.commands(live.due())
        for command in asks:
            if ledger_key(run_no, command.call_id) == key:
                await self.postman.command_elsewhere(command)
                return True
        return False

    async def _ask(self, live: Live) -> None:
        """What somebody holds now is not asked again."""
        held = await self.log.live_calls(live.row.run_no)
        asks = kinds.commands(live.due())
        busy = {one.call_id for one in asks if ledger_key(live.row.run_no, one.call_id) in held}
        await self.teller.again(live, without=frozenset(busy), keep=False)

    async def _close(self, live: Live) -> None:
        """An ended run leaves when it was published and its calls are settled."""
        await self.teller.again(live, keep=False)
        await self.log.abandon_calls(live.row.run_no)
        self.log.published(live.row.run_no, live.head.seq)

    async def _turn(self, live: Live) -> None:
        row = live.row
        if await self.log.first_waiting_no(row.tenant_id, row.session_id) == row.run_no:
            await self.postman.reply(TurnFree(**_about(live)))

    async def _timer(self, live: Live) -> datetime | None:
        """Time is a message; a timer that comes before the next look is looked at then."""
        timer, now = kinds.next_look(live.due()), self.clock()
        if timer is None:
            return None
        if timer <= rfc3339(now):
            await self.postman.reply(TimePassed(**_about(live), now=rfc3339(now)))
            return None
        return max(parse_time(timer), now + SOONEST)


def _about(live: Live) -> dict[str, Any]:
    row = live.row
    return {
        "tenant_id": row.tenant_id, "run_no": row.run_no, "run_id": row.run_id,
        "session_id": row.session_id,
    }  # fmt: skip
