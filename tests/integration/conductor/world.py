"""A platform of one conductor and scripted services that answer its commands."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, cast

from pydantic import TypeAdapter

from actalog_bus.envelope import Postman, body
from actalog_bus.memory import MemoryBroker, MemoryBus
from actalog_bus.ports import Delivery, Listen
from actalog_conductor.app import build_app
from actalog_conductor.live import Runs
from actalog_conductor.supervisor import Supervisor
from actalog_contracts.base import TextRef, ToolCall, Usage
from actalog_contracts.calls import (
    AnyCommand,
    CallAnswered,
    CallModel,
    CallStored,
    CheckText,
    Command,
    GatherContext,
    Outcome,
    Remember,
    RunTool,
    answer,
    lies_in_ledger,
)  # fmt: skip
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import (
    ContextBuilt,
    InputChecked,
    MemoryOp,
    MemoryUpdated,
    ModelNeeded,
    ModelReplied,
    OutputReviewed,
    PromptRecord,
    SessionSummarised,
    StateOp,
    ToolReturned,
)  # fmt: skip
from actalog_core.clock import system_clock
from actalog_core.settings import Settings
from actalog_log.beside_ports import Held
from actalog_log.call_ports import ledger_key
from actalog_log.calls import PostgresCalls
from actalog_log.memory import MemoryLog
from actalog_log.postgres import PostgresLog
from tests.unit.actalog_conductor.spec import PLAIN

Log = MemoryLog | PostgresLog
PROMPT = PromptRecord(digest="sha256:p", renderer="1", parts=())
SERVICES = ("guardrails", "context", "llm", "tools", "memory")
COMMANDS: TypeAdapter[Command] = TypeAdapter(AnyCommand)


@dataclass
class World:
    """`script`: the tools that the model asks for, by turn. `deaf`: services that answer nothing. `stores`: answers lie in the ledger.
    `verdict`: of every check. `ahead`: how far the conductor's clock is."""

    log: Log
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    settings: Settings = field(default_factory=Settings)
    script: dict[int, list[str]] = field(default_factory=dict[int, list[str]])
    arguments: str = "{}"
    stores: bool = False
    deaf: set[str] = field(default_factory=set[str])
    verdict: str = "passed"
    says: str | None = None
    ops: tuple[StateOp, ...] = ()
    ahead: timedelta = timedelta()
    asked: list[Command] = field(default_factory=list[Command])
    reviewed: bool = False  # messages of the model are held

    def __post_init__(self) -> None:
        self.broker.clock = self.clock
        self.bus = MemoryBus(broker=self.broker)
        self.postman = Postman(self.bus, prefix="actalog", service="test")
        self.service = build_app(
            bus=self.bus, log=self.log, settings=self.settings, clock=self.clock
        )
        self.supervisor.clock.apart = timedelta.max  # time passes for the database as well
        self.supervisor.reach.lease_s = 0  # it has reached the database for long
        for name in SERVICES:
            self.bus.listen(
                Listen(
                    topics=[f"actalog.{name}.commands"], group=f"actalog.{name}", hear=self.hear,
                    lane=lambda record: (record.key or b"").decode(),
                )
            )  # fmt: skip

    def clock(self) -> datetime:
        return system_clock() + self.ahead

    @property
    def supervisor(self) -> Supervisor:
        return cast(Supervisor, self.service.parts[0])

    def runs(self) -> Runs:
        """The conductor's cache."""
        return self.supervisor.waking.runs

    async def start(self, definition: AgentDefinition = PLAIN, digest: str = "sha256:a") -> None:
        self.reviewed = bool(definition.output_checks)
        body = definition.model_dump_json().encode()
        await self.log.put_definition(digest, "agent", "a", body)
        await self.bus.start()

    async def look(self, *, ahead_s: float = 0) -> None:
        """Let the supervisor look once, and wait for what follows."""
        await self.bus.drained()
        while isinstance(self.log, PostgresLog) and self.log.marks.marks:  # noqa: ASYNC110
            await asyncio.sleep(0.01)  # a row that is being marked is passed over until the next
        self.ahead += timedelta(seconds=ahead_s)
        await self.supervisor.look()
        await self.bus.drained()

    # The services.

    async def hear(self, delivery: Delivery) -> None:
        command = COMMANDS.validate_json(delivery.record.value or b"")
        self.asked.append(command)
        service = delivery.record.topic.split(".")[1]
        if service not in self.deaf:
            reply = answer(command, await self.outcome(command))
            said = await self.store(command, reply) if self.stores else reply
            await self.postman.reply(said, causation=delivery.record)

    async def store(self, command: Command, reply: CallAnswered) -> CallStored:
        """As a service does with what is too large to travel twice."""
        log, key = self.log, ledger_key(command.run_no, command.call_id)
        calls = log.calls if isinstance(log, MemoryLog) else PostgresCalls(log.pool)
        await calls.claim(key, run_no=command.run_no, holder="test", lease_ms=60_000)
        await calls.settle(key, epoch=1, outcome=body(reply))
        return lies_in_ledger(command)

    async def outcome(self, command: Command) -> Outcome:
        match command:
            case CheckText():
                return await self.check(command)
            case GatherContext():
                return ContextBuilt(call_id=command.call_id)
            case CallModel():
                return await self.think(command)
            case RunTool():
                return ToolReturned(call_id=command.call_id, content="done", state_ops=self.ops)
            case Remember():
                return self.remember(command)
            case _:
                raise AssertionError(command)

    async def check(self, command: CheckText) -> InputChecked | OutputReviewed:
        assert command.held is not None
        stored = await self.log.get_held(command.tenant_id, command.held.held)
        assert stored is not None
        verdict: Any = self.verdict
        text = {"passed": stored, "masked": "***", "blocked": None}[verdict]
        if command.stage == "input":
            return InputChecked(call_id=command.call_id, verdict=verdict, text=text)
        message = json.loads(stored)
        calls = tuple(ToolCall(**one) for one in message["tool_calls"])
        if verdict == "masked":
            calls = tuple(one.model_copy(update={"arguments": '{"x":"***"}'}) for one in calls)
        return OutputReviewed(
            call_id=command.call_id, verdict=verdict, tool_calls=calls,
            text={"passed": message["text"], "masked": "***", "blocked": None}[verdict],
        )  # fmt: skip

    async def think(self, command: CallModel) -> ModelReplied:
        turn = int(command.call_id.rpartition(":m")[2])
        calls = tuple(
            ToolCall(id="", provider_id="c", name=name, arguments=self.arguments)
            for name in self.script.get(turn, []) if command.purpose == "answer"
        )  # fmt: skip
        text = self.says or f"answer {turn}"
        reply = ModelReplied(
            call_id=command.call_id, epoch=1, text=text, tool_calls=calls, finish="stop", model="m",
            purpose=command.purpose, provider="p", prompt=PROMPT, usage=Usage(model_calls=1),
        )  # fmt: skip
        if not self.reviewed:
            return reply
        held = TextRef(held=f"{command.call_id}:1", digest="hmac:h")
        body = {"text": text, "tool_calls": [one.model_dump() for one in calls]}
        await self.log.put_held(
            Held(command.tenant_id, held.held, command.run_no, json.dumps(body))
        )
        return reply.model_copy(update={"text": None, "tool_calls": (), "held_text": held})

    def remember(self, command: Remember) -> ModelNeeded | MemoryUpdated | SessionSummarised:
        if command.continuation is None:
            return ModelNeeded(
                call_id=command.call_id, purpose=command.step, template="t", continuation="c"
            )
        if command.step == "summary":
            return SessionSummarised(call_id=command.call_id, summary=command.reply or "")
        op = MemoryOp(op="add", id="1", text=command.reply or "")
        return MemoryUpdated(call_id=command.call_id, ops=(op,))

    # What others do.

    async def send(self, **message: Any) -> None:
        await self.raw(json.dumps(message).encode())

    async def raw(self, value: bytes | None, **headers: bytes) -> None:
        told = tuple((name.replace("__", "-"), value) for name, value in headers.items())
        await self.bus.publish("actalog.tasks", value=value, headers=told)

    async def task(self, run_id: str = "r", **more: Any) -> None:
        await self.send(**{"target": "agent:a", "input": "hello", "run_id": run_id, **more})

    async def waits_for(self, service: str, *run_ids: str) -> None:
        """Start, with runs that have asked what does not answer."""
        self.deaf = {service}
        await self.start()
        for run_id in run_ids or ("r",):
            await self.task(run_id)
        for _ in range(
            3
        ):  # also what is between two topics now: who jumps ahead would hear it late
            await self.bus.drained()
            await asyncio.sleep(0.01)

    # What can be seen.

    async def results(self, topic: str = "actalog.results") -> list[dict[str, Any]]:
        await self.bus.drained()
        return self.results_now(topic)

    def results_now(self, topic: str = "actalog.results") -> list[dict[str, Any]]:
        """While something is still tried again."""
        return [json.loads(one.value or b"") for one in self.bus.records(topic)]

    def statuses_now(self) -> set[str]:
        return {one["status"] for one in self.results_now()}

    async def result(self) -> dict[str, Any]:
        (one,) = await self.results()
        return one

    async def refusals(self) -> list[str]:
        told = [one for one in await self.results() if one["type"] == "message.refused.v1"]
        return sorted(one["error"]["code"] for one in told)

    async def statuses(self) -> set[str]:
        return {one["status"] for one in await self.results() if one["type"] == "run.result.v1"}

    async def types(self, run_id: str = "r") -> list[str]:
        await self.bus.drained()
        found = await self.log.find_run("default", run_id)
        assert found is not None
        return await self.types_of(found.row.run_no)

    async def types_of(self, run_no: int) -> list[str]:
        events = await self.log.read(run_no)
        return [event.type.rsplit(".", 1)[0] for event in events]

    async def children(self, run_id: str = "r") -> Sequence[int]:
        await self.bus.drained()
        found = await self.log.find_run("default", run_id)
        assert found is not None
        return [one.row.run_no for one in await self.log.children(found.row.run_no)]

    def ran(self) -> list[str]:
        return [one.call_id for one in self.asked if isinstance(one, RunTool)]

    def count(self, kind: type[Command]) -> int:
        return sum(isinstance(one, kind) for one in self.asked)
