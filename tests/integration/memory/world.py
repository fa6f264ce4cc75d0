"""Conductor, context and memory over a bus and a log, with a model that follows a script."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

from actalog_bus.envelope import Postman
from actalog_bus.memory import MemoryBus
from actalog_bus.ports import Delivery, Listen
from actalog_conductor import app as conductor
from actalog_context import app as context
from actalog_contracts.base import Usage
from actalog_contracts.calls import CallModel, answer
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import ModelNeeded, ModelReplied, PromptRecord, RunEvent
from actalog_core.events import decode
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_log.memories import MemoryStore
from actalog_log.memory import MemoryLog
from actalog_log.postgres import PostgresLog
from actalog_memory import app as memory
from tests.unit.actalog_conductor.spec import PLAIN

Says = Callable[[str, ModelNeeded | None], str]


def says(purpose: str, needed: ModelNeeded | None) -> str:
    """By default one new memory and a short summary."""
    match purpose:
        case "memories":
            return '{"operations": [{"op": "add", "text": "likes tea"}]}'
        case "summary":
            return '{"summary": "They talked."}'
        case _:
            return "fine"


@dataclass
class World:
    """`script`: what the model says, by purpose and recipe."""

    log: MemoryLog | PostgresLog
    memories: MemoryStore
    script: Says = says
    recipes: list[ModelNeeded] = field(default_factory=list[ModelNeeded])
    services: list[Service] = field(default_factory=list[Service])

    async def start(self, definition: AgentDefinition = PLAIN) -> None:
        self.bus = MemoryBus()
        self.postman = Postman(self.bus, prefix="actalog", service="test")
        told = {"bus": self.bus, "log": self.log, "settings": Settings()}
        conductor.build_app(**told)  # pyright: ignore[reportArgumentType]
        context.build_app(**told, memories=self.memories)  # pyright: ignore[reportArgumentType]
        self.services = [
            memory.build_app(**told, memories=self.memories)  # pyright: ignore[reportArgumentType]
        ]
        self.bus.listen(
            Listen(topics=["actalog.llm.commands"], group="actalog.llm", hear=self.think,
                   lane=lambda record: (record.key or b"").decode())
        )  # fmt: skip
        body = definition.model_dump_json().encode()
        await self.log.put_definition("sha256:a", "agent", "a", body)
        for service in self.services:
            await service.start()
        await self.bus.start()

    async def stop(self) -> None:
        await self.bus.stop()
        for service in self.services:
            await service.stop()

    async def think(self, delivery: Delivery) -> None:
        command = CallModel.model_validate_json(delivery.record.value or b"")
        recipe = None
        if command.purpose != "answer":
            needed = [e for e in await self.events(command.run_no) if isinstance(e, ModelNeeded)]
            recipe = needed[-1]
            self.recipes.append(recipe)
        reply = ModelReplied(
            call_id=command.call_id, epoch=1, purpose=command.purpose,
            text=self.script(command.purpose, recipe), finish="stop", model="m", provider="p",
            prompt=PromptRecord(digest="sha256:p", renderer="1", parts=()), usage=Usage(),
        )  # fmt: skip
        await self.postman.reply(answer(command, reply), causation=delivery.record)

    async def task(self, run_id: str, text: str = "hello", **more: object) -> int:
        """A run of Ann's session, heard to the end; its number."""
        told = {"target": "agent:a", "input": text, "run_id": run_id, "session_id": "s"}
        value = json.dumps({**told, "user_id": "ann", **more}).encode()
        await self.bus.publish("actalog.tasks", value=value)
        await self.bus.drained()
        found = await self.log.find_run("default", run_id)
        assert found is not None
        return found.row.run_no

    async def events(self, run_no: int) -> list[RunEvent]:
        return [decode(one.type, one.payload) for one in await self.log.read(run_no)]

    async def child(self, run_no: int) -> list[RunEvent]:
        (found,) = await self.log.children(run_no)
        return await self.events(found.row.run_no)

    async def texts(self) -> list[str]:
        return [note.text for note in await self.memories.memories("default", "ann")]

    async def until_remembered(self, count: int) -> None:
        """The projector has followed so far."""
        async with asyncio.timeout(10):
            while len(await self.texts()) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
