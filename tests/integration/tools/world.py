"""The tools service over the bus and the log in memory, with an author's callables."""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from actalog_bus.envelope import Postman
from actalog_bus.memory import MemoryBroker, MemoryBus
from actalog_contracts.calls import AnyReply, CallAnswered, CallStored, RunTool
from actalog_contracts.definitions import AgentDefinition, ModelChoice
from actalog_contracts.runs import RunAccepted, StateOp, ToolFailed, ToolInDoubt, ToolReturned
from actalog_contracts.streams import Progress
from actalog_core.clock import Monotonic, rfc3339
from actalog_core.events import encode
from actalog_core.session_state import write_ops
from actalog_core.settings import Settings
from actalog_log import chain
from actalog_log.call_ports import ledger_key
from actalog_log.memory import MemoryLog
from actalog_log.ports import Append, Decision, Head, NewEvent, RunRow, SessionOp
from actalog_tools.app import build_app
from actalog_tools.threads import Threads

DEFINITION = AgentDefinition(
    id="a", name="a", model=ModelChoice(provider="p", id="m"), session_state='{"colour": "red"}'
)
NOW = datetime(2026, 11, 24, tzinfo=UTC)


REPLIES: TypeAdapter[Any] = TypeAdapter(AnyReply)


@dataclass
class World:
    """One installation. `hold` keeps what author code wrote down."""

    log: MemoryLog = field(default_factory=MemoryLog)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    lease_ms: int = 60_000
    threads: Threads = field(default_factory=Threads)
    settings: Settings | None = None
    monotonic: Monotonic = time.monotonic

    async def start(self, **callables: Callable[..., Any]) -> "World":
        self.bus = MemoryBus(broker=self.broker)
        self.postman = Postman(self.bus, prefix="actalog", service="conductor")
        self.service = build_app(
            bus=self.bus, log=self.log, calls=self.log.calls,
            settings=self.settings or Settings(lease_ms=self.lease_ms), holder="test", threads=self.threads,
            monotonic=self.monotonic,
            callables={f"agent:a/tools/{name}": one for name, one in callables.items()},
        )  # fmt: skip
        await self.log.put_definition(
            "sha256:d", "agent", "a", DEFINITION.model_dump_json().encode()
        )
        await self.service.start()
        await self.bus.start()
        return self

    async def stop(self) -> None:
        await self.bus.stop()
        await self.service.stop()

    async def ask(self, name: str, arguments: str = "{}", **more: Any) -> None:
        """What the conductor sends."""
        command = RunTool.model_validate(
            {
                "tenant_id": "default", "run_no": 1, "run_id": "r1", "session_id": "s",
                "user_id": "ann", "call_id": "r1:t1.0", "definition": "sha256:d",
                "deadline": rfc3339(datetime.now(UTC) + timedelta(minutes=5)), "name": name,
                "path": f"agent:a/tools/{name}", "arguments": arguments, "effect": "once",
                "timeout_ms": 5_000, "output_limit": 1_000, **more,
            }
        )  # fmt: skip
        await self.postman.command(command)

    async def run(self, name: str, arguments: str = "{}", **more: Any) -> Any:
        """The outcome of one call."""
        before = len(self.outcomes())
        await self.ask(name, arguments, **more)
        await self.bus.drained()
        (outcome,) = self.outcomes()[before:]
        return outcome

    async def failed(self, name: str, arguments: str = "{}", **more: Any) -> ToolFailed:
        outcome = await self.run(name, arguments, **more)
        assert isinstance(outcome, ToolFailed)
        return outcome

    async def content(self, name: str, arguments: str = "{}", **more: Any) -> str:
        outcome = await self.run(name, arguments, **more)
        assert isinstance(outcome, ToolReturned), outcome
        return outcome.content

    def outcomes(self) -> list[ToolReturned | ToolFailed | ToolInDoubt]:
        records = sorted(self.bus.records("actalog.replies"), key=lambda one: one.offset)
        read = [self._answered(one.value or b"").outcome for one in records]
        return [one for one in read if isinstance(one, (ToolReturned, ToolFailed, ToolInDoubt))]

    def _answered(self, value: bytes) -> CallAnswered:
        """Large ones lie in the ledger, as the conductor finds them there."""
        told = REPLIES.validate_json(value)
        if isinstance(told, CallStored):
            value = self.log.calls.rows[ledger_key(told.run_no, told.call_id)].outcome or b""
        return CallAnswered.model_validate_json(value)

    def progress(self) -> list[Progress]:
        records = self.bus.records("actalog.stream")
        return [Progress.model_validate_json(one.value or b"") for one in records]

    async def accept(self, run_no: int = 1, **task: Mapping[str, Any] | str) -> None:
        """A run in the log, as the conductor would have begun it."""
        accepted = RunAccepted.model_validate(
            {
                "kind": "agent", "target": "agent:a", "definition": "sha256:d",
                "body_digest": "hmac:b", "accepted_at": rfc3339(NOW), "deadline": rfc3339(NOW),
                **task,
            }
        )  # fmt: skip
        row = RunRow(
            run_no, "default", f"r{run_no}", "s", run_no, "agent", "agent:a", "sha256:d",
            "hmac:b", accepted_at=NOW,
        )  # fmt: skip
        kind, payload = encode(accepted)
        event = NewEvent(kind, payload, NOW)
        head = Head(0, chain.row_digest(row))
        await self.log.append(Decision((Append(run_no, head, (event,), row, "active"),)))

    async def change_state(self, version: int, *ops: StateOp, run_no: int = 1) -> None:
        op = SessionOp("default", "s", version, run_no, 2, write_ops(ops))
        await self.log.append(Decision(session_ops=(op,)))

    def end(self, run_no: int = 1) -> None:
        self.log.open[run_no].standing = "ended"


async def until(true: Callable[[], object]) -> None:
    """Wait for something that author code does."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110
            await asyncio.sleep(0.002)
