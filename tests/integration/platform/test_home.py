"""What lies in ACTALOG_HOME is its user's alone, whatever the umask."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from actalog.cli import platform_file
from actalog.cli.lock import HomeLock
from actalog.embedded.broker import EmbeddedBroker
from actalog.embedded.home import ours
from actalog.embedded.postgres import EmbeddedPostgres


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def open_to_others(home: Path) -> list[str]:
    """What others may read, write or list. Who runs PostgreSQL as another user has to let it pass."""
    found = [home, *(one for one in home.rglob("*"))]
    return [str(one) for one in found if stat.S_IMODE(one.stat().st_mode) & 0o066]


@pytest.mark.kafka
@pytest.mark.postgres
async def test_servers_and_their_logs_are_for_nobody_else(tmp_path: Path):
    home = tmp_path / "new" / "home"
    lock, broker, server = HomeLock(str(home)), EmbeddedBroker(home), EmbeddedPostgres(home)
    lock.take()
    try:
        kafka, dsn = await broker.start(), await server.start()
        told = platform_file.PlatformFile(
            pid=os.getpid(), kafka=kafka, database_url=dsn, http="", started_at=""
        )
        platform_file.write(str(home), told)
        places = {home, server.data.parent}  # it may lie beside the home
        there = {one.name for place in places for one in place.iterdir()}
        assert {"broker.log", "postgres.log", "platform.json", "up.lock", "postgres"} <= there
        assert [found for place in places for found in open_to_others(place)] == []
    finally:
        await server.stop()
        await broker.stop()
        lock.release()


@pytest.mark.kafka
async def test_a_broker_alone_makes_its_home_so(tmp_path: Path):
    broker = EmbeddedBroker(tmp_path / "home")
    await broker.start()
    await broker.stop()
    assert open_to_others(tmp_path / "home") == []


def test_so_is_the_folder_beside_a_home_that_others_cannot_pass(tmp_path: Path):
    ours(tmp_path / "beside")
    assert open_to_others(tmp_path / "beside") == []
