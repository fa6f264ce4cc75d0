"""How a command reaches the platform: by the settings, else by platform.json."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from actalog.cli import platform_file
from actalog_bus.settings import KafkaSettings
from actalog_core.errors import SettingMissing, Transient
from actalog_core.settings import Settings
from actalog_log.postgres import PostgresLog

NOBODY = "no platform runs here. Start one with `actalog up`, or set"


class NoDatabase(Transient):
    """The database cannot be used."""


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Addresses; None where nobody told one."""

    settings: Settings
    kafka: str | None
    database_url: str | None
    http: str | None
    embedded: bool  # the broker's address came from platform.json: it may be the embedded one

    @classmethod
    def from_env(cls) -> Self:
        """Settings first, then the platform that runs in ACTALOG_HOME."""
        settings = Settings.from_env()
        running = platform_file.read(settings.home)
        return cls(
            settings=settings,
            kafka=settings.kafka or (running.kafka if running else None),
            database_url=settings.database_url or (running.database_url if running else None),
            http=running.http if running else None,
            embedded=settings.kafka is None,
        )

    @property
    def dsn(self) -> str:
        """The database.

        Raises:
            SettingMissing: nobody told where it is.
        """
        if self.database_url is None:
            raise SettingMissing(f"{NOBODY} ACTALOG_DATABASE_URL.")
        return self.database_url

    def kafka_settings(self, *, one_process: bool = False) -> KafkaSettings:
        """The broker.

        Raises:
            SettingMissing: nobody told where it is.
        """
        if self.kafka is None:
            raise SettingMissing(f"{NOBODY} ACTALOG_KAFKA.")
        return KafkaSettings.of(
            self.settings, bootstrap=self.kafka, embedded=self.embedded, one_process=one_process
        )


def no_rights(error: Exception) -> str:
    """What mends it when a login may not read or write what services do."""
    return f"ACTALOG_DATABASE_URL: {error}; grant actalog_service to its login."


@asynccontextmanager
async def open_log(dsn: str) -> AsyncGenerator[PostgresLog]:
    """The run log, for reading.

    Raises:
        NoDatabase: it does not answer, or has no tables of ours.
    """
    import asyncpg

    log = PostgresLog(dsn, connections=2)
    try:
        await log.start()
    except (Transient, asyncpg.PostgresError, ValueError) as error:
        raise NoDatabase(f"ACTALOG_DATABASE_URL: {error}") from error
    try:
        yield log
    except Transient as error:
        match error.__cause__:
            case asyncpg.UndefinedTableError():
                raise NoDatabase("it is not migrated; run `actalog migrate`.") from error
            case asyncpg.InsufficientPrivilegeError() as told:
                raise NoDatabase(no_rights(told)) from error
            case _:
                raise
    finally:
        await log.stop()
