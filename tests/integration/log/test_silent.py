"""Connections to PostgreSQL that say nothing any more, behind a proxy that falls silent."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit, urlunsplit

import pytest

from actalog_bus.processes import free_port
from actalog_core.errors import Transient
from actalog_log import database
from actalog_log.postgres import PostgresLog
from tests.chaos.proxy import Proxy

pytestmark = pytest.mark.postgres
STATEMENT_S = 2.0  # far above what a machine that pauses makes of 0.2 s


@pytest.fixture
async def proxy(fresh_database: str) -> AsyncIterator[tuple[Proxy, str]]:
    """It, and the DSN that goes through it."""
    told = urlsplit(fresh_database)
    made = Proxy(free_port(), told.port or 0, random.Random(1), postgres=True)
    await made.start()
    host = told.netloc.rpartition("@")[0] + f"@127.0.0.1:{made.port}"
    yield made, urlunsplit(told._replace(netloc=host))
    await made.stop()


async def test_after_one_silent_connection_the_others_are_not_waited_for(
    proxy: tuple[Proxy, str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(database, "STATEMENT_S", STATEMENT_S)
    between, dsn = proxy
    log = PostgresLog(dsn, connections=8)
    await log.start()
    try:
        await asyncio.gather(*(log.pool.execute("select pg_sleep(0.2)") for _ in range(8)))
        assert between.mute() >= 8
        began, failed = time.monotonic(), 0
        while True:
            try:
                await log.find_run("default", "r")
                break
            except Transient:
                failed += 1
        took_s = time.monotonic() - began
    finally:
        await log.stop()
    # One statement, its cancel, and not eight of both.
    assert failed == 1
    assert took_s < 4 * STATEMENT_S
