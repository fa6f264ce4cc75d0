"""`actalog migrate --login`: who services work as can add to the log, and cannot change it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

import asyncpg
import pytest

from actalog_bus.processes import free_port
from actalog_core.errors import SettingMissing
from actalog_log.database import Connection, connect
from actalog_log.logins import LoginMayChangeTheLog, make_login
from actalog_log.migrate import migrate
from actalog_log.postgres import PostgresLog
from tests.integration.log.test_log import begin
from tests.logins import login

pytestmark = pytest.mark.postgres
NAME = "of_the_services"


def as_(dsn: str, name: str, password: str) -> str:
    """The address of the database for somebody else."""
    host = urlsplit(dsn).netloc.rpartition("@")[2]
    return urlsplit(dsn)._replace(netloc=f"{quote(name)}:{password}@{host}").geturl()


@pytest.fixture
async def admin(fresh_database: str) -> AsyncIterator[Connection]:
    connection = await connect(fresh_database)
    yield connection
    await connection.close()


@pytest.fixture
async def services(fresh_database: str) -> AsyncIterator[Connection]:
    await make_login(fresh_database, NAME, "p")
    connection = await connect(as_(fresh_database, NAME, "p"))
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    "sql",
    [
        *(f"{what} {table}" for table in ("runs", "events", "session_ops", "definitions", "blobs")
          for what in ("delete from", "truncate", "drop table")),
        "truncate events_0", "delete from events_0", "update events_0 set seq = 1",
        "update events set payload = ''", "update runs set target = 'x'",
        "update session_ops set ops = ''", "update definitions set body = ''",
        "update blobs set data = ''", "update installation set digest_key = ''",
        "alter table events disable trigger user", "alter table runs disable trigger all",
        "drop trigger runs_append_only on runs", "alter table events detach partition events_0",
        "create or replace function refuse_change() returns trigger language sql as 'select'",
        "set session_replication_role = replica", "set role actalog", "delete from migrations",
        "create table here (n int)", "copy runs to program 'true'",
    ],
)  # fmt: skip
async def test_it_can_change_nothing_that_was_recorded(
    fresh_database: str, services: Connection, sql: str
):
    log = PostgresLog(as_(fresh_database, NAME, "p"))
    await log.start()
    new, _ = await begin(log)  # it may add to it, and read it
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"denied|must be owner"):
        await services.execute(sql)
    assert len(await log.read(new.run_no)) == 1
    await log.stop()


async def test_another_password_replaces_the_one_it_had(fresh_database: str, services: Connection):
    assert await make_login(fresh_database, NAME, "other") is False
    await (await connect(as_(fresh_database, NAME, "other"))).close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await connect(as_(fresh_database, NAME, "p"))


async def test_it_may_have_any_name(fresh_database: str, admin: Connection):
    name = 'we"ird; drop role actalog_service --%s'
    assert await make_login(fresh_database, name, "' \\ %I $1") is True
    dsn = as_(fresh_database, name, quote("' \\ %I $1"))
    await (await connect(dsn)).close()
    await admin.execute('drop role "we""ird; drop role actalog_service --%s"')


@pytest.mark.parametrize("made", ["superuser", "in role actalog"])
async def test_who_may_change_the_log_is_none(fresh_database: str, admin: Connection, made: str):
    dsn = await login(fresh_database, "mighty", with_=made)
    try:
        with pytest.raises(LoginMayChangeTheLog, match="mighty"):
            await make_login(fresh_database, "mighty", "p")
        await (await connect(dsn)).close()  # with the password that it had
    finally:
        await admin.execute("drop role mighty")


async def test_the_login_that_migrates_is_none(fresh_database: str):
    with pytest.raises(LoginMayChangeTheLog, match="actalog"):
        await make_login(fresh_database, "actalog", "p")
    await (await connect(fresh_database)).close()


@pytest.mark.parametrize("password", ["", "grün", "a\nb"])
async def test_a_password_that_two_may_spell_differently_is_refused(
    fresh_database: str, password: str
):
    with pytest.raises(SettingMissing, match="ACTALOG_LOGIN_PASSWORD"):
        await make_login(fresh_database, NAME, password)


async def test_who_migrates_need_be_no_superuser(fresh_database: str, admin: Connection):
    database = "of_a_mere_owner"
    dsn = await login(fresh_database, "mere_owner", with_="createrole")
    await admin.execute(f"create database {database} owner mere_owner")
    try:
        theirs = dsn.rpartition("/")[0] + f"/{database}"
        if await admin.fetchval("select current_setting('server_version_num')::int >= 160000"):
            await admin.execute("grant actalog_service to mere_owner with admin option")
        await migrate(theirs)
        assert await make_login(theirs, "theirs", "p") is True
        await (await connect(as_(theirs, "theirs", "p"))).close()
    finally:
        await admin.execute(f"drop database {database} with (force)")
        for name in ("theirs", "mere_owner"):
            await admin.execute(f"drop owned by {name}")
            await admin.execute(f"drop role {name}")


def typed(dsn: str, folder: Path, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    """One command."""
    given = {
        "PATH": os.environ["PATH"], "ACTALOG_KAFKA": f"127.0.0.1:{free_port()}", **env,
        "ACTALOG_DATABASE_URL": dsn, "ACTALOG_HOME": str(folder),
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "actalog", *words], env=given, text=True, capture_output=True,
        timeout=60, check=False, cwd=folder,
    )  # fmt: skip


async def test_the_command_makes_it(fresh_database: str, tmp_path: Path):
    words = ("migrate", "--login", "typed")
    done = await asyncio.to_thread(typed, fresh_database, tmp_path, *words)
    assert (done.returncode, "ACTALOG_LOGIN_PASSWORD" in done.stderr) == (2, True)
    file = tmp_path / "password"
    file.write_text("p\n")
    for said in ("is new", "has this password"):
        done = await asyncio.to_thread(
            typed, fresh_database, tmp_path, *words, ACTALOG_LOGIN_PASSWORD_FILE=str(file)
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"nothing to apply\nlogin typed {said}\n"
    await (await connect(as_(fresh_database, "typed", "p"))).close()


@pytest.mark.parametrize("words", [("migrate",), ("migrate", "--login", NAME), ("recover",)])
async def test_what_needs_the_owner_says_so(
    fresh_database: str, services: Connection, admin: Connection, words: Sequence[str],
    tmp_path: Path,
):  # fmt: skip
    dsn = as_(fresh_database, NAME, "p")
    done = await asyncio.to_thread(typed, dsn, tmp_path, *words, ACTALOG_LOGIN_PASSWORD="p")
    assert done.returncode == 2
    assert "needs the login that owns the tables" in done.stderr
    assert done.stderr.count("\n") == 1
