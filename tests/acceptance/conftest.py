"""One platform for all tests of a module, on the embedded broker and on Apache Kafka."""

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from actalog_log.migrate import migrate
from actalog_testing.apache_kafka import ApacheKafka
from tests.acceptance.desk import app
from tests.acceptance.site import Site, site
from tests.conftest import Run, execute

BROKERS = [
    pytest.param("embedded", marks=[pytest.mark.kafka, pytest.mark.postgres]),
    pytest.param("apache", marks=[pytest.mark.apache]),
]


@pytest.fixture(scope="module", params=BROKERS)
def place(
    request: pytest.FixtureRequest, postgres_dsn: str, on_server_loop: Run
) -> Iterator[tuple[str, str]]:
    """A broker, and a migrated database: (kind, DSN)."""
    name = f"module_{uuid.uuid4().hex}"
    dsn = postgres_dsn.rsplit("/", 1)[0] + f"/{name}"
    on_server_loop(execute(postgres_dsn, f"create database {name}"))
    on_server_loop(migrate(dsn))
    yield request.param, dsn
    on_server_loop(execute(postgres_dsn, f"drop database {name} with (force)"))


@pytest_asyncio.fixture(scope="module", loop_scope="module", name="site")
async def running_site(
    request: pytest.FixtureRequest, place: tuple[str, str]
) -> AsyncIterator[Site]:
    """The platform that the tests of a module share."""
    kind, dsn = place
    if kind == "embedded":
        bootstrap: str = request.getfixturevalue("embedded_broker")
    else:
        node: ApacheKafka = request.getfixturevalue("apache_kafka")
        bootstrap = node.bootstrap
    async with site(bootstrap, dsn, app, embedded=kind == "embedded") as made:
        yield made
