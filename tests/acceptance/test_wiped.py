"""A broker that lost what it had: what is published then is new, whatever its offset, and no run
that was accepted is lost."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from actalog_testing.apache_kafka import ApacheKafka, missing
from actalog_testing.scripted import Reply
from tests.acceptance.desk import app
from tests.acceptance.outside import Outside
from tests.acceptance.site import Site, site, topics_there
from tests.conftest import KAFKA_POM

TASK = json.dumps({"target": "plain", "input": "the same bytes each time"}).encode()
pytestmark = [pytest.mark.apache, pytest.mark.timeout(120)]


@pytest.fixture
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ApacheKafka]:
    """A broker of its own: it does not survive the test as it was."""
    if lacks := missing():
        pytest.skip(lacks)
    made = ApacheKafka(tmp_path_factory.mktemp("kafka"), pom=KAFKA_POM)
    await made.start()
    yield made
    await made.stop()


async def publish_and_count(site: Site, outside: Outside, records: int) -> int:
    """The same bytes on one partition, without id, key or header; how many runs there are then,
    each with its result. What was sent when the topics went may be told again in the new ones."""
    before = {row["run_id"] for row in await site.log.pool.fetch("select run_id from runs")}
    for _ in range(records):
        await outside.publish(TASK, partition=0)
    await outside.until(
        lambda: len({told["run_id"] for told in outside.results} - before) == records
    )
    assert {told["status"] for told in outside.results} == {"completed"}
    return await site.log.pool.fetchval("select count(*) from runs")


async def deleted(site: Site) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=site.settings.kafka or "")
    await admin.start()
    try:
        mine = [one for one in await admin.list_topics() if site.settings.topic_prefix in one]
        await admin.delete_topics(mine)
    finally:
        await admin.close()


async def test_what_is_published_after_a_wipe_is_new_whatever_its_offset(
    node: ApacheKafka, fresh_database: str
):
    async with site(node.bootstrap, fresh_database, app, embedded=False) as running:
        assert await publish_and_count(running, running.outside, 5) == 5
        bootstrap, prefix = node.bootstrap, running.settings.topic_prefix
        await deleted(running)
        await topics_there(running.settings, running.kafka)
        async with Outside(bootstrap, prefix) as outside:
            assert await publish_and_count(running, outside, 3) == 8
        # A run waits for its model when the broker loses everything, itself included.
        running.script("slow", Reply("At last.", delay_ms=1_500))
        async with Outside(bootstrap, prefix) as outside:
            await outside.send({"target": "plain", "input": "slow", "run_id": "slow"})
            await until_asked(running)
            await node.wipe()
        await topics_there(running.settings, running.kafka)
        async with Outside(bootstrap, prefix) as outside:
            told = await outside.wait_for({"slow"})
            assert told["slow"]["output"] == "At last."
            assert await publish_and_count(running, outside, 4) == 13
            # And on: the sixth record is where the last one was before.
            assert await publish_and_count(running, outside, 4) == 17


async def until_asked(site: Site) -> None:
    async with asyncio.timeout(20):
        while not site.requests("slow"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
