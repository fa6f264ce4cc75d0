"""One service in a process of its own, against named servers."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from actalog.cli.author import load
from actalog.cli.reach import Reach
from actalog.cli.waiting import all_migrated, until
from actalog.extras import installed_alone
from actalog.names import Name
from actalog.platform import Platform, ScriptedPart
from actalog.recovery.noticing import all_as_known
from actalog.scripted_models import scripted_unless_named
from actalog.services import Ground
from actalog_bus.kafka import KafkaBus
from actalog_bus.observed import ObservedBus
from actalog_bus.offsets import BrokerSilent
from actalog_core import logging, tracing
from actalog_core.errors import SettingMissing, Transient
from actalog_core.garbage import collect_seldom
from actalog_core.health import HealthServer
from actalog_core.settings import Settings
from actalog_log.calls import PostgresCalls
from actalog_log.guarding import Guard
from actalog_log.memories_postgres import PostgresMemories
from actalog_log.postgres import PostgresLog

log = structlog.get_logger()
PING_S = 2.0
COMPARE_AGAIN_S = 5.0


class Alone:
    """Waits for database and broker, says on /health/ready what it waits for, drains at the end."""

    def __init__(self, name: Name, reach: Reach) -> None:
        installed_alone(name)  # else who waits for a database is told only when it is there
        self.name: Name = name
        self.reach, self.settings = reach, reach.settings
        self.callables: Mapping[str, Callable[..., Any]] = {}
        if name == "tools":  # author code runs in one place (law 12)
            if self.settings.app is None:
                raise SettingMissing("say whose tools these are: set ACTALOG_APP, as MODULE:NAME.")
            self.callables = load(self.settings.app).callables()
        self.kafka = reach.kafka_settings()
        self.guard = Guard()
        self.run_log = PostgresLog(reach.dsn, guard=self.guard)
        self.connected = False
        self.platform: Platform | None = None
        self.waits_for: str | None = "starting"
        self.health = HealthServer(
            name, missing=self.missing, host=self.settings.host, port=self.settings.health_port
        )

    async def run(self) -> None:
        """Start, then last."""
        settings = self.settings
        logging.configure(level=settings.log_level, format=settings.log_format, service=self.name)
        if wrong := tracing.configure(os.environ, service=self.name):
            log.warning(wrong)
        await self.health.start()
        await until("database", self.run_log.start, say=self._say)
        self.connected = True
        await until("migrations", lambda: all_migrated(self.reach.dsn), say=self._say)
        compared = await until("database", self._as_known, say=self._say)
        scripted = None
        if self.name == "llm":  # without any key it answers by itself, and says so
            settings, scripted = scripted_unless_named(self.settings)
        beside = [ScriptedPart(scripted)] if scripted else []
        self.platform = Platform(self._ground(settings), names=[self.name], beside=beside)
        await self.platform.start()
        collect_seldom()
        log.info("ready", service=self.name, health_port=self.health.port)
        async with asyncio.TaskGroup() as group:
            if not compared:
                group.create_task(self._compare())
            await self.guard.broken()

    async def stop(self) -> None:
        """Hear nothing new, finish, commit, disconnect."""
        log.info("stopping", service=self.name)
        if self.platform is not None:
            await self.platform.stop()
        if self.connected:
            await self.run_log.stop()
        await self.health.stop()

    async def _as_known(self) -> bool:
        """Whether the database is the one that the topics know. The gateway does not wait for a
        broker to tell: what it accepts meanwhile lies in the inbox.

        Raises:
            DatabaseWasRestored: it is not: nothing may be heard or accepted.
        """
        prefix = self.settings.topic_prefix
        try:
            await all_as_known(self.run_log.pool, self.kafka, prefix)
        except (BrokerSilent, TimeoutError):
            if self.name != "gateway":
                raise
            await all_as_known(self.run_log.pool, None, prefix)
            return False
        return True

    async def _compare(self) -> None:
        """Once the broker is there. A process that serves another database ends."""
        while not await self._as_known():  # noqa: ASYNC110
            await asyncio.sleep(COMPARE_AGAIN_S)

    def _ground(self, settings: Settings) -> Ground:
        traced = tracing.wanted(os.environ)
        return Ground(
            bus=ObservedBus(KafkaBus(self.kafka), traced=traced, prefix=settings.topic_prefix),
            log=self.run_log,
            calls=PostgresCalls(self.run_log.pool), memories=PostgresMemories(self.run_log.pool),
            settings=settings, callables=self.callables,
        )  # fmt: skip

    def _say(self, what: str | None) -> None:
        self.waits_for = what

    async def missing(self) -> list[str]:
        """A worker needs its consumers and the database; the gateway accepts without Kafka."""
        if self.waits_for or self.platform is None:
            return [self.waits_for or "starting"]
        told = [
            f"{self.name}: {what}" for one in self.platform.services for what in await one.missing()
        ]
        bus = self.platform.ready()
        if bus and self.name != "gateway":
            told.append(bus)
        with contextlib.suppress(TimeoutError, Transient):
            async with asyncio.timeout(PING_S):
                await self.run_log.ping()
                return told
        return [*told, "database: it does not answer"]
