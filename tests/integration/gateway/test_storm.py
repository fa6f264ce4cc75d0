"""A gateway is killed with hundreds of streams open: all come back to the other one, at their own
time, and nothing is missed or told twice."""

import asyncio
import time
from pathlib import Path

import pytest

from actalog_testing.apache_kafka import ApacheKafka
from tests.integration.gateway.storm import shuffled, storm
from tests.integration.gateway.world import Run, done, reply

pytestmark = [pytest.mark.timeout(120)]
CLIENTS, RUNS = 300, 6
TEXT = "Es war einmal\n\nein Gateway 👋, das starb. " * 5


@pytest.mark.parametrize(
    "broker",
    [
        pytest.param("embedded", marks=[pytest.mark.kafka, pytest.mark.postgres]),
        pytest.param("apache", marks=[pytest.mark.apache]),
    ],
)
async def test_all_clients_of_a_killed_gateway_catch_up_at_another_one(
    broker: str, request: pytest.FixtureRequest, fresh_database: str, tmp_path: Path
):
    if broker == "embedded":
        bootstrap: str = request.getfixturevalue("embedded_broker")
    else:
        node: ApacheKafka = request.getfixturevalue("apache_kafka")
        bootstrap = node.bootstrap
    async with storm(bootstrap, fresh_database, tmp_path, embedded=broker == "embedded") as made:
        names = [f"r{at}" for at in range(RUNS)]
        runs = [await made.stage.run(name) for name in names]
        for run in runs:
            await run.begin()
        clients = made.clients(CLIENTS, names)
        following = [asyncio.create_task(one.follow()) for one in clients]
        async with asyncio.timeout(30):
            for one in clients:
                await one.has(3)
        writing = asyncio.gather(*(write(run) for run in runs))
        await asyncio.sleep(0.3)  # in the middle of a message
        began = time.monotonic()
        made.kill(0)
        async with asyncio.timeout(60):
            await asyncio.gather(*following)
        took = time.monotonic() - began
        await writing
    assert took < 30
    for one in clients:
        assert one.reader.seqs == [1, 2, 3, 4, 5]
        assert one.reader.texts == {f"{one.run_id}:m1": TEXT}
        assert one.connections >= 1
    # They were cut while it was written, and came back one after the other.
    assert sum(one.reader.deltas > 0 for one in clients) == CLIENTS
    assert any(one.reader.restarts for one in clients)
    assert len({one.retry_s for one in clients}) > CLIENTS / 10


async def write(run: Run) -> None:
    """A message of about four seconds, then the run's end."""
    at = 0
    for piece in shuffled(TEXT, 7):
        await run.delta(piece, offset=at)
        at += len(piece)
        await asyncio.sleep(0.1)
    await run.say(reply(run.row.run_id, TEXT), done(4))
