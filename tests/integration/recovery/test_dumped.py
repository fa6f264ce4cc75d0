"""A dump in another server: its transaction numbers begin anew, and nothing is forgotten for it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actalog.cli import examining
from actalog.cli.examining import Finding, examine
from actalog.embedded.postgres import EmbeddedPostgres
from actalog.recovery import noticing
from actalog_bus.offsets import Stand, stands
from actalog_bus.settings import KafkaSettings
from actalog_log.database import connect
from actalog_log.marks import Partition
from actalog_log.memories_postgres import PostgresMemories, held_up_s
from tests.integration.recovery.dumping import dump, use_up_transaction_numbers
from tests.integration.recovery.world import World

pytestmark = [pytest.mark.postgres, pytest.mark.kills, pytest.mark.timeout(120)]


@pytest.fixture
async def world(embedded_broker: str, tmp_path: Path) -> AsyncIterator[World]:
    made = World(tmp_path, embedded_broker, embedded=True)
    await made.begin()
    yield made
    await made.end()


async def doctor(world: World, patch: pytest.MonkeyPatch) -> dict[str, Finding]:
    """What `actalog doctor` finds, by what it looks at."""
    patch.setenv("ACTALOG_DATABASE_URL", world.dsn)
    patch.setenv("ACTALOG_KAFKA", world.kafka.bootstrap)
    patch.setenv("ACTALOG_TOPIC_PREFIX", world.prefix)
    return {one.what: one async for one in examine()}


def all_heard(standing: dict[Partition, Stand]) -> bool:
    return all(one.committed in (None, one.end) for one in standing.values())


async def moves(world: World, folder: Path) -> None:
    """Into a new server."""
    other = EmbeddedPostgres(folder)
    there = await other.start()
    await dump(world.dsn, there)
    await world.postgres.stop()
    world.postgres, world.dsn = other, there


async def remembers(world: World, run_id: str, user_id: str = "ann") -> None:
    """A run of the user, and what is remembered of it."""
    before = len(await remembered(world))
    await world.send(run_id, "hello", target="remembers", user_id=user_id)
    await world.ended(run_id)
    async with asyncio.timeout(20):
        while len(await remembered(world)) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def remembered(world: World) -> list[str]:
    """The ids of Ann's memories, oldest first."""
    notes = await PostgresMemories(world.log.pool).memories("default", "ann")
    return [note.id for note in notes]


async def test_memories_go_on_in_a_server_whose_transactions_begin_anew(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    await use_up_transaction_numbers(world.dsn, 3_000)
    await world.start()
    await remembers(world, "one")
    first = await remembered(world)
    await world.stop()
    for at in ("second", "third"):  # numbers begin anew each time
        await moves(world, tmp_path / at)
        found = await doctor(world, monkeypatch)
        assert [found[one].fine for one in ("database", "record", "memories")] == [
            True,
            False,
            False,
        ]
        assert "actalog recover" in found["record"].mend
        report = await world.recover()
        assert report is not None
        assert report.whole
        await world.start()
        before = await remembered(world)
        await remembers(world, at)
        told = await remembered(world)
        assert (told[:-1], len(told)) == (before, len(before) + 1)
        assert await held_up_s(world.log.pool) == 0
        await world.stop()
    assert {(await doctor(world, monkeypatch))[one].fine for one in ("record", "memories")} == {
        True
    }
    await world.start()
    followed = await remembered(world)
    assert followed[0] == first[0]
    await PostgresMemories(world.log.pool).rebuild()
    assert await remembered(world) == followed


async def test_what_was_remembered_after_the_dump_comes_back_with_its_events(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    await use_up_transaction_numbers(world.dsn, 3_000)
    await world.start()
    await remembers(world, "one")
    await world.stop()
    other = EmbeddedPostgres(tmp_path / "other")
    there = await other.start()
    await dump(world.dsn, there)
    await world.start()
    await remembers(world, "two")
    told = await remembered(world)
    await world.stop()
    await world.postgres.stop()
    world.postgres, world.dsn = other, there
    assert not (await doctor(world, monkeypatch))["record"].fine
    report = await world.recover()
    assert report is not None
    assert report.brought_back
    await world.start()
    await PostgresMemories(world.log.pool).catch_up()
    assert await remembered(world) == told


async def test_a_copy_put_back_is_found_by_doctor(world: World, monkeypatch: pytest.MonkeyPatch):
    await world.worked("before")
    await world.keep_copy()
    await world.worked("after")
    assert (await doctor(world, monkeypatch))["record"].fine
    await world.put_back()
    found = (await doctor(world, monkeypatch))["record"]
    assert not found.fine
    assert f"{world.prefix}.tasks" in found.said
    assert await world.recover() is not None
    assert (await doctor(world, monkeypatch))["record"].fine


async def test_what_is_heard_while_doctor_looks_is_no_older_database(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """Offsets are asked for when more has been heard than a moment before."""
    await world.start()
    await world.send("one", "hello")
    await world.ended("one")

    async def asked(kafka: KafkaSettings, group: str, topics: list[str]) -> dict[Partition, Stand]:
        before = now = await stands(kafka, group, topics)
        await world.send("two", "hello")
        async with asyncio.timeout(20):
            while now == before or not all_heard(now):
                await asyncio.sleep(0.1)
                now = await stands(kafka, group, topics)
        return now

    monkeypatch.setattr(noticing, "stands", asked)
    monkeypatch.setattr(examining, "ANSWER_S", 30.0)
    assert (await doctor(world, monkeypatch))["record"].fine


async def test_the_tail_tells_all_of_a_moved_log_in_the_order_in_which_it_was_written(
    world: World, tmp_path: Path
):
    await use_up_transaction_numbers(world.dsn, 3_000)
    await world.worked("one")
    await moves(world, tmp_path / "second")
    assert await world.recover() is not None
    await world.worked("two")
    connection = await connect(world.dsn)
    written = await connection.fetch("select run_no, seq from events order by position")
    await connection.close()
    await world.start()
    told = [(event.run_no, event.seq) for event in await world.log.read_tail()]
    assert told == [tuple(row) for row in written]
