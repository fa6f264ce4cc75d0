"""What PostgreSQL refuses because of itself, and not of what it was asked, is waited for."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from actalog.cli.waiting import missing_migrations
from actalog_core.errors import Transient
from actalog_log.beside_ports import InboxRow
from actalog_log.calls import PostgresCalls
from actalog_log.database import Connection, connect
from actalog_log.migrate import WrongEncoding, migrate
from actalog_log.postgres import PostgresLog
from tests.logins import login

pytestmark = pytest.mark.postgres
LOGIN = "with_settings"


@pytest.fixture
async def admin(fresh_database: str) -> AsyncIterator[Connection]:
    await login(fresh_database, LOGIN, with_="in role actalog_service")
    connection = await connect(fresh_database)
    yield connection
    await connection.execute(f"alter role {LOGIN} reset all")
    await connection.close()


@pytest.fixture
async def log(fresh_database: str, admin: Connection) -> AsyncIterator[PostgresLog]:
    """Not connected: roles are given their settings first."""
    store = PostgresLog(await login(fresh_database, LOGIN))
    yield store
    await store.stop()


async def test_a_lock_that_was_not_had_in_time_is_waited_for(admin: Connection, log: PostgresLog):
    await admin.execute(f"alter role {LOGIN} set lock_timeout = '50ms'")
    await log.start()
    async with admin.transaction():
        await admin.execute("lock table calls, inbox")  # as a migration does, or VACUUM FULL
        with pytest.raises(Transient, match="lock timeout"):
            await log.put_inbox(InboxRow("default", "r", b"{}"))
        with pytest.raises(Transient, match="lock timeout"):
            await PostgresCalls(log.pool).claim("c", run_no=1, holder="h", lease_ms=1_000)


@pytest.mark.parametrize(
    "taken", ["revoke all on inbox from actalog_service", "alter table inbox rename to elsewhere"]
)
async def test_a_table_that_is_withheld_is_waited_for(
    admin: Connection, log: PostgresLog, taken: str
):
    """As while somebody puts a dump back, or gives a role its rights anew."""
    await log.start()
    await admin.execute(taken)
    with pytest.raises(Transient, match="inbox"):
        await log.put_inbox(InboxRow("default", "r", b"{}"))


async def test_two_at_one_row_are_no_failure_whatever_the_role_is_isolated_by(
    admin: Connection, log: PostgresLog
):
    await admin.execute(f"alter role {LOGIN} set default_transaction_isolation = 'serializable'")
    await log.start()
    await log.put_inbox(InboxRow("default", "r", b"{}"))
    async with admin.transaction():
        await admin.execute("update inbox set tries = 1")
        trying = asyncio.create_task(log.try_inbox("default", "r"))
        await asyncio.sleep(0.1)
    assert await trying == 2


async def test_tables_are_found_wherever_the_role_looks_for_its_own(
    admin: Connection, log: PostgresLog, fresh_database: str
):
    await admin.execute(f"create schema theirs authorization {LOGIN}")
    await admin.execute(f"alter role {LOGIN} set search_path = theirs")
    await log.start()
    assert await log.put_inbox(InboxRow("default", "r", b"{}"))
    assert await log.keep_ranges_ahead() == 0
    assert await missing_migrations(log.dsn) == []


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
async def test_a_database_that_cannot_hold_every_text_is_refused(
    admin: Connection, fresh_database: str, encoding: str
):
    name = f"in_{encoding.lower()}"
    await admin.execute(
        f"create database {name} encoding '{encoding}' template template0 locale 'C'"
    )
    with pytest.raises(WrongEncoding, match=encoding):
        await migrate(fresh_database.rsplit("/", 1)[0] + f"/{name}")
    await admin.execute(f"drop database {name}")


async def test_a_commit_is_on_disk_whatever_the_role_waits_for(admin: Connection, log: PostgresLog):
    await admin.execute(f"alter role {LOGIN} set synchronous_commit = off")
    await log.start()
    assert await log.pool.fetchval("select current_setting('synchronous_commit')") == "on"
