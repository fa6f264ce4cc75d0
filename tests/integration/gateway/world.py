"""Gateways over the doubles, with a conductor that says what a test wants it to say."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

import httpx

from actalog_bus.envelope import Postman, body, headers
from actalog_bus.memory import MemoryBroker, MemoryBus
from actalog_bus.ports import Bus
from actalog_contracts.base import ToolCall, Usage
from actalog_contracts.definitions import AgentDefinition, ModelChoice
from actalog_contracts.runs import (
    ContextBuilt,
    ModelReplied,
    PromptRecord,
    RequirementRaised,
    RunAccepted,
    RunCompleted,
    RunEvent,
    RunPaused,
    RunStarted,
    ToolCalled,
    ToolReturned,
)  # fmt: skip
from actalog_contracts.streams import Delta
from actalog_core.canonical import content_digest
from actalog_core.errors import Transient
from actalog_core.events import encode
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_gateway.app import build_app
from actalog_gateway.reader import published
from actalog_gateway.server import HttpServer
from actalog_log import chain
from actalog_log.memory import MemoryLog
from actalog_log.ports import (
    Append,
    Decision,
    Head,
    NewEvent,
    RunLog,
    RunRow,
    Standing,
    StoredEvent,
)

AGENT = AgentDefinition(id="a", name="Agent A", model=ModelChoice(provider="openai", id="m"))
PROMPT = PromptRecord(digest="sha256:p", renderer="1", parts=())
NOW = datetime(2026, 11, 24, 16, 0, 0, 123456, tzinfo=UTC)


class DeafBus(MemoryBus):
    """Kafka is down: nothing can be published."""

    async def publish(self, *args: Any, **kwargs: Any) -> None:
        raise Transient("no broker")

    def ready(self) -> str | None:
        return "bus: no broker"


class Stage(Protocol):
    """Where scripted runs are written: over the doubles, or over real servers."""

    @property
    def log(self) -> RunLog: ...
    @property
    def bus(self) -> Bus: ...
    @property
    def prefix(self) -> str: ...


@dataclass
class Run:
    """A run that the scripted conductor writes."""

    world: Stage
    row: RunRow
    head: Head
    stored: list[StoredEvent] = field(default_factory=list[StoredEvent])

    async def say(
        self, *events: RunEvent, standing: Standing | None = None, publish: bool = True,
        at: datetime = NOW,
    ) -> None:  # fmt: skip
        """Append and publish, one event after the other."""
        for event in events:
            kind, payload = encode(event)
            made = (NewEvent(kind, payload, at),)
            row = self.row if self.head.seq == 0 else None
            ended = kind in ("run.completed.v1", "run.failed.v1", "run.cancelled.v1")
            now: Standing | None = "ended" if ended else standing or ("active" if row else None)
            (self.head,) = await self.world.log.append(
                Decision((Append(self.row.run_no, self.head, made, row=row, standing=now),))
            )
            (stored,) = await self.world.log.read(self.row.run_no, after=self.head.seq - 1)
            self.stored.append(stored)
            if publish:
                await self.publish(stored)

    async def publish(self, stored: StoredEvent) -> None:
        """As the conductor does, without the position."""
        said = published(self.row, stored._replace(position=0))
        await self.world.bus.publish(
            f"{self.world.prefix}.events", value=body(said), key=self.row.session_id.encode(),
            headers=headers(type=stored.type, id=said.id, tenant_id=self.row.tenant_id,
                            run_id=self.row.run_id),
        )  # fmt: skip

    async def delta(
        self, text: str, *, offset: int = 0, epoch: int = 1, turn: int = 1,
        kind: Literal["text", "reasoning"] = "text",
    ) -> None:  # fmt: skip
        delta = Delta(
            tenant_id=self.row.tenant_id, run_id=self.row.run_id, session_id=self.row.session_id,
            call_id=f"{self.row.run_id}:m{turn}", epoch=epoch, offset=offset, text=text, kind=kind,
        )  # fmt: skip
        postman = Postman(self.world.bus, prefix=self.world.prefix, service="llm")
        await postman.stream(delta)

    async def begin(self, input: str = "hello") -> None:
        await self.say(accepted(input), RunStarted(), ContextBuilt())

    async def finish(self, text: str = "fine") -> None:
        """The model answers, which ends the run."""
        await self.say(reply(self.row.run_id, text), done(self.head.seq + 1))


def accepted(input: str = "hello") -> RunAccepted:
    return RunAccepted(
        kind="agent", target="agent:a", definition="sha256:a", input=input, body_digest="hmac:1",
        accepted_at="2026-11-24T16:00:00.000000Z", deadline="2026-11-24T17:00:00.000000Z",
    )  # fmt: skip


def reply(
    run_id: str, text: str | None, *, turn: int = 1, epoch: int = 1,
    calls: Sequence[ToolCall] = (),
) -> ModelReplied:  # fmt: skip
    return ModelReplied(
        call_id=f"{run_id}:m{turn}", epoch=epoch, text=text, tool_calls=tuple(calls),
        finish="stop", provider="openai", model="m", prompt=PROMPT,
        usage=Usage(input_tokens=3, output_tokens=2, total_tokens=5, model_calls=1),
    )  # fmt: skip


def done(seq: int) -> RunCompleted:
    usage = Usage(input_tokens=3, output_tokens=2, total_tokens=5, model_calls=1)
    return RunCompleted(output_seq=seq, usage=usage)


def called(run_id: str, *, confirm: bool = False) -> ToolCalled:
    arguments = '{"path":"/a"}'
    return ToolCalled(
        call_id=f"{run_id}:t1.0", name="delete_file", arguments=arguments,
        arguments_digest=content_digest(arguments.encode()), effect="once",
        requires_confirmation=confirm,
    )  # fmt: skip


def returned(run_id: str) -> ToolReturned:
    return ToolReturned(call_id=f"{run_id}:t1.0", content="deleted /a", duration_ms=2)


def paused(run_id: str) -> RunPaused:
    one = RequirementRaised(
        id=f"{run_id}:t1.0:confirm", kind="confirmation", call_id=f"{run_id}:t1.0"
    )
    return RunPaused(requirements=(one,))


async def new_run(
    stage: Stage, run_id: str, *, session: str = "s", tenant: str = "default",
    parent: RunRow | None = None, kind: str = "agent", definition: str = "sha256:a",
    turn: int | None = 1, target: str = "agent:a",
) -> Run:  # fmt: skip
    """A run without events."""
    row = RunRow(
        run_no=await stage.log.reserve_run_no(), tenant_id=tenant, run_id=run_id,
        session_id=session, turn=turn, kind=kind, target=target, definition=definition,
        body_digest="hmac:1", accepted_at=NOW, user_id="u",
        parent_run_no=parent.run_no if parent else None,
        parent_run_id=parent.run_id if parent else None,
    )  # fmt: skip
    return Run(stage, row, Head(0, chain.row_digest(row)))


@dataclass
class World:
    """One log and one broker; any number of gateways."""

    log: MemoryLog = field(default_factory=MemoryLog)
    broker: MemoryBroker = field(default_factory=MemoryBroker)
    bus: MemoryBus = field(init=False)
    turns: Counter[str] = field(default_factory=Counter[str])
    prefix: str = "actalog"

    def __post_init__(self) -> None:
        self.bus = MemoryBus(broker=self.broker)

    async def deploy(self, definition: AgentDefinition = AGENT) -> None:
        body = definition.model_dump_json().encode()
        await self.log.put_definition(content_digest(body), "agent", definition.id, body)

    async def run(
        self, run_id: str, *, session: str = "s", tenant: str = "default",
        parent: RunRow | None = None, kind: str = "agent", definition: str = "sha256:a",
        target: str = "agent:a",
    ) -> Run:  # fmt: skip
        if parent is None:
            self.turns[session] += 1
        return await new_run(
            self, run_id, session=session, tenant=tenant, parent=parent, kind=kind, target=target,
            definition=definition, turn=None if parent else self.turns[session],
        )  # fmt: skip

    @asynccontextmanager
    async def gateway(
        self, bus: MemoryBus | None = None, **more: Any
    ) -> AsyncGenerator[tuple[httpx.AsyncClient, Service]]:
        """A gateway on a free port, and a client of it."""
        bus = bus or MemoryBus(broker=self.broker)
        settings = Settings(port=0, cors_origins="http://ui.example", reply_topics="shop.*")
        service = build_app(bus=bus, log=self.log, settings=settings, **more)
        await service.start()
        await bus.start()
        server = service.parts[-1]
        assert isinstance(server, HttpServer)
        try:
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{server.port}", timeout=10
            ) as client:
                yield client, service
        finally:
            await bus.stop(1)
            await service.stop()

    def tasks(self) -> list[dict[str, Any]]:
        records = [one for part in self.broker.topic("actalog.tasks") for one in part]
        return [json.loads(one.value or b"") for one in records]


@dataclass
class Frame:
    """A server-sent event as a client has it."""

    event: str = ""
    id: str = ""
    data: dict[str, Any] = field(default_factory=dict[str, Any])


async def frames(response: httpx.Response) -> AsyncIterator[Frame]:
    """Parsed by the standard's rules: lines end at CR, LF or both, nothing else."""
    event, id, data = "", "", list[str]()
    async for line in _lines(response):
        if not line:
            if data:
                yield Frame(event, id, json.loads("\n".join(data)))
            event, id, data = "", "", []
        elif line.startswith("event: "):
            event = line[7:]
        elif line.startswith("id: "):
            id = line[4:]
        elif line.startswith("data: "):
            data.append(line[6:])
        else:
            assert line.startswith((":", "retry: ")), line


async def _lines(response: httpx.Response) -> AsyncIterator[str]:
    rest = b""
    async for chunk in response.aiter_bytes():
        rest += chunk
        *lines, rest = rest.split(b"\n")
        for line in lines:
            yield line.decode()


async def read(response: httpx.Response) -> list[Frame]:
    return [one async for one in frames(response)]


async def until(question: Any, within_s: float = 5.0) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(within_s):
        while not question():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
