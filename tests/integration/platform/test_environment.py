"""What somebody's environment says to other programs, and is not meant for us."""

from pathlib import Path

import pytest

from actalog.embedded.postgres import EmbeddedPostgres
from actalog_log.database import connect

pytestmark = pytest.mark.postgres


async def test_the_embedded_database_starts_where_others_are_asked_for_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PGSSLMODE", "require")
    monkeypatch.setenv("PGHOST", "db.example")
    monkeypatch.setenv("PGPASSWORD", "of another server")
    server = EmbeddedPostgres(tmp_path)
    try:
        connection = await connect(await server.start())
        assert await connection.fetchval("select 1") == 1
        await connection.close()
    finally:
        await server.stop()
