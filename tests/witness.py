"""Whatever a test is about: every run that it makes is rebuilt from the log as it was live, its
chain holds, and today's code replays it without a difference.

`tests/conftest.py` lets this watch the whole suite; a test that tampers with a log on purpose says
so with `@pytest.mark.tampers`. Runs of other processes have no live state here: `of_database`
verifies those by their log alone.
"""

import asyncio
import contextlib
from collections import defaultdict
from dataclasses import dataclass, field, replace

from actalog.rebuilding import Recorded, recorded
from actalog.replaying import PromptDiffers, replay
from actalog_conductor.kinds import State
from actalog_conductor.live import Live, Runs
from actalog_contracts.runs import ModelFailed, ModelReplied, RunEvent
from actalog_core.errors import NewerBuild, Transient
from actalog_llm.prompt.parts import RENDERER
from actalog_log.memory import MemoryLog
from actalog_log.ports import FoundRun, RunLog
from actalog_log.postgres import PostgresLog

States = dict[int, State]  # by seq


@dataclass
class Witness:
    """Notes each state that a conductor of this process keeps, and compares it with the log's."""

    wrong: list[str] = field(default_factory=list[str])
    runs: int = 0  # that were verified
    _seen: dict[RunLog, dict[int, States]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )

    def watch(self) -> None:
        """From now on, for the life of this process."""
        keep, stop = Runs.keep, PostgresLog.stop

        def kept(runs: Runs, live: Live) -> Live:
            self._seen[runs.log][live.row.run_no][live.head.seq] = live.state
            return keep(runs, live)

        async def stopped(log: PostgresLog) -> None:
            if log in self._seen:
                await self.verify(log)
            await stop(log)

        setattr(Runs, "keep", kept)  # noqa: B010 - the type checker minds the name of `self`
        setattr(PostgresLog, "stop", stopped)  # noqa: B010

    def forget(self) -> None:
        """What a test did that tampers."""
        self._seen.clear()
        self.wrong.clear()

    def in_memory(self, loop: asyncio.AbstractEventLoop) -> None:
        """Verify the logs that nobody has to stop."""
        for log in [log for log in self._seen if isinstance(log, MemoryLog)]:
            loop.run_until_complete(self.verify(log))

    async def verify(self, log: RunLog) -> None:
        """The runs of a log since it was verified last."""
        for run_no, states in self._seen.pop(log, {}).items():
            try:
                found = await log.find_run_no(run_no)
            except Transient:  # a test that took the database away
                return
            if found is None:
                self.wrong.append(f"run_no {run_no} was live and is not in the log")
            else:
                with contextlib.suppress(NewerBuild):  # another build's, and that one's to verify
                    self.wrong += await differences(log, found, states)
            self.runs += 1


async def differences(log: RunLog, found: FoundRun, states: States | None = None) -> list[str]:
    """What is wrong with a run; `states`: as it was live, by seq.

    Raises:
        ChainBroken: its events are not those that were written.
    """
    run, name = await recorded(log, found), found.row.run_id
    wrong: list[str] = []
    for seq, state in (states or {}).items():
        if run.state(seq) != state:
            wrong.append(f"run {name} at {seq}: live {state}, rebuilt {run.state(seq)}")
    difference = await replay(log, _as_rendered(run))
    if isinstance(difference, PromptDiffers):
        wrong.append(f"run {name}, event {difference.seq}: today's prompt is another")
    elif difference is not None:
        wrong.append(f"run {name} replays differently: {difference}")
    return wrong


async def of_database(dsn: str) -> int:
    """Verify every run of a database, whichever process decided it; how many there are."""
    log = PostgresLog(dsn, connections=2)
    await log.start()
    try:
        if await log.pool.fetchval("select to_regclass('runs')") is None:
            return 0  # its platform ended before it had tables
        numbers = await log.pool.fetch("select run_no from runs order by run_no")
        wrong: list[str] = []
        for row in numbers:
            found = await log.find_run_no(row["run_no"])
            assert found is not None
            wrong += await differences(log, found)
        assert wrong == []
        return len(numbers)
    finally:
        await log.stop()


def _as_rendered(run: Recorded) -> Recorded:
    """Without the prompts that a test made up: those name no renderer of ours."""
    return replace(run, events=[_without_made_up(event) for event in run.events])


def _without_made_up(event: RunEvent) -> RunEvent:
    if not isinstance(event, (ModelReplied, ModelFailed)) or event.prompt is None:
        return event
    made_up = event.prompt.renderer != RENDERER
    return event.model_copy(update={"prompt": None}) if made_up else event
