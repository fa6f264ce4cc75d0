"""Servers for the tests, started once and stopped by process id."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings

from actalog.embedded.broker import EmbeddedBroker
from actalog.embedded.postgres import EmbeddedPostgres
from actalog_core.logging import plainly
from actalog_log.database import connect
from actalog_log.migrate import migrate
from actalog_testing.apache_kafka import ApacheKafka, missing
from tests.leftovers import remove_moved
from tests.witness import Witness

T = TypeVar("T")
Run = Callable[[Coroutine[Any, Any, Any]], Any]
# What an example takes says how busy the machine is, and nothing of what is tested.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
plainly()  # a traceback with the values of variables takes seconds
KAFKA_POM = Path(__file__).parents[1] / "infra" / "kafka" / "pom.xml"


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The first fixture, and so the last to end: by then all servers have stopped. What a killed
    session left goes with a later one."""
    yield
    remove_moved(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session")
def witness() -> Iterator[tuple[Witness, asyncio.AbstractEventLoop]]:
    """Watches every conductor of this process, and has a loop to read logs with."""
    made, loop = Witness(), asyncio.new_event_loop()
    made.watch()
    yield made, loop
    loop.close()
    assert made.wrong == []  # of platforms that several tests shared


@pytest.fixture(autouse=True)
def every_run_is_rebuilt_and_replays(
    witness: tuple[Witness, asyncio.AbstractEventLoop], request: pytest.FixtureRequest
) -> Iterator[None]:
    """Of every test, whatever it is about; see `tests.witness`."""
    yield
    watching, loop = witness
    if request.node.get_closest_marker("tampers"):
        watching.forget()
        return
    watching.in_memory(loop)
    wrong, watching.wrong = watching.wrong, []
    assert wrong == []


@pytest.fixture(scope="session")
def on_server_loop() -> Iterator[Run]:
    """Run a coroutine on a loop that lives as long as the session: tests have their own."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="servers", daemon=True)
    thread.start()
    yield lambda coroutine: asyncio.run_coroutine_threadsafe(coroutine, loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture(scope="session")
def postgres_dsn(tmp_path_factory: pytest.TempPathFactory, on_server_loop: Run) -> Iterator[str]:
    """A real PostgreSQL."""
    server = EmbeddedPostgres(tmp_path_factory.mktemp("postgres"))
    yield on_server_loop(server.start())
    on_server_loop(server.stop())


@pytest.fixture(scope="session")
def migrated(postgres_dsn: str, on_server_loop: Run) -> str:
    """The name of a migrated database, for copies: a copy takes a fifth of the time."""
    name = "migrated"
    on_server_loop(execute(postgres_dsn, f"create database {name}"))
    on_server_loop(migrate(postgres_dsn.rsplit("/", 1)[0] + f"/{name}"))
    return name


@pytest.fixture
def fresh_database(postgres_dsn: str, migrated: str, on_server_loop: Run) -> Iterator[str]:
    """A migrated database of its own for each test."""
    name = f"test_{uuid.uuid4().hex}"
    dsn = postgres_dsn.rsplit("/", 1)[0] + f"/{name}"
    on_server_loop(execute(postgres_dsn, f"create database {name} template {migrated}"))
    yield dsn
    on_server_loop(execute(postgres_dsn, f"drop database {name} with (force)"))


async def execute(dsn: str, sql: str) -> None:
    connection = await connect(dsn)
    await connection.execute(sql)
    await connection.close()


@pytest.fixture(scope="session")
def embedded_broker(tmp_path_factory: pytest.TempPathFactory, on_server_loop: Run) -> Iterator[str]:
    """The bootstrap address of an embedded broker."""
    broker = EmbeddedBroker(tmp_path_factory.mktemp("broker"))
    yield on_server_loop(broker.start())
    on_server_loop(broker.stop())


@pytest.fixture(scope="session")
def apache_kafka(
    tmp_path_factory: pytest.TempPathFactory, on_server_loop: Run
) -> Iterator[ApacheKafka]:
    """A running Apache Kafka node; a test that kills it restarts it."""
    if lacks := missing():
        pytest.skip(lacks)
    node = ApacheKafka(tmp_path_factory.mktemp("kafka"), pom=KAFKA_POM)
    on_server_loop(node.start())
    yield node
    on_server_loop(node.stop())
