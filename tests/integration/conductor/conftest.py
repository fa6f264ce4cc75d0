"""Everything runs over both stores: what holds for the double holds for PostgreSQL."""

from collections.abc import AsyncIterator

import pytest

from actalog_log.memory import MemoryLog
from actalog_log.postgres import PostgresLog
from tests.integration.conductor.world import Log, World


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def log(request: pytest.FixtureRequest) -> AsyncIterator[Log]:
    if request.param == "memory":
        yield MemoryLog()
        return
    store = PostgresLog(request.getfixturevalue("fresh_database"))
    await store.start()
    yield store
    await store.stop()


@pytest.fixture
async def world(log: Log) -> AsyncIterator[World]:
    made = World(log)
    yield made
    await made.bus.stop()
