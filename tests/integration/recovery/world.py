"""A platform on a PostgreSQL of its own, whose data can be copied and put back."""

import asyncio
import contextlib
import json
import shutil
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from actalog import Agent, App, tool
from actalog.embedded.postgres import EmbeddedPostgres
from actalog.platform import Platform
from actalog.recovery.recovering import Recovery
from actalog.recovery.report import Report
from actalog.services import Ground
from actalog_bus.envelope import body
from actalog_bus.kafka import KafkaBus
from actalog_bus.offsets import records
from actalog_bus.processes import free_port
from actalog_bus.provision import plan, provision
from actalog_bus.settings import KafkaSettings
from actalog_contracts.calls import RunTool, answer
from actalog_contracts.runs import ToolReturned
from actalog_core.settings import Settings
from actalog_log.calls import PostgresCalls
from actalog_log.database import connect
from actalog_log.guarding import Guard
from actalog_log.memories_postgres import PostgresMemories
from actalog_log.migrate import migrate
from actalog_log.postgres import PostgresLog
from actalog_testing.scripted import Reply, Request, ScriptedServer, ToolUse

CHARGED: Counter[str] = Counter()
HANGS = asyncio.Event()


@tool
async def charge(order_id: str, session_state: dict[str, str]) -> str:
    """Charge an order: at most once.

    Args:
        order_id: Which.
    """
    CHARGED[order_id] += 1
    if order_id.startswith("hangs"):
        await asyncio.sleep(60)
    session_state["charged"] = order_id
    return f"charged {order_id}"


AGENT = Agent(name="a", model="openai:m", tools=[charge], session_state={"charged": ""})
REMEMBERS = Agent(name="remembers", model="openai:m", update_memory_on_run=True)


def say(request: Request) -> Reply:
    """Charges what the person says; then tells it. A memory of what was said, when asked for it."""
    if request.output_schema is not None:
        return Reply('{"operations": [{"op": "add", "text": "a fact"}]}')
    said = next(m.text for m in reversed(request.messages) if m.role == "user")
    if request.messages[-1].role == "tool" or not said.startswith("charge "):
        return Reply(f"done: {said}")
    return Reply(tool_calls=[ToolUse("charge", {"order_id": said.removeprefix("charge ")})])


