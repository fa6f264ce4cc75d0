"""The platform of `actalog up`: all services over Kafka and PostgreSQL, one bus for all."""

import importlib
import os

from actalog.cli.servers import Servers
from actalog.extras import installed
from actalog.names import NAMES
from actalog.platform import Author, Platform, ScriptedPart
from actalog.recovery.noticing import all_as_known
from actalog.scripted_models import scripted_unless_named
from actalog.services import Ground
from actalog_bus.kafka import KafkaBus
from actalog_bus.observed import ObservedBus
from actalog_core import tracing
from actalog_core.garbage import collect_seldom
from actalog_core.settings import Settings
from actalog_log.calls import PostgresCalls
from actalog_log.guarding import Guard
from actalog_log.memories_postgres import PostgresMemories
from actalog_log.postgres import PostgresLog

# All at once, in the thread that imports this module while the servers start.
installed(*NAMES)
for _name in NAMES:
    importlib.import_module(f"actalog_{_name}.app")


class Assembly:
    """What `actalog up` starts once the servers answer."""

    def __init__(self, settings: Settings, servers: Servers, author: Author) -> None:
        self.settings, self.scripted = scripted_unless_named(settings)
        self.settings = self.settings.model_copy(
            update={"kafka": servers.kafka.bootstrap, "database_url": servers.dsn}
        )
        self.author, self.servers = author, servers
        self.definitions = author.definitions()
        self.log = PostgresLog(servers.dsn, guard=Guard())
        self.platform: Platform | None = None
        self._connected = False

    async def start(self) -> None:
        """Connect, register the definitions, start all services.

        Raises:
            DatabaseWasRestored: the database is older than what the topics tell.
        """
        await self.log.start()
        self._connected = True
        # The embedded broker keeps nothing: what it has begins with this process.
        kafka = None if self.servers.embedded else self.servers.kafka
        await all_as_known(self.log.pool, kafka, self.settings.topic_prefix)
        bus = KafkaBus(self.servers.kafka)
        traced = tracing.wanted(os.environ)
        ground = Ground(
            bus=ObservedBus(bus, traced=traced, prefix=self.settings.topic_prefix), log=self.log,
            calls=PostgresCalls(self.log.pool), memories=PostgresMemories(self.log.pool),
            settings=self.settings, callables=self.author.callables(),
        )  # fmt: skip
        beside = [ScriptedPart(self.scripted)] if self.scripted else []
        self.platform = Platform(ground, definitions=self.definitions, beside=beside)
        await self.platform.start()
        collect_seldom()

    async def stop(self) -> None:
        """Drain, then disconnect."""
        if self.platform is not None:
            await self.platform.stop()
        if self._connected:
            await self.log.stop()
