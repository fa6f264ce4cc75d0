"""A shop whose conductor, llm and tools services run as processes."""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from actalog_testing.apache_kafka import ApacheKafka
from actalog_testing.scripted import ScriptedServer
from tests.acceptance.outside import Outside
from tests.acceptance.processes import Fleet, run
from tests.integration.effects.floor import Shop


@asynccontextmanager
async def opened(bootstrap: str, dsn: str, folder: Path, *, embedded: bool) -> AsyncGenerator[Shop]:
    """A shop of its own: a prefix, a database, a model server."""
    model = ScriptedServer()
    base_url = await model.start()
    prefix = f"e{dsn[-10:]}"
    env = {
        "ACTALOG_DATABASE_URL": dsn,
        "ACTALOG_TOPIC_PREFIX": prefix, "ACTALOG_PARTITIONS": "2", "ACTALOG_LEASE_MS": "1000",
        "ACTALOG_APP": "tests.integration.effects.shop:app", "SHOP_FOLDER": str(folder),
        "ACTALOG_HOME": str(folder / "home"), "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"{base_url}/v1", "PYTHONPATH": str(Path(__file__).parents[3]),
    }  # fmt: skip
    if embedded:
        _tell(folder, bootstrap, dsn)
    else:
        env["ACTALOG_KAFKA"] = bootstrap
    for command in (("migrate",), ("topics", "apply"), ("deploy",)):
        await asyncio.to_thread(run, *command, env=env)
    fleet = Fleet(env, folder)
    try:
        await fleet.start(("conductor", "llm", "tools"))
        async with Outside(bootstrap, prefix) as outside:
            yield Shop(fleet, outside, folder, model)
    finally:
        await fleet.stop()
        await model.stop()


def _tell(folder: Path, bootstrap: str, dsn: str) -> None:
    """As `actalog up` tells of its embedded broker, which has no idempotent producers."""
    told = {"pid": os.getpid(), "kafka": bootstrap, "database_url": dsn,
            "http": "http://127.0.0.1:1", "started_at": "2026-11-25T00:00:00Z"}  # fmt: skip
    for home in ("home", "conductor-0", "llm-0", "tools-0"):
        (folder / home).mkdir()
        (folder / home / "platform.json").write_text(json.dumps(told))


@pytest.fixture
async def shop(embedded_broker: str, fresh_database: str, tmp_path: Path) -> AsyncIterator[Shop]:
    async with opened(embedded_broker, fresh_database, tmp_path, embedded=True) as made:
        yield made


@pytest.fixture
async def large_shop(
    apache_kafka: ApacheKafka, fresh_database: str, tmp_path: Path
) -> AsyncIterator[Shop]:
    """On Apache Kafka, where several workers share a group."""
    async with opened(apache_kafka.bootstrap, fresh_database, tmp_path, embedded=False) as made:
        yield made
