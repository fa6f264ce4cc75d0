"""The servers and the services that faults happen to."""

import asyncio
import random
import struct
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from aiokafka.admin import AIOKafkaAdminClient

from actalog_bus.processes import free_port
from tests.acceptance.processes import SERVICES, Fleet, run
from tests.chaos.models import Models
from tests.chaos.proxy import Proxy
from tests.chaos.script import answer
from tests.chaos.servers import Broker, Database

ROOT = Path(__file__).parents[2]
KAFKA_POM = ROOT / "infra" / "kafka" / "pom.xml"
PARTITIONS = 4
COPIES = 2
LEASE_S, SESSION_S = 6.0, 6.0  # as they are by default


@dataclass
class Stage:
    """Two copies of each service over a real broker and a real database."""

    folder: Path
    database: Database
    kafka: Broker
    models: Models
    fleet: Fleet
    prefix: str
    to_database: Proxy
    to_kafka: Proxy
    stopped: set[str] = field(default_factory=set[str])  # by SIGSTOP, now

    @property
    def journal(self) -> Path:
        return self.folder / "journal"

    def gateways(self) -> list[int]:
        """The ports of the gateways that live."""
        return [
            self.fleet.http[each] for each, process in self.fleet.running.items()
            if each.startswith("gateway") and process.poll() is None
        ]  # fmt: skip

    def quiet(self) -> bool:
        return not self.stopped

    async def ready(self) -> None:
        """Every copy of every service runs and is ready."""
        for name in SERVICES:
            for copy in range(COPIES):
                each = f"{name}-{copy}"
                process = self.fleet.running.get(each)
                if process is None or process.poll() is not None:
                    self.fleet.spawn(name, copy)
        for each in list(self.fleet.running):
            await self.fleet.ready(each, within_s=90)

    async def topics_there(self) -> None:
        """As an operator makes them."""
        await asyncio.to_thread(run, "topics", "apply", env=self.fleet.env)

    async def partitions(self, each: str) -> frozenset[tuple[str, int]]:
        """Which (topic without prefix, partition) a copy of a service hears now."""
        name, _, copy = each.rpartition("-")
        group = f"{self.prefix}.{name}"
        admin = AIOKafkaAdminClient(bootstrap_servers=self.kafka.bootstrap)
        await admin.start()
        try:
            (told,) = await admin.describe_consumer_groups([group])
        finally:
            await admin.close()
        (group_told,) = cast(Any, told).groups
        members: list[Any] = [one for one in group_told[5] if one[0].startswith(f"{group}.{copy}.")]
        return frozenset(at for member in members for at in assigned(member[-1], self.prefix))


def assigned(told: bytes, prefix: str) -> list[tuple[str, int]]:
    """The partitions of a member: version, then topics with their partitions."""
    found: list[tuple[str, int]] = []
    if not told:
        return found
    (topics,) = struct.unpack_from(">i", told, 2)
    at = 6
    for _ in range(topics):
        (length,) = struct.unpack_from(">h", told, at)
        topic = told[at + 2 : at + 2 + length].decode().removeprefix(f"{prefix}.")
        at += 2 + length
        (count,) = struct.unpack_from(">i", told, at)
        found += [(topic, one) for one in struct.unpack_from(f">{count}i", told, at + 4)]
        at += 4 + 4 * count
    return found


@asynccontextmanager
async def staged(
    folder: Path, dice: random.Random, *, proxied: bool = False
) -> AsyncGenerator[Stage]:
    """A platform that is ready, all of it new. `proxied`: services reach servers by proxies."""
    database = Database(folder / "pg")
    kafka = Broker(folder / "kafka", pom=KAFKA_POM)
    models = Models(answer)
    (folder / "journal").touch()
    fleet: Fleet | None = None
    proxies: list[Proxy] = []
    try:
        dsn = await database.start()
        (folder / "kafka").mkdir(exist_ok=True)
        bootstrap, base_url = await kafka.start(), await models.start()
        to_database = Proxy(free_port(), database.port, dice, postgres=True)
        to_kafka = Proxy(kafka.proxy, kafka.behind, dice)
        proxies = [to_database, to_kafka]
        for proxy in proxies:
            await proxy.start()
        if proxied:
            dsn = dsn.replace(f":{database.port}/", f":{to_database.port}/")
            bootstrap = f"127.0.0.1:{to_kafka.port}"
        prefix = f"c{uuid.uuid4().hex[:8]}"
        env = {
            "ACTALOG_DATABASE_URL": dsn, "ACTALOG_KAFKA": bootstrap, "ACTALOG_APP": "tests.chaos.app:app",
            "ACTALOG_TOPIC_PREFIX": prefix, "ACTALOG_KAFKA_PARTITIONS": str(PARTITIONS),
            "ACTALOG_HOME": str(folder / "home"), "PYTHONPATH": str(ROOT),
            "CHAOS_JOURNAL": str(folder / "journal"),
            "OPENAI_API_KEY": "none", "OPENAI_BASE_URL": f"{base_url}/v1",
        }  # fmt: skip
        for command in (("migrate",), ("topics", "apply"), ("deploy",)):
            await asyncio.to_thread(run, *command, env=env)
        fleet = Fleet(env, folder)
        stage = Stage(folder, database, kafka, models, fleet, prefix, to_database, to_kafka)
        await stage.ready()
        yield stage
    finally:
        if fleet is not None:
            await _ended(fleet)
        for proxy in proxies:
            await proxy.stop()
        await models.stop()
        await kafka.stop()
        await database.stop()


async def _ended(fleet: Fleet) -> None:
    """No process is left; what they did was judged before."""
    for each in list(fleet.running):
        fleet.kill(each)
