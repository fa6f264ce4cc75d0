"""The proxy cuts where it says: behind a commit, before its answer."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import cast

import asyncpg
import pytest

from actalog_bus.processes import free_port
from actalog_log.database import Connection, connect
from tests.chaos.proxy import Proxy

pytestmark = pytest.mark.postgres


@pytest.fixture
async def proxy(fresh_database: str) -> AsyncIterator[tuple[Proxy, str, str]]:
    """A proxy, a DSN through it, and one past it."""
    port = int(fresh_database.rpartition(":")[2].partition("/")[0])
    made = Proxy(free_port(), port, random.Random(1), postgres=True)
    await made.start()
    yield made, fresh_database.replace(f":{port}/", f":{made.port}/"), fresh_database
    await made.stop()


async def inserted(client: Connection, *, explicit: bool) -> None:
    """A row, by one statement or by a transaction."""
    if not explicit:
        await client.execute("insert into t values ($1)", 1)
        return
    async with client.transaction():
        await client.execute("insert into t values ($1)", 1)


@pytest.mark.parametrize("explicit", [False, True])
async def test_what_was_cut_is_committed_and_reads_are_never_cut(
    proxy: tuple[Proxy, str, str], explicit: bool
):
    made, through, past = proxy
    client, direct = await connect(through), await connect(past)
    await direct.execute("create table t (n int)")
    made.wrong.rate = 1.0
    for _ in range(3):
        assert await client.fetchval("select count(*) from t") == 0
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await inserted(client, explicit=explicit)
    assert [what for _, what in made.cuts] == ["a commit of others had no answer"]
    assert await direct.fetchval("select count(*) from t") == 1
    await direct.close()


async def test_without_a_fault_everything_passes(proxy: tuple[Proxy, str, str]):
    made, through, _ = proxy
    client = await connect(through)
    await client.execute("create table t (n int)")
    for n in range(50):
        await client.execute("insert into t values ($1)", n)
    assert await client.fetchval("select count(*) from t") == 50
    await client.close()
    assert made.cuts == []


async def test_a_muted_connection_says_nothing_and_a_reset_one_ends(proxy: tuple[Proxy, str, str]):
    made, through, _ = proxy
    silent, other = await connect(through), await connect(through)
    assert made.mute() == 2
    with pytest.raises(TimeoutError):
        await silent.fetchval("select 1", timeout=0.3)
    fresh = await connect(through)
    assert await fresh.fetchval("select 1") == 1
    async with asyncio.timeout(10):  # who timed out has asked by another connection to be let off
        while sum(not link.muted for link in made.links) > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert made.reset() == 1  # those that are muted stay so: the other side is not told
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await fresh.fetchval("select 1")
    for one in (silent, other):
        cast(asyncpg.Connection, one).terminate()
