"""The log that most tests of this folder look at."""

from collections.abc import AsyncIterator

import pytest

from actalog_log.postgres import PostgresLog


@pytest.fixture
async def log(fresh_database: str) -> AsyncIterator[PostgresLog]:
    store = PostgresLog(fresh_database)
    await store.start()
    yield store
    await store.stop()
