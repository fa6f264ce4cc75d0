"""`actalog dlq` over a real broker and a real database, as an operator uses it."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import structlog
from typer.testing import CliRunner

from actalog.cli.letters import dead_topics
from actalog.cli.main import app
from actalog_bus.kafka import KafkaBus
from actalog_bus.observed import ObservedBus
from actalog_bus.ports import Delivery, Listen, Record
from actalog_bus.provision import plan, provision
from actalog_bus.settings import KafkaSettings
from actalog_core import metrics
from actalog_core.clock import parse_time, system_clock
from actalog_core.errors import OptionWrong, Permanent
from actalog_testing.apache_kafka import ApacheKafka

pytestmark = [pytest.mark.kafka, pytest.mark.postgres]


class Said(NamedTuple):
    """What a command wrote, and its exit status."""

    returncode: int
    stdout: str
    stderr: str


@dataclass
class Site:
    """A consumer of `actalog.tasks` that is sick until it is mended."""

    env: dict[str, str]
    prefix: str
    bus: Any
    sick: bool = True
    heard: list[Record] = field(default_factory=list[Record])
    dead: list[Record] = field(default_factory=list[Record])

    async def hear(self, delivery: Delivery) -> None:
        if self.sick:
            raise Permanent("no such colour")
        self.heard.append(delivery.record)

    async def hear_dead(self, delivery: Delivery) -> None:
        self.dead.append(delivery.record)

    async def dlq(self, *arguments: str, status: int = 0) -> Any:
        """One command; what it says as JSON."""
        said = await asyncio.to_thread(self.run, *arguments, "--json")
        assert said.returncode == status, said.stdout + said.stderr
        return json.loads(said.stdout) if said.stdout else said.stderr

    def run(self, *arguments: str) -> Said:
        """In this process: one of its own takes half a second to start."""
        said = CliRunner(env=self.env).invoke(app, ["dlq", *arguments])
        return Said(said.exit_code, said.stdout, said.stderr)

    def run_apart(self, *arguments: str) -> Said:
        """In a process of its own, as an operator does."""
        said = subprocess.run(
            [sys.executable, "-m", "actalog", "dlq", *arguments], env=self.env,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        return Said(said.returncode, said.stdout, said.stderr)

    async def dies(self, *inputs: str) -> None:
        """These tasks go to the dead letters."""
        before = len(self.dead)
        for at, said in enumerate(inputs):
            await self.bus.publish(
                f"{self.prefix}.tasks",
                value=json.dumps({"run_id": f"r{said}", "target": "a", "input": said}).encode(),
                key=b"k", headers=(("ce_id", f"{at}".encode()),),
            )  # fmt: skip
        await self.letters(before + len(inputs))

    async def letters(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.dead) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(20):
            while len(self.heard) < count:  # noqa: ASYNC110
                await asyncio.sleep(0.02)


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.apache)])
async def site(
    request: pytest.FixtureRequest, fresh_database: str, tmp_path: Path
) -> AsyncIterator[Site]:
    prefix = f"d{tmp_path.name[-8:].replace('_', '')}{fresh_database[-6:]}"
    if request.param == "apache":
        node: ApacheKafka = request.getfixturevalue("apache_kafka")
        settings = KafkaSettings(bootstrap=node.bootstrap, keeps_marks=False)
    else:
        settings = KafkaSettings(
            bootstrap=request.getfixturevalue("embedded_broker"), mode="assigned",
            idempotence=False, parked_fetch=False, keeps_marks=False,
        )  # fmt: skip
    await provision(settings, plan(prefix=prefix, partitions=2, replication=1))
    env = {
        "PATH": "/usr/bin:/bin", "ACTALOG_KAFKA": settings.bootstrap,
        "ACTALOG_DATABASE_URL": fresh_database, "ACTALOG_TOPIC_PREFIX": prefix,
        "ACTALOG_HOME": str(tmp_path),
    }  # fmt: skip
    bus = ObservedBus(KafkaBus(settings))
    made = Site(env, prefix, bus)
    bus.listen(
        Listen(
            [f"{prefix}.tasks"], f"{prefix}.conductor", made.hear,
            lambda one: (one.key or b"").decode(),
        )
    )  # fmt: skip
    bus.listen(Listen([f"{prefix}.tasks.dlq"], f"{prefix}.dead", made.hear_dead, lambda _: ""))
    # What this process logs is not what a command says, although both are here.
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(file=sys.stderr))
    await bus.start()
    yield made
    await bus.stop()
    structlog.reset_defaults()


async def test_a_letter_is_listed_shown_mended_redriven_once_and_counted(site: Site):
    await site.dies("1", "2")
    first, second = await site.dlq("list")
    assert (first["reason"], first["run_id"], first["attempts"]) == ("permanent", "r1", 1)
    assert parse_time(first["at"]) <= system_clock()  # RFC 3339, as everywhere
    assert "no such colour" in first["error"]
    told = await site.dlq("show", first["letter"])
    assert json.loads(told["value"])["input"] == "1"
    assert told["headers"]["dlq-source-topic"] == f"{site.prefix}.tasks"

    site.sick = False
    would = await site.dlq("redrive", "--all", "--dry-run")
    assert [one["done"] for one in would] == [True, True]
    assert len(await site.dlq("list")) == 2
    counter = metrics.REDRIVEN.labels(f"{site.prefix}.conductor")
    before = counter._value.get()  # pyright: ignore
    await site.dlq("redrive", first["letter"], "--by", "ann")
    await site.until(1)
    record = site.heard[0]
    assert json.loads(record.value or b"")["input"] == "1"
    assert (record.key, record.header("ce_id")) == (b"k", b"0")
    assert record.header("redrive-by") == b"ann"
    assert record.header("redrive-from") == f"{site.prefix}.{first['letter']}".encode()
    assert (record.header("redrive-origin") or b"").startswith(first["source"].encode())
    assert counter._value.get() == before + 1  # pyright: ignore

    refused = await site.dlq("redrive", first["letter"], status=1)
    assert "it was redriven already, by ann" in refused[0]["refused"]
    refused = await site.dlq("discard", first["letter"], status=1)
    assert "it was redriven already, by ann" in refused[0]["refused"]
    assert [one["letter"] for one in await site.dlq("list")] == [second["letter"]]
    assert len(site.heard) == 1


async def test_of_two_who_redrive_at_once_one_is_refused(site: Site):
    await site.dies("1")
    (letter,) = await site.dlq("list")
    site.sick = False
    both = await asyncio.gather(
        *(
            asyncio.to_thread(site.run_apart, "redrive", letter["letter"], "--by", who)
            for who in "ab"
        )
    )
    assert sorted(one.returncode for one in both) == [0, 1]
    await site.until(1)
    await asyncio.sleep(0.3)
    assert len(site.heard) == 1


async def test_a_discarded_letter_is_kept_with_who_and_why_and_sent_no_more(site: Site):
    await site.dies("1")
    (letter,) = await site.dlq("list")
    await site.dlq("discard", letter["letter"], "--by", "ann", "--note", "a test's")
    assert await site.dlq("list") == []
    (kept,) = await site.dlq("list", "--all")
    assert (kept["fate"]["action"], kept["fate"]["by"]) == ("discarded", "ann")
    assert kept["fate"]["note"] == "a test's"
    refused = await site.dlq("redrive", letter["letter"], status=1)
    assert "it was discarded already, by ann" in refused[0]["refused"]
    assert site.heard == []


async def test_what_dies_again_is_a_letter_of_its_own_that_knows_where_it_lay_first(site: Site):
    await site.dies("1")
    (first,) = await site.dlq("list")
    await site.dlq("redrive", first["letter"])
    await site.letters(2)
    again = await site.dlq("list")
    assert again[0]["letter"] != first["letter"]
    assert again[0]["source"] == first["source"]
    assert again[0]["redrives"] == 1
    site.sick = False
    await site.dlq("redrive", again[0]["letter"])
    await site.until(1)
    assert site.heard[0].header("redrive-count") == b"2"
    assert (site.heard[0].header("redrive-origin") or b"").startswith(first["source"].encode())


async def test_letters_are_selected_by_topic_reason_and_run(site: Site):
    await site.dies("1", "2")
    assert len(await site.dlq("list", "--topic", "tasks")) == 2
    assert len(await site.dlq("list", "--topic", f"{site.prefix}.tasks.dlq")) == 2
    assert await site.dlq("list", "--topic", "replies") == []
    assert await site.dlq("list", "--reason", "killed") == []
    (one,) = await site.dlq("list", "--run", "r2")
    assert one["run_id"] == "r2"
    site.sick = False
    told = await site.dlq("redrive", "--all", "--run", "r2")
    assert [each["letter"] for each in told] == [one["letter"]]
    assert [each["run_id"] for each in await site.dlq("list")] == ["r1"]


async def test_wrong_usage_is_told_and_changes_nothing(site: Site):
    await site.dies("1")
    (letter,) = await site.dlq("list")
    for arguments in (
        ("redrive",), ("redrive", letter["letter"], "--all"), ("redrive", "tasks.dlq/0/99"),
        ("discard", letter["letter"], "tasks.dlq/9/9"), ("show", "nothing/0/0"),
        ("list", "--topic", "results"),
    ):  # fmt: skip
        said = await asyncio.to_thread(site.run, *arguments)
        assert said.returncode == 2, arguments
        assert said.stderr.startswith("actalog: "), said.stderr
    assert [one["letter"] for one in await site.dlq("list")] == [letter["letter"]]


def test_a_topic_may_be_named_in_any_form():
    assert dead_topics("p", "tasks") == ["p.tasks.dlq"]
    assert dead_topics("p", "p.llm.commands") == ["p.llm.commands.dlq"]
    assert dead_topics("p", "llm.commands.dlq") == ["p.llm.commands.dlq"]
    assert len(dead_topics("p")) == 7
    with pytest.raises(
        OptionWrong, match=r"option of the command line is wrong\. --topic x: no such"
    ):
        dead_topics("p", "x")
