"""docker-compose.yml on Apache Kafka and a PostgreSQL of its own, without Docker: what is told to its
containers makes a platform, whose services cannot change what was recorded."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from actalog.embedded.postgres import EmbeddedPostgres
from actalog.names import NAMES
from actalog_bus.processes import end
from actalog_core.settings import setting
from actalog_log.database import connect
from actalog_testing.apache_kafka import ApacheKafka
from tests.acceptance.composition import SERVICES, Containers
from tests.acceptance.outside import Outside
from tests.acceptance.site import new_prefix
from tests.witness import of_database

ONE_SHOT = ("logins", "topics", "migrate", "deploy")
TASK = {
    "target": "agent:support",
    "input": "Where is order 1042?",
    "run_id": "r",
    "session_id": "s",
}
pytestmark = [pytest.mark.apache, pytest.mark.timeout(240)]


@pytest.fixture
async def postgres(tmp_path: Path) -> AsyncIterator[str]:
    """As the composition's image makes it: a superuser `actalog`, and a database of that name."""
    server = EmbeddedPostgres(tmp_path / "server")
    dsn = await server.start()
    connection = await connect(dsn)
    await connection.execute("create database actalog")
    await connection.close()
    yield urlsplit(dsn)._replace(path="/actalog").geturl()
    await server.stop()


@pytest.fixture
async def containers(
    apache_kafka: ApacheKafka, postgres: str, tmp_path: Path
) -> AsyncIterator[Containers]:
    folder = tmp_path / "run"
    folder.mkdir()
    told = urlsplit(postgres)
    made = Containers(
        tmp_path,
        outer={"ACTALOG_TOPIC_PREFIX": new_prefix(), "POSTGRES_PASSWORD": told.password or ""},
        names={"kafka:19092": apache_kafka.bootstrap, "/run/actalog": str(folder),
               "postgres:5432": f"127.0.0.1:{told.port}"},
    )  # fmt: skip
    yield made
    await asyncio.gather(*(end(process) for process in made.running.values()))


async def once(containers: Containers, name: str, *words: str) -> tuple[int, str]:
    done = await asyncio.to_thread(containers.once, name, *words)
    return done.returncode, done.stdout + done.stderr


async def begun(containers: Containers) -> None:
    """What runs once, in the order that `depends_on` says, and the services until they are healthy."""
    waits = {name: set(SERVICES[name].get("depends_on", {})) & {*ONE_SHOT} for name in ONE_SHOT}
    done: set[str] = {"logins"}
    assert (await once(containers, "logins"))[0] == 0  # PostgreSQL waits for it
    while left := waits.keys() - done:
        name = min(one for one in left if waits[one] <= done)
        status, said = await once(containers, name)
        assert status == 0, said
        done.add(name)
    for name in NAMES:
        containers.start(name)
    async with asyncio.timeout(90):
        for name in NAMES:
            while not await asyncio.to_thread(containers.healthy, name):
                assert containers.running[name].poll() is None, containers.folder / f"{name}.log"
                await asyncio.sleep(0.2)


async def test_the_composition_works_and_its_services_cannot_change_the_log(
    containers: Containers, postgres: str
):
    await begun(containers)
    kafka, prefix = containers.names["kafka:19092"], containers.outer["ACTALOG_TOPIC_PREFIX"]
    async with Outside(kafka, prefix) as outside:
        await outside.send(TASK)
        assert (await outside.wait_for({"r"}, within_s=60))["r"]["status"] == "completed"
        await outside.publish(b"no JSON")
        await outside.until(lambda: outside.records["tasks.dlq"])
    for words in (
        ("doctor",), ("status",), ("runs",), ("sessions",), ("requirements",), ("log", "r"),
        ("prompt", "r", "--call", "1"), ("rebuild", "r"), ("rebuild", "--session", "s"),
        ("replay", "--all"), ("replay", "r", "--save", "kept.jsonl"), ("deploy",),
        ("topics", "apply"), ("run", "agent:support", "Where is order 1043?"), ("cancel", "nobody"),
    ):  # fmt: skip
        status, said = await once(containers, "conductor", "actalog", *words)
        assert status == 0, (words, said)
    letter = await buried(containers)
    for word in ("redrive", "discard"):
        status, said = await once(containers, "conductor", "actalog", "dlq", word, letter)
        assert "denied" not in said, (word, said)
    await unchangeable(containers)
    for name, process in containers.running.items():
        await end(process, grace_s=25)
        assert process.returncode == 0, name
    status, said = await once(containers, "conductor", "actalog", "recover")
    assert (status, "needs the login that owns the tables" in said) == (2, True)
    status, said = await once(containers, "migrate", "actalog", "recover")
    assert status == 0, said
    await of_database(postgres)


async def buried(containers: Containers) -> str:
    """The dead letter of what could not be read."""
    while True:
        _, said = await once(containers, "conductor", "actalog", "dlq", "list", "--json")
        if letters := json.loads(said):
            return letters[0]["letter"]
        await asyncio.sleep(0.5)


async def unchangeable(containers: Containers) -> None:
    """As whom services are let in."""
    url = setting(containers.environment("tools"), "ACTALOG_DATABASE_URL") or ""
    assert urlsplit(url).username == "services"
    connection = await connect(url)
    for sql in ("update events set seq = 9", "delete from events", "truncate events, runs",
                "alter table events disable trigger all"):  # fmt: skip
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=r"denied|must be owner"):
            await connection.execute(sql)
    assert await connection.fetchval("select count(*) from events") > 0
    await connection.close()
