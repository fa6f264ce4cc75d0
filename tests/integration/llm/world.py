"""The llm service over the bus and the log in memory, before a scripted model server."""

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from actalog_bus.envelope import Postman
from actalog_bus.memory import MemoryBroker, MemoryBus
from actalog_calls.claims import Claims
from actalog_contracts.calls import CallAnswered, CallModel
from actalog_contracts.definitions import AgentDefinition, ModelChoice
from actalog_contracts.runs import (
    ContextBuilt,
    ModelReplied,
    RunAccepted,
    RunCancelled,
    RunEvent,
    RunStarted,
)
from actalog_core.clock import rfc3339
from actalog_core.errors import Transient
from actalog_core.events import encode
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_llm.app import build_app
from actalog_llm.attempts import Patience
from actalog_log import chain
from actalog_log.call_ports import Claim
from actalog_log.memory import MemoryLog
from actalog_log.ports import Append, Decision, Head, NewEvent, RunRow
from actalog_testing.scripted import ScriptedServer

AT = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE = Patience(first_s=0.001, most_s=0.002)
SUPPORT = AgentDefinition(
    id="a", name="a", model=ModelChoice(provider="openai", id="gpt-x"), instructions=("Be kind.",)
)


def accepted(text: str | None = "Where is it?", **more: Any) -> RunAccepted:
    return RunAccepted(
        kind=more.pop("kind", "agent"), target="agent:a", definition="sha256:a", input=text,
        body_digest="hmac:b", accepted_at=rfc3339(AT), deadline=rfc3339(AT + timedelta(days=3650)),
        **more,
    )  # fmt: skip


@dataclass
class Written:
    """A run in the log and its head."""

    row: RunRow
    head: Head
    deadline: str


