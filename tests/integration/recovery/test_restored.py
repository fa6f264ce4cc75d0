"""A database older than the topics: refused, brought up to what was published, gone on with."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from actalog.recovery import recovering, restoring
from actalog.recovery.noticing import DatabaseWasRestored, all_as_known
from actalog.recovery.recovering import AnotherDatabase
from actalog_bus.offsets import GroupIsAlive
from actalog_log.database import connect
from tests.integration.recovery.world import CHARGED, World

pytestmark = [pytest.mark.postgres, pytest.mark.kills, pytest.mark.timeout(150)]


@pytest.fixture(params=["embedded", pytest.param("apache", marks=pytest.mark.apache)])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == "embedded":
        made = World(tmp_path, request.getfixturevalue("embedded_broker"), embedded=True)
    else:
        node = request.getfixturevalue("apache_kafka")
        made = World(tmp_path, node.bootstrap, embedded=False)
    await made.begin()
    yield made
    await made.end()


async def refused(world: World) -> str:
    connection = await connect(world.dsn)
    try:
        with pytest.raises(DatabaseWasRestored) as told:
            await all_as_known(connection, world.kafka, world.prefix)
    finally:
        await connection.close()
    return str(told.value)


async def as_known(world: World) -> None:
    connection = await connect(world.dsn)
    try:
        await all_as_known(connection, world.kafka, world.prefix)
    finally:
        await connection.close()


async def test_what_ran_after_the_copy_is_there_again_and_nothing_happens_twice(world: World):
    one, two, hangs = (uuid.uuid4().hex for _ in range(3))
    hangs = f"hangs-{hangs}"
    await world.start()
    await world.send("before", f"charge {one}", session_id="s")
    assert await world.ended("before") == {"before": "run.completed"}
    await world.stop()
    await world.keep_copy()
    await world.start()
    await world.send("after", f"charge {two}", session_id="s")
    await world.ended("after")
    await world.send("cut", f"charge {hangs}", session_id="t")
    await world.acts("cut", hangs)
    numbers = {(await world.log.find_run("default", one)).row.run_no for one in ("after", "cut")}  # pyright: ignore[reportOptionalMemberAccess]
    ops = await world.log.session_ops("default", "s")
    await world.stop(0.5)
    seen = {told["id"]: told["hash"] for told in await world.published("events")}
    results = {told["id"]: told for told in await world.published("results")}
    await world.put_back()
    assert "actalog recover" in await refused(world)
    await refused(world)  # asking changes nothing
    planned = await world.recover(dry_run=True)
    assert planned is not None
    assert {back.run_id for back in planned.brought_back} == {"after", "cut"}
    await refused(world)  # a dry run changes nothing
    report = await world.recover()
    assert report is not None
    assert {back.run_id: back.new for back in report.brought_back} == {"after": True, "cut": True}
    assert [doubt.run_id for doubt in report.may_have_run] == ["cut"]
    assert report.lost == []
    assert {one.topic for one in report.rewound} >= {f"{world.prefix}.tasks"}
    assert report.incarnation > 1
    await as_known(world)
    assert await world.recover() is None  # there is nothing left to do
    await world.start()
    await world.send("later", "hello")
    told = await world.ended("after", "cut", "later")
    # What may have run is a person's to say, or ends its run: never asked again in silence.
    assert told["cut"] in ("run.paused", "run.failed")
    assert (told["after"], told["later"]) == ("run.completed", "run.completed")
    assert (CHARGED[one], CHARGED[two], CHARGED[hangs]) == (1, 1, 1)
    later = await world.log.find_run("default", "later")
    assert later is not None
    assert later.row.run_no > max(numbers)
    assert await world.log.session_ops("default", "s") == ops
    await world.stop()
    again: dict[str, set[str]] = {}
    for event in await world.published("events"):
        again.setdefault(event["id"], set()).add(event["hash"])
    assert {name: hashes for name, hashes in again.items() if len(hashes) > 1} == {}
    assert {name: again[name] for name in seen} == {n: {h} for n, h in seen.items()}
    for result in await world.published("results"):
        assert results.get(result["id"], result) == result


async def test_a_database_that_was_not_restored_is_let_alone(world: World):
    await world.worked("r")
    await as_known(world)
    assert await world.recover() is None
    await world.keep_copy()
    await world.put_back()  # the copy has all that was heard
    await as_known(world)


async def test_an_answer_that_the_topics_have_is_taken_and_nobody_is_asked_again(world: World):
    hangs = f"hangs-{uuid.uuid4().hex}"
    await world.worked("before")
    await world.keep_copy()
    await world.start()
    await world.send("cut", f"charge {hangs}")
    await world.acts("cut", hangs)
    command = await world.command("cut")
    await world.stop(0.5)
    await world.answer(command, "charged after all")
    await world.put_back()
    report = await world.recover()
    assert report is not None
    assert (report.answers, report.may_have_run, report.whole) == (1, [], True)
    await world.start()
    assert await world.ended("cut") == {"cut": "run.completed"}
    assert CHARGED[hangs] == 1


async def test_a_run_whose_events_are_gone_hears_nothing_and_its_id_stays_taken(world: World):
    if world.kafka.mode == "assigned":
        pytest.skip("the embedded broker deletes no records")
    one = uuid.uuid4().hex
    await world.worked("before")
    await world.keep_copy()
    await world.worked("after", f"charge {one}")
    await world.forget_first_event("after")
    await world.put_back()
    report = await world.recover()
    assert report is not None
    assert [(lost.run_id, report.whole) for lost in report.lost] == [("after", False)]
    assert any("after" in line and "lost" in line for line in report.lines())
    await world.start()
    await world.send("later", "hello")
    await world.ended("later")
    found = await world.log.find_run("default", "after")
    assert found is not None
    assert (found.standing, found.head.seq) == ("lost", 0)
    assert CHARGED[one] == 1


async def test_another_database_is_not_taken_for_a_restored_one(world: World):
    await world.keep_copy()
    await world.worked("r")
    await world.put_back()
    assert "was heard up to" in await refused(world)
    with pytest.raises(AnotherDatabase):
        await world.recover()
    report = await world.recover(from_now=True)
    assert report is not None
    assert (report.rewound, report.brought_back) == ([], [])
    await as_known(world)
    await world.start()
    await world.send("r", "hello")
    await world.ended("r")
    found = await world.log.find_run("default", "r")
    assert found is not None
    assert found.row.run_no >= 1_000_000


async def test_nothing_is_recovered_while_services_hear(world: World):
    if world.kafka.mode == "assigned":
        pytest.skip("one process has no group; its lock in ACTALOG_HOME is asked for")
    await world.worked("before")
    await world.keep_copy()
    await world.worked("after")
    await world.put_back()
    await world.start()  # as somebody does who looks at nothing
    with pytest.raises(GroupIsAlive):
        await world.recover()
    await world.stop()
    assert await world.recover() is not None


@pytest.mark.parametrize("dies_at", ["bring_back", "close_lost", "commit"])
async def test_a_recovery_that_was_cut_off_is_begun_again(
    world: World, monkeypatch: pytest.MonkeyPatch, dies_at: str
):
    await world.worked("before")
    await world.keep_copy()
    await world.worked("after")
    await world.put_back()
    asked = 0

    async def dies(*_: object) -> None:
        nonlocal asked
        asked += 1
        if dies_at != "commit" or asked == 2:  # the first only asks whether anybody hears
            raise ConnectionResetError

    with monkeypatch.context() as patched:
        where = recovering if dies_at == "commit" else restoring
        patched.setattr(where, dies_at, dies)
        with pytest.raises(ConnectionResetError):
            await world.recover()
    await refused(world)
    assert await world.recover() is not None
    await as_known(world)
    await world.start()
    await world.send("later", "hello")
    assert set((await world.ended("before", "after", "later")).values()) == {"run.completed"}
