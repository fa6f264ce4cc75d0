"""A process that hears itself works on while its broker is away, and tells everything once it is back."""

import asyncio
from pathlib import Path

import pytest

from actalog_contracts.runs import RunCompleted, RunEvent, ToolReturned
from actalog_testing.apache_kafka import ApacheKafka
from actalog_testing.scripted import Reply, ToolUse
from tests.acceptance.desk import app
from tests.acceptance.site import Site, only, site
from tests.conftest import KAFKA_POM

pytestmark = [pytest.mark.apache, pytest.mark.timeout(240)]
RUNS = 6


async def begin(site: Site) -> set[str]:
    """Runs that look something up, answer slowly, and are in the middle of it when this returns."""
    runs = {f"away-{number}" for number in range(RUNS)}
    for run_id in sorted(runs):
        calls = [ToolUse("order_status", {"order_id": 7})]
        slow = Reply("On its way since Tuesday.", chunks=10, delay_ms=150)
        site.script(run_id, Reply(tool_calls=calls), slow)
        await site.outside.send({"target": "agent:support", "input": run_id, "run_id": run_id})
    async with asyncio.timeout(30):
        while sum(len(site.requests(run_id)) for run_id in runs) < 2 * RUNS:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return runs


async def ended(site: Site, runs: set[str]) -> None:
    async with asyncio.timeout(30):
        for run_id in sorted(runs):
            while not only(await site.story(run_id), RunCompleted):  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_runs_end_while_the_broker_is_away_and_all_is_told_when_it_is_back(
    fresh_database: str, tmp_path: Path
):
    kafka = ApacheKafka(tmp_path / "kafka", pom=KAFKA_POM)
    try:
        bootstrap = await kafka.start()
        async with site(bootstrap, fresh_database, app, embedded=False, one_process=True) as made:
            runs = await begin(made)
            await kafka.kill()
            await ended(made, runs)
            assert made.outside.results == []
            await kafka.start()
            results = await made.outside.wait_for(runs, within_s=120)
            assert {told["status"] for told in results.values()} == {"completed"}
            for run_id in sorted(runs):
                story: list[RunEvent] = list(await made.story(run_id))
                assert len(only(story, ToolReturned)) == 1
                assert len(made.requests(run_id)) == 2
                seqs = list(range(1, len(story) + 1))
                outside = made.outside
                await outside.until(lambda: len(outside.in_order().get(run_id, ())) == len(seqs))  # noqa: B023
                assert outside.in_order()[run_id] == seqs
                found = await made.find(run_id)
                async with asyncio.timeout(10):
                    while found.published_seq < len(seqs):
                        await asyncio.sleep(0.05)
                        found = await made.find(run_id)
            assert len({told["id"] for told in made.outside.results}) == RUNS
    finally:
        await kafka.stop()
