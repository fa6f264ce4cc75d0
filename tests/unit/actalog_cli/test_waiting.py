"""A database that goes away while it is asked whether all is there."""

import asyncpg
import pytest

from actalog.cli import waiting
from actalog.cli.reach import NoDatabase

# How asyncpg tells that a server has gone, or goes just now; it depends on the moment.
GONE = (
    ConnectionResetError(), asyncpg.ConnectionDoesNotExistError("in the middle of operation"),
    asyncpg.InternalClientError("cannot switch to state 12; another operation is in progress"),
    asyncpg.AdminShutdownError("terminating connection"), asyncpg.CrashShutdownError("another"),
    asyncpg.TooManyConnectionsError("sorry"), asyncpg.QueryCanceledError("on user request"),
)  # fmt: skip


@pytest.mark.parametrize("error", GONE, ids=lambda one: type(one).__name__)
async def test_a_service_waits_for_it(error: Exception):
    left, said = [error], list[str | None]()

    async def ask() -> str:
        if left:
            raise left.pop()
        return "there"

    assert await waiting.until("database", ask, say=said.append) == "there"
    assert said[1:] == [None]
    assert str(said[0]).startswith("database: ")


@pytest.mark.parametrize("error", GONE, ids=lambda one: type(one).__name__)
async def test_who_migrates_is_told(error: Exception, monkeypatch: pytest.MonkeyPatch):
    async def migrate(dsn: str) -> list[str]:
        raise error

    monkeypatch.setattr(waiting, "migrate", migrate)
    with pytest.raises(NoDatabase, match="ACTALOG_DATABASE_URL"):
        await waiting.migrated("postgresql://h")
