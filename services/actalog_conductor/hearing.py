"""One run hears one message: decide, append, tell. Hearing it twice changes nothing (law 5)."""

import time
from collections.abc import Sequence
from dataclasses import replace

from actalog_conductor import draft
from actalog_conductor.draft import Beside, Drafted
from actalog_conductor.heard import Broken, Heard
from actalog_conductor.live import Live, Runs
from actalog_conductor.telling import Leave, Teller, acknowledged
from actalog_contracts.runs import RunEvent
from actalog_core import metrics
from actalog_core.clock import Clock
from actalog_core.errors import DataRefused, RunExists, SequenceTaken
from actalog_core.sure_clock import SureClock
from actalog_log.ports import Decision, RunLog

CONFLICTS_BEFORE_GIVING_UP = 10
NOTHING = Beside()


class Hearing:
    """Lets runs hear. The append's fence is truth; what is cached is warmth (law 13)."""

    def __init__(
        self, *, log: RunLog, runs: Runs, teller: Teller, clock: Clock, sure: SureClock
    ) -> None:
        self.log, self.runs, self.teller = log, runs, teller
        self.clock, self.sure = clock, sure

    async def begin(
        self, before: Live, heard: Heard, beside: Beside, leave: Leave | None = None
    ) -> Live:
        """Append a new run's first events and tell them. `leave`: see `Teller.tell`.

        Raises:
            RunExists, TurnTaken, SequenceTaken: somebody was first, see RunLog.append.
            DataRefused: the log cannot keep it.
        """
        events = before.kind.decide(before.state, heard)
        return await self._append(before, heard, events, beside=beside, leave=leave)

    async def hear(
        self, run_no: int, heard: Heard, *, causation: str | None = None,
        keeps_answer: bool = False, leave: Leave | None = None,
    ) -> Live:  # fmt: skip
        """Let a run hear a message; the run as it stands then. `keeps_answer`: the ledger keeps
        the outcome, which otherwise goes with the decision. `leave`: see `Teller.tell`.

        Raises:
            Transient: the log or the bus cannot be reached, or others are always first.
        """
        for _ in range(CONFLICTS_BEFORE_GIVING_UP):
            cached = self.runs.cached(run_no)
            live = cached or await self.runs.load(run_no)
            events = live.kind.decide(live.state, heard)
            if not events:
                if cached is None:  # its first hearer may have died between commit and command
                    await self._release(live, heard)
                    return await self.teller.again(live)
                if await self.log.last_seq(run_no) == live.head.seq:
                    await acknowledged(live)
                    await self._release(live, heard)
                    return live
                self.runs.drop(run_no)
                continue
            try:
                return await self._append(
                    live, heard, events, causation=causation, cold=cached is None,
                    keeps_answer=keeps_answer, leave=leave,
                )  # fmt: skip
            except (SequenceTaken, RunExists):
                self.runs.drop(run_no)
            except DataRefused as error:  # ends this run and no other (protocol 4.2)
                if isinstance(heard, Broken):
                    raise
                heard = Broken(f"the log cannot keep what was heard: {error.detail}")
                causation = None
        raise SequenceTaken(f"run_no {run_no}: others were always first")

    async def again(self, run_no: int) -> Live:
        """A message that the run has heard: what its first hearer may not have told is told."""
        cached = self.runs.cached(run_no)
        if cached is not None and await self.log.last_seq(run_no) == cached.head.seq:
            await acknowledged(cached)
            return cached
        self.runs.drop(run_no)
        return await self.teller.again(await self.runs.load(run_no))

    async def _append(
        self, before: Live, heard: Heard, events: Sequence[RunEvent], *,
        causation: str | None = None, cold: bool = False, beside: Beside = NOTHING,
        keeps_answer: bool = False, leave: Leave | None = None,
    ) -> Live:  # fmt: skip
        own = draft.drafted(
            before, events, now=self.clock(), causation=causation, cold=cold, beside=beside
        )
        parts = [own]
        if draft.remembers(own.told, events):
            parts.append(await self._child(own))
        row, version = before.row, 0
        if own.ops:
            version = await self.log.state_version(row.tenant_id, row.session_id)
        decision = draft.decision(before, heard, parts, beside=beside, state_version=version)
        if keeps_answer:
            decision = replace(decision, clear_calls=())
        began = time.perf_counter()
        await self.log.append(decision)
        metrics.APPEND_SECONDS.observe(time.perf_counter() - began)
        # From here on the commit stands: whatever fails now is told by whoever hears next.
        self.runs.drop(row.run_no)
        return (await self.teller.tell([part.told for part in parts], leave))[0]

    async def _child(self, parent: Drafted) -> Drafted:
        now = self.clock()
        run_no = await self.log.reserve_run_no()
        began, start = draft.child(
            parent.told.live, run_no=run_no, now=now, latest=self.sure.latest()
        )
        return draft.drafted(began, began.kind.decide(began.state, start), now=now)

    async def _release(self, live: Live, heard: Heard) -> None:
        """A held message that means nothing any more leaves its row behind."""
        if gone := draft.released(live, heard, live):
            await self.log.append(Decision(release=gone))