@dataclass
class World:
    """One llm service and whatever runs a test writes."""

    server: ScriptedServer = field(default_factory=ScriptedServer)
    log: MemoryLog = field(default_factory=MemoryLog)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    definition: AgentDefinition = SUPPORT
    patience: Patience = PATIENCE
    settings: dict[str, Any] = field(default_factory=dict[str, Any])

    def __post_init__(self) -> None:
        self.runs: dict[str, Written] = {}
        self.bus = MemoryBus(broker=self.broker)
        self.postman = Postman(self.bus, prefix="actalog", service="test")
        self.service: Service | None = None

    async def start(self, *, serve: bool = True) -> None:
        base = await self.server.start() if serve else self.server.base_url
        urls = {"openai_base_url": f"{base}/v1", "anthropic_base_url": base}
        await self.log.put_definition(
            "sha256:a", "agent", "a", self.definition.model_dump_json().encode()
        )
        self.service = build_app(
            bus=self.bus, log=self.log, calls=self.log.calls, holder="w", patience=self.patience,
            settings=Settings.model_validate({**urls, **self.settings}),
        )  # fmt: skip
        await self.service.start()
        await self.bus.start()

    async def stop(self) -> None:
        await self.bus.stop()
        if self.service is not None:
            await self.service.stop()
        await self.server.stop()

    async def write(self, events: Sequence[RunEvent], run_id: str = "r") -> int:
        """Append events; the run's last seq."""
        now = datetime.now(UTC)
        made = tuple(NewEvent(kind, payload, now) for kind, payload in map(encode, events))
        run = self.runs.get(run_id)
        new = run is None
        if run is None:
            number = await self.log.reserve_run_no()
            row = RunRow(
                number,
                "default",
                run_id,
                "s",
                number,
                "agent",
                "agent:a",
                "sha256:a",
                "hmac:b",
                now,
            )
            deadline = rfc3339(now + timedelta(minutes=10))
            run = self.runs[run_id] = Written(row, Head(0, chain.row_digest(row)), deadline)
        append = Append(
            run.row.run_no, run.head, made, row=run.row if new else None,
            standing="active" if new else None,
        )  # fmt: skip
        (run.head,) = await self.log.append(Decision((append,)))
        return run.head.seq

    async def begin(self, text: str = "Where is it?", run_id: str = "r", **more: Any) -> int:
        context = ContextBuilt(**more)
        return await self.write([accepted(text), RunStarted(), context], run_id)

    async def begin_with(self, said: dict[str, Any], run_id: str = "r", **more: Any) -> int:
        """A run that was accepted with this beside its input."""
        return await self.write([accepted(**said), RunStarted(), ContextBuilt(**more)], run_id)

    def command(self, run_id: str = "r", turn: int = 1, **more: Any) -> CallModel:
        run = self.runs[run_id]
        told: dict[str, Any] = {
            "tenant_id": "default", "run_no": run.row.run_no, "run_id": run_id, "session_id": "s",
            "call_id": f"{run_id}:m{turn}", "definition": "sha256:a", "deadline": run.deadline,
            "seq": run.head.seq, **more,
        }  # fmt: skip
        return CallModel(**told)

    async def ask(self, run_id: str = "r", turn: int = 1, **more: Any) -> Any:
        """The outcome of a model call."""
        command = self.command(run_id, turn, **more)
        await self.postman.command(command)
        await self.bus.drained()
        return self.outcome(command.call_id)

    def outcomes(self, call_id: str) -> list[Any]:
        replies = self.bus.records("actalog.replies")
        told = [CallAnswered.model_validate_json(one.value or b"") for one in replies]
        return [one.outcome for one in told if one.outcome.call_id == call_id]

    async def answered(self) -> list[Any]:
        """Ask as the supervisor does, again and again until a lease has run out."""
        async with asyncio.timeout(20):
            while not self.outcomes("r:m1"):
                await self.postman.command(self.command())
                await asyncio.sleep(0.1)
        await self.bus.drained()
        return self.outcomes("r:m1")

    async def server_has(self, requests: int) -> None:
        """Wait until the model server has received so many requests."""
        async with asyncio.timeout(20):
            while self.server.count < requests:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def shown(self, text: str, *, epoch: int) -> None:
        """Wait until the deltas of an attempt are this text."""
        async with asyncio.timeout(10):
            while self.written(epoch) != text:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    def written(self, epoch: int) -> str:
        told = [one for one in self.streamed() if one["type"] == "stream.delta.v1"]
        told = [one for one in told if one["epoch"] == epoch and one["kind"] == "text"]
        return "".join(one["text"] for one in told)

    def outcome(self, call_id: str = "r:m1") -> Any:
        (only,) = self.outcomes(call_id)
        return only

    async def replied(self, run_id: str = "r", turn: int = 1) -> ModelReplied:
        """Ask, and let the log have the reply."""
        reply = await self.ask(run_id, turn)
        assert isinstance(reply, ModelReplied), reply
        await self.write([reply], run_id)
        return reply

    async def finish(self, run_id: str = "r") -> None:
        """The run ends, whatever its model does."""
        run = self.runs[run_id]
        kind, payload = encode(RunCancelled())
        event = NewEvent(kind, payload, datetime.now(UTC))
        append = Append(run.row.run_no, run.head, (event,), standing="ended")
        (run.head,) = await self.log.append(Decision((append,)))

    def refuse(self, topic: str) -> None:
        """The broker takes nothing for this topic."""
        publish = self.bus.publish

        async def refusing(name: str, **more: Any) -> None:
            if name == topic:
                raise Transient("the broker did not acknowledge")
            await publish(name, **more)

        setattr(self.bus, "publish", refusing)  # noqa: B010

    def reached_the_database_for_long(self) -> None:
        """Who has just started, or stood still as on a busy machine, takes nothing over."""
        assert self.service is not None
        reach = cast(Claims, self.service.parts[1]).reach
        reach.lease_s, reach.gap_s = 0, math.inf

    def slow_claims(self, first: Exception | None = None) -> asyncio.Event:
        """Claims are not answered until the event is set; the first of them then fails so."""
        gate, claim = asyncio.Event(), self.log.calls.claim
        fails = [first] if first else []

        async def slow(*args: Any, **more: Any) -> Claim:
            await gate.wait()
            if fails:
                raise fails.pop()
            return await claim(*args, **more)

        setattr(self.log.calls, "claim", slow)  # noqa: B010
        return gate

    def streamed(self) -> list[dict[str, Any]]:
        return [json.loads(one.value or b"") for one in self.bus.records("actalog.stream")]


Make = Callable[..., World]
