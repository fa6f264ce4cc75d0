"""Two gateways over a real broker and a real PostgreSQL, and a conductor that says what a test
wants it to say."""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import httpx

from actalog_bus.kafka import KafkaBus
from actalog_bus.provision import plan, provision
from actalog_bus.settings import KafkaSettings
from actalog_core.canonical import content_digest
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_gateway.app import build_app
from actalog_gateway.server import HttpServer
from actalog_log.postgres import PostgresLog
from tests.integration.gateway.world import AGENT, Run, new_run, until


def kafka_settings(bootstrap: str, *, embedded: bool) -> KafkaSettings:
    return KafkaSettings(
        bootstrap=bootstrap, mode="assigned" if embedded else "group", idempotence=not embedded,
        parked_fetch=not embedded, keeps_marks=not embedded,
    )  # fmt: skip


@dataclass
class Two:
    """`https[n]` is a client of gateway n; the log and the bus are the scripted conductor's."""

    log: PostgresLog
    bus: KafkaBus
    prefix: str
    https: list[httpx.AsyncClient] = field(default_factory=list[httpx.AsyncClient])
    services: list[Service] = field(default_factory=list[Service])
    definition: str = ""

    async def run(self, run_id: str) -> Run:
        """A run without events, in a session of its own."""
        return await new_run(
            self, run_id, session=f"s-{run_id}", definition=self.definition
        )  # fmt: skip

    async def deploy(self) -> None:
        body = AGENT.model_dump_json().encode()
        self.definition = content_digest(body)
        await self.log.put_definition(self.definition, "agent", AGENT.id, body)


@asynccontextmanager
async def conductor(bootstrap: str, dsn: str, *, embedded: bool) -> AsyncGenerator[Two]:
    """Topics and a definition, and no gateway yet."""
    kafka = kafka_settings(bootstrap, embedded=embedded)
    prefix = f"t{uuid.uuid4().hex[:10]}"
    await provision(kafka, plan(prefix=prefix, partitions=3, replication=1))
    async with AsyncExitStack() as stack:
        log = PostgresLog(dsn)
        await log.start()
        stack.push_async_callback(log.stop)
        bus = KafkaBus(kafka)
        stack.push_async_callback(bus.stop, 1)
        await bus.start()
        made = Two(log, bus, prefix)
        await made.deploy()
        yield made


@asynccontextmanager
async def two(bootstrap: str, dsn: str, *, embedded: bool) -> AsyncGenerator[Two]:
    """Both gateways listen, and hear the bus."""
    kafka = kafka_settings(bootstrap, embedded=embedded)
    async with conductor(bootstrap, dsn, embedded=embedded) as made, AsyncExitStack() as stack:
        for _ in range(2):
            await stack.enter_async_context(_gateway(made, kafka, dsn))
        yield made


@asynccontextmanager
async def _gateway(made: Two, kafka: KafkaSettings, dsn: str) -> AsyncGenerator[None]:
    bus, log = KafkaBus(kafka), PostgresLog(dsn)
    await log.start()
    settings = Settings(port=0, topic_prefix=made.prefix)
    service = build_app(bus=bus, log=log, settings=settings)
    await service.start()
    await bus.start()
    server = service.parts[-1]
    assert isinstance(server, HttpServer)
    try:
        async with asyncio.timeout(30):
            await until(lambda: bus.ready() is None, 30)
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}", timeout=20,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        ) as client:  # fmt: skip
            made.https.append(client)
            made.services.append(service)
            yield
    finally:
        await bus.stop(1)
        await service.stop()
        await log.stop()
