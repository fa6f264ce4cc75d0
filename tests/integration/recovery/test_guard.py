"""A process stays with its database: replicas, failed-over and older ones are refused."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from actalog.cli.waiting import missing_migrations
from actalog.embedded.postgres import EmbeddedPostgres
from actalog.recovery.noticing import DatabaseWasRestored, all_as_known
from actalog_bus.settings import KafkaSettings
from actalog_core.errors import Transient
from actalog_log import guarding
from actalog_log.database import connect
from actalog_log.guarding import DatabaseWentBack, Guard
from actalog_log.migrate import DatabaseIsNewer, migrate
from actalog_log.postgres import PostgresLog

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(60)]
NO_KAFKA = KafkaSettings(bootstrap="127.0.0.1:1")


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedPostgres]:
    made = EmbeddedPostgres(tmp_path / "home")
    await migrate(await made.start())
    yield made
    await made.stop()


def on_port_of(server: EmbeddedPostgres) -> str:
    port = (server.data / "postmaster.pid").read_text().splitlines()[3]
    return server.address(int(port))


async def on(dsn: str, sql: str) -> None:
    connection = await connect(dsn)
    await connection.execute(sql)
    await connection.close()


async def test_a_read_only_database_is_waited_for_and_takes_nothing(server: EmbeddedPostgres):
    dsn = on_port_of(server)
    running = PostgresLog(dsn, guard=Guard())
    await running.start()
    await on(dsn, "alter system set default_transaction_read_only = on")
    await on(dsn, "select pg_reload_conf()")
    await asyncio.sleep(0.3)
    with pytest.raises(Transient, match="takes no writes"):
        await running.ping()
    with pytest.raises(Transient, match="read-only"):
        await running.mark_heard("g", {("t", 0): 1})
    begins = PostgresLog(dsn, guard=Guard())
    with pytest.raises(Transient, match="it is read-only"):
        await begins.start()
    await running.stop()


async def test_a_replica_that_took_over_is_refused_by_running_and_by_new_processes(
    server: EmbeddedPostgres,
):
    guard = Guard()
    running = PostgresLog(on_port_of(server), guard=guard)
    await running.start()
    await running.ping()
    await server.stop()
    (server.data / "standby.signal").touch()
    shutil.chown(server.data / "standby.signal", server.data.stat().st_uid)
    dsn = await server.start()
    with pytest.raises(Transient, match="it is a replica"):
        await PostgresLog(dsn, guard=Guard()).start()
    await on(dsn, "select pg_promote()")
    connection = await connect(dsn)
    with pytest.raises(asyncpg.InterfaceError, match="timeline 2 answers"):
        await guard.greet(connection)
    with pytest.raises(asyncpg.InterfaceError):  # once refused, always refused
        await guard.greet(connection)
    with pytest.raises(DatabaseWentBack):
        await guard.broken()
    with pytest.raises(DatabaseWasRestored, match="its timeline was 1 and is 2"):
        await all_as_known(connection, NO_KAFKA, "actalog")
    await connection.close()
    await running.stop()


async def test_a_copy_that_is_put_back_under_a_running_process_is_refused(
    server: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(guarding, "WATCH_EVERY_S", 0.05)
    await server.stop()
    shutil.copytree(server.data, tmp_path / "copy")
    guard = Guard()
    running = PostgresLog(await server.start(), guard=guard)
    await running.start()
    for n in range(20):
        await running.mark_heard("g", {("t", 0): n})
    await asyncio.sleep(0.3)
    owner = server.data.stat()
    await server.stop()
    shutil.rmtree(server.data)
    shutil.copytree(tmp_path / "copy", server.data)
    for path in (server.data, *server.data.rglob("*")):
        shutil.chown(path, owner.st_uid, owner.st_gid)
    connection = await connect(await server.start())
    with pytest.raises(asyncpg.InterfaceError, match="log went back"):
        await guard.greet(connection)
    await connection.close()
    await running.stop()


async def test_a_restart_of_the_same_database_is_none_of_it(server: EmbeddedPostgres):
    guard = Guard()
    running = PostgresLog(on_port_of(server), guard=guard)
    await running.start()
    await running.mark_heard("g", {("t", 0): 1})
    await server.stop()
    connection = await connect(await server.start())
    await guard.greet(connection)
    assert guard.refused is None
    await connection.close()
    await running.stop()


async def test_a_database_of_a_newer_build_is_refused_and_not_changed(fresh_database: str):
    await on(fresh_database, "insert into migrations values ('9999_later.sql', 'x')")
    with pytest.raises(DatabaseIsNewer, match=r"9999_later\.sql"):
        await missing_migrations(fresh_database)
    with pytest.raises(DatabaseIsNewer):
        await migrate(fresh_database)


async def test_marks_do_not_go_back_by_themselves(fresh_database: str):
    log = PostgresLog(fresh_database)
    await log.start()
    await log.mark_heard("g", {("t", 0): 5, ("t", 1): 1})
    await log.mark_heard("g", {("t", 0): 3})  # a member that lost the partition meanwhile
    rows = await log.pool.fetch("select partition, heard_up_to from heard_marks order by 1")
    assert [tuple(row) for row in rows] == [(0, 5), (1, 1)]
    await log.mark_heard("g", {("t", 0): 2}, back=True)  # its broker began anew
    rows = await log.pool.fetch("select partition, heard_up_to from heard_marks order by 1")
    assert [tuple(row) for row in rows] == [(0, 2), (1, 1)]
    await log.stop()