class World:
    """`await start()`, `run(...)`, `stop()`; `keep_copy()` and `put_back()` while it is stopped."""

    def __init__(self, folder: Path, bootstrap: str, *, embedded: bool) -> None:
        self.folder, self.prefix = folder, f"t{uuid.uuid4().hex[:10]}"
        self.postgres = EmbeddedPostgres(folder / "home")
        self.models = ScriptedServer(script=say)
        self.settings = Settings(topic_prefix=self.prefix, session_timeout_ms=6_000)
        self.kafka = KafkaSettings.of(
            self.settings, bootstrap=bootstrap, embedded=embedded, one_process=embedded
        )
        self.dsn = ""
        self.platform: Platform | None = None

    async def begin(self) -> None:
        """Database, topics, model server."""
        self.dsn = await self.postgres.start()
        await migrate(self.dsn)
        await provision(self.kafka, plan(prefix=self.prefix, partitions=2, replication=1))
        base = await self.models.start()
        self.settings = self.settings.model_copy(
            update={"openai_api_key": "k", "openai_base_url": f"{base}/v1", "port": free_port()}
        )

    async def end(self) -> None:
        await self.stop()
        await self.models.stop()
        await self.postgres.stop()

    async def start(self) -> None:
        """All services."""
        self.log = PostgresLog(self.dsn, guard=Guard())
        await self.log.start()
        app = App(agents=[AGENT, REMEMBERS])
        ground = Ground(
            bus=KafkaBus(self.kafka), log=self.log, calls=PostgresCalls(self.log.pool),
            memories=PostgresMemories(self.log.pool), settings=self.settings,
            callables=app.callables(),
        )  # fmt: skip
        self.platform = Platform(ground, definitions=app.definitions())
        await self.platform.start()

    async def stop(self, grace_s: float = 5.0) -> None:
        """In order; what hangs is cut off."""
        platform, self.platform = self.platform, None
        if platform is not None:
            await platform.stop(grace_s)
            await self.log.stop()

    async def send(self, run_id: str, text: str, **more: object) -> None:
        assert self.platform is not None
        task = {"target": "a", "input": text, "run_id": run_id, **more}
        await self.platform.on.bus.publish(f"{self.prefix}.tasks", value=json.dumps(task).encode())

    async def ended(self, *run_ids: str, within_s: float = 30) -> dict[str, str]:
        """How each of these runs stands when all have ended or paused."""
        async with asyncio.timeout(within_s):
            while True:
                told = {one: await self.last_type(one) for one in run_ids}
                if all(one.split(".")[1] in ENDS for one in told.values()):
                    return told
                await asyncio.sleep(0.05)

    async def last_type(self, run_id: str) -> str:
        found = await self.log.find_run("default", run_id)
        if found is None:
            return "none.none"
        return (await self.log.read(found.row.run_no))[-1].type.removesuffix(".v1")

    async def acts(self, run_id: str, order_id: str) -> None:
        """Wait until the tool of a run runs, and until what led to it is published."""
        async with asyncio.timeout(20):
            while not CHARGED[order_id]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            while True:
                found = await self.log.find_run("default", run_id)
                if found is not None and found.published_seq == found.head.seq:
                    return
                await asyncio.sleep(0.05)

    async def keep_copy(self) -> None:
        """The platform is stopped; the server too, for as long as the copy takes."""
        await self.postgres.stop()
        shutil.rmtree(self.folder / "copy", ignore_errors=True)
        shutil.copytree(self.postgres.data, self.folder / "copy")
        self.dsn = await self.postgres.start()

    async def worked(self, run_id: str, text: str = "hello") -> None:
        """Started, one run to its end, stopped."""
        await self.start()
        await self.send(run_id, text)
        await self.ended(run_id)
        await self.stop()

    async def put_back(self) -> None:
        """The copy instead of what is there: owners and rights are those of before."""
        await self.postgres.stop()
        owner = self.postgres.data.stat()
        shutil.rmtree(self.postgres.data)
        shutil.copytree(self.folder / "copy", self.postgres.data)
        for path in (self.postgres.data, *self.postgres.data.rglob("*")):
            with contextlib.suppress(PermissionError):
                shutil.chown(path, owner.st_uid, owner.st_gid)
        self.dsn = await self.postgres.start()

    async def recover(self, *, dry_run: bool = False, from_now: bool = False) -> Report | None:
        """`actalog recover`."""
        log, connection = PostgresLog(self.dsn, connections=2), await connect(self.dsn)
        await log.start()
        try:
            made = Recovery(log, connection, self.kafka, self.prefix, from_now)
            return await made.carry_out(dry_run=dry_run)
        finally:
            await connection.close()
            await log.stop()

    async def command(self, run_id: str) -> RunTool:
        """What the run's tool was asked."""
        found = records(self.kafka, f"{self.prefix}.tools.commands")
        told = [RunTool.model_validate_json(one.value or b"") async for one in found]
        return next(one for one in told if one.run_id == run_id)

    async def answer(self, command: RunTool, content: str) -> None:
        """As a worker does that dies before its answer is heard."""
        told = answer(command, ToolReturned(call_id=command.call_id, epoch=1, content=content))
        bus = KafkaBus(self.kafka)
        await bus.start()
        await bus.publish(f"{self.prefix}.replies", value=body(told), partition=0)
        await bus.stop()

    async def forget_first_event(self, run_id: str) -> None:
        """As retention does."""
        topic = f"{self.prefix}.events"
        where: dict[TopicPartition, RecordsToDelete] = {}
        async for one in records(self.kafka, topic):
            if json.loads(one.value or b"{}")["id"] == f"{run_id}:1":
                at = TopicPartition(topic, one.partition)
                where[at] = RecordsToDelete(before_offset=one.offset + 1)
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        await admin.start()
        await admin.delete_records(where, timeout_ms=5_000)
        await admin.close()

    async def published(self, topic: str) -> list[Mapping[str, Any]]:
        """All that a topic holds."""
        found = records(self.kafka, f"{self.prefix}.{topic}")
        return [json.loads(one.value or b"{}") async for one in found]


ENDS = ("completed", "failed", "paused", "cancelled", "blocked")
