"""A process that answers commands over the ledger in memory, with time and faults at hand."""

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from actalog_bus.envelope import AGAIN, Postman, body
from actalog_bus.memory import MemoryBus
from actalog_bus.ports import Record
from actalog_calls.answering import Run, answer_claimed
from actalog_calls.claims import Claims
from actalog_contracts.calls import CallAnswered, RunTool
from actalog_contracts.runs import ToolReturned
from actalog_core.errors import Transient
from actalog_log import chain
from actalog_log.call_ports import Calls, Claim, Renewed
from actalog_log.memory import MemoryLog
from actalog_log.ports import Append, Decision, Head, NewEvent, RunRow, Standing

LEASE_MS = 3_000
NOW = datetime(2026, 11, 24, tzinfo=UTC)
KEY = "7/r:t1.0"
COMMAND = RunTool(
    tenant_id="default", run_no=7, run_id="r", session_id="s", call_id="r:t1.0",
    definition="sha256:d", deadline="2026-11-25T00:00:00.000000Z", name="t", path="agent:a/tools/t",
    arguments="{}", effect="once", timeout_ms=1_000, output_limit=1_000,
)  # fmt: skip


@dataclass
class Time:
    """One clock for leases and processes."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return self.now.timestamp()

    def pass_(self, ms: int) -> None:
        self.now += timedelta(milliseconds=ms)


@dataclass
class Unreliable:
    """The ledger behind a connection that can be cut, before or after a statement has stood."""

    calls: Calls
    down: bool = False
    lose_answers: bool = False
    slow: asyncio.Event | None = None
    answers: asyncio.Event | None = None  # what a claim says is on its way until then

    async def _pass(self) -> None:
        if self.slow is not None:
            await self.slow.wait()
        if self.down:
            raise Transient("no database")

    def _lose(self) -> None:
        if self.lose_answers:
            self.lose_answers = False
            raise Transient("the connection broke")

    async def claim(
        self, call_id: str, *, run_no: int, holder: str, lease_ms: int, take_over: bool = True,
        after_epoch: int = 0, on_notice: bool = False,
    ) -> Claim:  # fmt: skip
        await self._pass()
        told = await self.calls.claim(
            call_id, run_no=run_no, holder=holder, lease_ms=lease_ms, take_over=take_over,
            after_epoch=after_epoch, on_notice=on_notice,
        )  # fmt: skip
        if self.answers is not None:
            await self.answers.wait()
        self._lose()
        return told

    async def renew(self, holder: str, lease_ms: int, call_ids: Collection[str]) -> Renewed:
        await self._pass()
        return await self.calls.renew(holder, lease_ms, call_ids)

    async def raise_epoch(self, call_id: str, *, epoch: int, holder: str) -> int | None:
        await self._pass()
        return await self.calls.raise_epoch(call_id, epoch=epoch, holder=holder)

    async def run_alone(self, call_id: str, *, epoch: int) -> bool:
        await self._pass()
        return await self.calls.run_alone(call_id, epoch=epoch)

    async def settle(self, call_id: str, *, epoch: int, outcome: bytes) -> bool:
        await self._pass()
        told = await self.calls.settle(call_id, epoch=epoch, outcome=outcome)
        self._lose()
        return told

    async def settle_all(self, outcomes: Mapping[str, tuple[int, bytes]]) -> frozenset[str]:
        await self._pass()
        told = await self.calls.settle_all(outcomes)
        self._lose()
        return told


@dataclass
class Heard:
    """A delivery that remembers whether its offset may be committed."""

    record: Record
    settled: bool = False

    def settle(self) -> None:
        self.settled = True

    def leave(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        raise AssertionError(work)


# Who died in the middle of its work is referred to by nobody else: a loop keeps no task alive.
WORKING: "set[asyncio.Task[Heard]]" = set()


@dataclass
class World:
    """Processes share the log and the bus; `ran` has each claim under which work began."""

    time: Time = field(default_factory=Time)
    bus: MemoryBus = field(default_factory=MemoryBus)
    ran: list[Claim] = field(default_factory=list[Claim])

    def __post_init__(self) -> None:
        self.log = MemoryLog(clock=self.time)

    async def process(self, name: str = "tools", *, steady: bool = True) -> "Process":
        process = Process(self, name)
        await process.claims.beat()
        if steady:
            await self.pass_time(LEASE_MS, process)
        return process

    async def pass_time(self, ms: int, *processes: "Process") -> None:
        """Let time pass, with the beats of these processes."""
        for _ in range(0, ms, LEASE_MS // 3):
            self.time.pass_(LEASE_MS // 3)
            for process in processes:
                await process.claims.beat()

    def replies(self) -> list[CallAnswered]:
        records = self.bus.records("actalog.replies")
        return [CallAnswered.model_validate_json(one.value or b"") for one in records]

    def outcome(self) -> bytes | None:
        return self.log.calls.rows[KEY].outcome


class Process:
    """One life of one process."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.calls = Unreliable(world.log.calls)
        self.claims = Claims(
            self.calls, holder=name, lease_ms=LEASE_MS, clock=world.time.monotonic
        )  # fmt: skip
        self.postman = Postman(world.bus, prefix="actalog", service="tools")
        self.content = "done"
        self.go = asyncio.Event()
        self.go.set()

    async def work(self, claim: Claim) -> ToolReturned:
        """What a service does: runs, and answers under its epoch."""
        self.world.ran.append(claim)
        await self.go.wait()
        return ToolReturned(call_id=COMMAND.call_id, epoch=claim.epoch, content=self.content)

    async def hear(
        self, *, beside: bool = False, run: Run | None = None, again: bool = False
    ) -> Heard:
        headers = ((AGAIN, b"1"),) if again else ()
        record = Record("actalog.tools.commands", 0, 0, 0, None, body(COMMAND), headers)
        heard = Heard(record)
        await answer_claimed(
            heard, COMMAND, claims=self.claims, postman=self.postman, run=run or self.work,
            beside=beside,
        )  # fmt: skip
        await self.put_off()
        return heard

    async def put_off(self) -> None:
        """What was put off for a moment is done."""
        if self.claims.soon.tasks:
            await asyncio.wait(set(self.claims.soon.tasks))

    async def begin(self, *, beside: bool = False, run: Run | None = None) -> "asyncio.Task[Heard]":
        """Hear, and stop within the work."""
        self.go.clear()
        task = asyncio.create_task(self.hear(beside=beside, run=run))
        WORKING.add(task)
        task.add_done_callback(WORKING.discard)
        for _ in range(20):
            await asyncio.sleep(0)
        return task


async def open_run(world: World, standing: Standing) -> None:
    """The command's run, in the log."""
    row = RunRow(
        7, "default", "r", "s", 1, "agent", "agent:a", "sha256:d", "hmac:b", accepted_at=NOW
    )  # fmt: skip
    await world.log.append(
        Decision(
            (
                Append(
                    7, Head(0, chain.row_digest(row)), (NewEvent("x", b"{}", NOW),), row, standing
                ),
            )
        )
    )
