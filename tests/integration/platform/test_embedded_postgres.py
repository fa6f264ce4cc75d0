"""The embedded database on a machine that has other users."""

import stat
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from actalog.embedded.postgres import EmbeddedPostgres
from actalog_log.database import connect

pytestmark = pytest.mark.postgres


async def refused(dsn: str) -> bool:
    """Whether it lets in nobody who does not know the password."""
    port = urlsplit(dsn).port
    for password in ("", ":wrong"):
        try:
            connection = await connect(
                f"postgresql://actalog{password}@127.0.0.1:{port}/postgres?sslmode=disable"
            )
        except (asyncpg.PostgresError, asyncpg.InterfaceError):
            continue
        await connection.close()
        return False
    return True


async def test_other_users_of_the_machine_are_not_let_in(tmp_path: Path):
    server = EmbeddedPostgres(tmp_path)
    try:
        assert await refused(await server.start())
        (secret,) = server.data.glob("*password*")
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    finally:
        await server.stop()


async def test_a_home_that_let_everybody_in_is_closed_and_keeps_what_it_has(tmp_path: Path):
    server = EmbeddedPostgres(tmp_path)
    try:
        connection = await connect(await server.start())
        await connection.execute("create table kept (n int)")
        await connection.close()
        await server.stop()
        (server.data / "actalog.password").unlink()
        (server.data / "pg_hba.conf").write_text("host all all 127.0.0.1/32 trust\n")
        dsn = await server.start()
        assert await refused(dsn)
        connection = await connect(dsn)
        assert await connection.fetchval("select count(*) from kept") == 0
        await connection.close()
    finally:
        await server.stop()
