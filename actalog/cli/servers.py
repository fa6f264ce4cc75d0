"""The servers under a platform in one process: those that the settings name, or embedded ones."""

import asyncio
from pathlib import Path

from actalog.cli.waiting import migrated
from actalog.embedded.broker import EmbeddedBroker
from actalog.embedded.postgres import EmbeddedPostgres
from actalog_bus.provision import plan, provision
from actalog_bus.settings import KafkaSettings
from actalog_core.service import in_order
from actalog_core.settings import Settings


class Servers:
    """Started side by side; stopped by who started them."""

    def __init__(self, settings: Settings, *, kafka_port: int | None) -> None:
        self.settings = settings
        home = Path(settings.home).absolute()
        self._broker = None if settings.kafka else EmbeddedBroker(home, kafka_port)
        self._postgres = None if settings.database_url else EmbeddedPostgres(home)
        self.dsn = settings.database_url or ""
        self.kafka: KafkaSettings

    @property
    def embedded(self) -> bool:
        """Whether the broker is ours."""
        return self._broker is not None

    async def start(self) -> None:
        """Start what is embedded; migrate the database, create the topics.

        Raises:
            Transient: a server does not start or answer.
        """
        async with asyncio.TaskGroup() as group:
            group.create_task(self._database())
            group.create_task(self._topics())

    async def stop(self) -> None:
        """Stop what is embedded, the broker first."""
        for server in (self._broker, self._postgres):
            if server is not None:
                await in_order(server.stop())

    async def _database(self) -> None:
        if self._postgres is not None:
            self.dsn = await self._postgres.start()
        await migrated(self.dsn)

    async def _topics(self) -> None:
        bootstrap = self.settings.kafka or await self._start_broker()
        self.kafka = KafkaSettings.of(
            self.settings, bootstrap=bootstrap, embedded=self.embedded, one_process=True
        )
        planned = plan(
            prefix=self.settings.topic_prefix, partitions=self.settings.partitions,
            replication=self.settings.replication,
        )  # fmt: skip
        await provision(self.kafka, planned)

    async def _start_broker(self) -> str:
        assert self._broker is not None
        return await self._broker.start()
