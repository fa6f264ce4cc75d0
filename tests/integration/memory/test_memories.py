"""One suite over both stores of memories."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from actalog.cli.examining import Finding, examine
from actalog_contracts.runs import MemoryNote, MemoryOp, MemoryUpdated, RunEvent, SessionSummarised
from actalog_core import metrics
from actalog_core.events import encode
from actalog_log import chain
from actalog_log.database import connect
from actalog_log.memories import MemoryMemories, MemoryStore
from actalog_log.memories_postgres import PostgresMemories, held_up_s
from actalog_log.memory import MemoryLog
from actalog_log.ports import Append, Decision, Head, NewEvent, RunRow
from actalog_log.postgres import PostgresLog
from actalog_memory.projector import Projector
from tests.integration.log.test_log import NOW


@dataclass
class World:
    """A log with memory runs, and what is remembered of them."""

    log: MemoryLog | PostgresLog
    memories: MemoryStore
    turns: int = 0

    async def run(self, *events: RunEvent, user: str | None = "u", turn: int | None = None) -> int:
        """A run of the session and its memory run with these events; the memory run's number."""
        self.turns += 1
        parent = await self._row(user=user, turn=turn or self.turns, parent=None)
        child = await self._row(user=user, turn=None, parent=parent)
        new = [NewEvent(*encode(event), recorded_at=NOW) for event in events]
        appends = [
            Append(row.run_no, Head(0, chain.row_digest(row)), tuple(events), row=row)
            for row, events in ((parent, [NewEvent("run.started.v1", b"{}", NOW)]), (child, new))
        ]
        await self.log.append(Decision(tuple(appends)))
        return child.run_no

    async def _row(self, *, user: str | None, turn: int | None, parent: RunRow | None) -> RunRow:
        run_no = await self.log.reserve_run_no()
        return RunRow(
            run_no=run_no, tenant_id="default", run_id=f"run-{run_no}", session_id="s", turn=turn,
            kind="memory" if parent else "agent", target="agent:a", definition="sha256:1",
            body_digest="hmac:1", accepted_at=NOW, user_id=user,
            parent_run_no=parent.run_no if parent else None,
        )  # fmt: skip

    async def texts(self, user: str = "u", **more: int) -> list[str]:
        return [note.text for note in await self.memories.memories("default", user, **more)]


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    if request.param == "memory":
        log = MemoryLog()
        yield World(log, MemoryMemories(log))
        return
    store = PostgresLog(request.getfixturevalue("fresh_database"))
    await store.start()
    yield World(store, PostgresMemories(store.pool))
    await store.stop()


def updated(*ops: tuple[str, str, str]) -> MemoryUpdated:
    made = [MemoryOp.model_validate({"op": op, "id": id, "text": text}) for op, id, text in ops]
    return MemoryUpdated(call_id="c", ops=tuple(made))


def summarised(text: str) -> SessionSummarised:
    return SessionSummarised(call_id="c", summary=text)


async def test_a_memory_keeps_what_it_is_about(world: World):
    about = [
        MemoryOp(op="add", id="a", text="has a dog", topics=("pets", "home")),
        MemoryOp(op="add", id="b", text="has a cat", topics=("pets",)),
        MemoryOp(op="update", id="b", text="has two cats", topics=()),
    ]
    await world.run(MemoryUpdated(call_id="c", ops=tuple(about)))
    await world.memories.catch_up()
    notes = {note.id: note.topics for note in await world.memories.memories("default", "u")}
    assert notes == {"a": ("pets", "home"), "b": ()}


async def test_memories_are_added_updated_and_deleted_in_the_order_of_the_log(world: World):
    await world.run(updated(("add", "1", "likes tea"), ("add", "2", "lives in Bern")))
    await world.run(updated(("update", "1", "likes coffee"), ("delete", "2", "")))
    await world.run(updated(("add", "3", "has a dog")))
    assert await world.memories.catch_up() == 3
    assert await world.texts() == ["likes coffee", "has a dog"]
    assert await world.texts(limit=1) == ["has a dog"]


async def test_what_was_applied_is_not_applied_again(world: World):
    await world.run(updated(("add", "1", "likes tea")))
    assert [await world.memories.catch_up() for _ in range(3)] == [1, 0, 0]
    assert await world.texts() == ["likes tea"]


async def test_a_memory_belongs_to_its_user(world: World):
    await world.run(updated(("add", "1", "likes tea")))
    await world.run(updated(("add", "1", "likes milk")), user="v")
    await world.run(updated(("add", "1", "nobody's")), user=None)
    await world.memories.catch_up()
    assert (await world.texts(), await world.texts("v")) == (["likes tea"], ["likes milk"])
    assert await world.memories.memories("other", "u") == []
    await world.run(updated(("update", "1", "likes coffee")))
    await world.memories.catch_up()
    assert (await world.texts(), await world.texts("v")) == (["likes coffee"], ["likes milk"])
    await world.run(updated(("delete", "1", "")))
    await world.memories.catch_up()
    assert (await world.texts(), await world.texts("v")) == ([], ["likes milk"])


async def test_an_update_of_a_deleted_memory_is_dropped(world: World):
    await world.run(updated(("add", "1", "x"), ("delete", "1", ""), ("update", "1", "y")))
    await world.memories.catch_up()
    assert await world.texts() == []


async def test_a_summary_that_comes_late_replaces_no_newer_one(world: World):
    await world.run(summarised("both"), turn=2)
    await world.run(summarised("the first alone"), turn=1)
    await world.memories.catch_up()
    found = await world.memories.summarised("default", "s")
    assert found is not None
    assert (found.text, found.turn) == ("both", 2)
    assert await world.memories.summary("default", "other") is None


async def test_what_nobody_reads_yet_is_told_by_its_age(world: World):
    assert await world.memories.behind_s() == 0
    await world.run(updated(("add", "1", "likes tea")))
    since = (datetime.now(UTC) - NOW).total_seconds()
    assert await world.memories.behind_s() == pytest.approx(since, abs=60)
    await world.memories.catch_up()
    assert await world.memories.behind_s() == 0


async def test_the_projector_tells_how_far_it_is_behind(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    def told() -> float:
        return metrics.REGISTRY.get_sample_value("actalog_memories_behind_seconds") or 0.0

    async def catch_up() -> int:
        return 0  # as while somebody's transaction is open

    await world.run(updated(("add", "1", "likes tea")))
    monkeypatch.setattr(world.memories, "catch_up", catch_up)
    projector = Projector(world.memories, look_s=0.0)
    await projector.start()
    async with asyncio.timeout(10):
        while told() == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        monkeypatch.undo()
        while told() > 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await projector.stop()
    assert await world.texts() == ["likes tea"]


async def test_nul_and_surrogates_of_a_model_do_not_stop_the_projection(world: World):
    await world.run(updated(("add", "1", "a\x00b")))
    await world.memories.catch_up()
    assert await world.texts() == ["a\ufffdb"]


async def test_a_rebuild_gives_the_same_as_following_did(world: World):
    for at in range(5):
        await world.run(updated(("add", f"{at}", f"fact {at}"), ("delete", f"{at - 2}", "")))
        await world.run(summarised(f"summary {at}"))
        await world.memories.catch_up()
    before = [await world.memories.memories("default", "u"), await world.texts()]
    assert await world.memories.rebuild() == 10
    assert [await world.memories.memories("default", "u"), await world.texts()] == before
    assert await world.memories.summary("default", "s") == "summary 4"
    assert await world.memories.catch_up() == 0


# --- what only a real database can show


@pytest.fixture
async def real(fresh_database: str) -> AsyncIterator[World]:
    store = PostgresLog(fresh_database)
    await store.start()
    yield World(store, PostgresMemories(store.pool, batch=3))
    await store.stop()


def pool_of(world: World):
    assert isinstance(world.log, PostgresLog)
    return world.log.pool


async def tables(world: World) -> list[object]:
    pool = pool_of(world)
    told: list[object] = []
    for table in ("memories", "summaries", "projection_cursors"):
        rows = await pool.fetch(f"select t::text from {table} t order by 1")
        told += [row[0] for row in rows]
    return told


@pytest.mark.postgres
async def test_an_event_that_commits_late_is_not_skipped(real: World, fresh_database: str):
    pool = pool_of(real)
    run_no = await real.run(updated(("add", "0", "first")))
    slow = await connect(fresh_database)
    transaction = slow.transaction()
    await transaction.__aenter__()
    payload = chain.seal(encode(updated(("add", "late", "late")))[1])
    await slow.execute(
        "insert into events (run_no, seq, type, rules_version, payload, recorded_at, hash)"
        " values ($1, 2, 'memory.updated.v1', 1, $2, now(), '')", run_no, payload,
    )  # fmt: skip
    await real.run(updated(("add", "2", "second")))  # commits first, with a higher position
    await real.memories.catch_up()
    assert await real.texts() == ["first"]  # the second waits for who may still commit before it
    await transaction.__aexit__(None, None, None)
    await slow.close()
    await real.memories.catch_up()
    assert await real.texts() == ["first", "late", "second"]
    assert await pool.fetchval("select count(*) from memories") == 3


@pytest.mark.postgres
async def test_a_transaction_left_open_in_another_database_is_noticed(
    real: World, fresh_database: str, postgres_dsn: str, monkeypatch: pytest.MonkeyPatch
):
    async def doctor() -> Finding:
        monkeypatch.setenv("ACTALOG_DATABASE_URL", fresh_database)
        return {one.what: one async for one in examine()}["memories"]

    pool = pool_of(real)
    other = await connect(postgres_dsn)  # another database of the same server
    transaction = other.transaction()
    await transaction.__aenter__()
    await other.execute("create temporary table somebody_elses (id int)")
    await real.run(updated(("add", "1", "waits")))
    await real.memories.catch_up()
    assert await real.texts() == []
    since = (datetime.now(UTC) - NOW).total_seconds()
    assert await held_up_s(pool) == pytest.approx(since, abs=60)
    found = await doctor()
    assert not found.fine
    assert "pg_stat_activity" in found.mend
    await transaction.__aexit__(None, None, None)
    await other.close()
    assert await held_up_s(pool) == 0
    assert (await doctor()).fine
    assert await real.memories.behind_s() > 0
    await real.memories.catch_up()
    assert await real.texts() == ["waits"]


@pytest.mark.postgres
async def test_a_crash_in_the_middle_of_a_batch_applies_nothing_of_it(real: World):
    for at in range(5):
        await real.run(updated(("add", f"{at}", f"fact {at}")))
    pool = pool_of(real)
    await pool.execute(
        "create function crash() returns trigger language plpgsql as $$ begin"
        " perform pg_terminate_backend(pg_backend_pid()); return new; end $$"
    )
    await pool.execute(
        "create trigger crash before insert on memories for each row"
        " when (new.memory_id = '4') execute function crash()"
    )
    with pytest.raises(Exception, match=r"."):
        await real.memories.catch_up()  # batches of three: the second one dies on its second row
    assert await real.texts() == ["fact 0", "fact 1", "fact 2"]
    await pool.execute("drop trigger crash on memories")
    assert await real.memories.catch_up() == 2
    assert await real.texts() == [f"fact {at}" for at in range(5)]


@pytest.mark.postgres
async def test_several_replicas_apply_each_event_once(real: World):
    for at in range(20):
        await real.run(updated(("add", f"{at}", f"fact {at}")))
    others = [PostgresMemories(pool_of(real), batch=2) for _ in range(4)]
    assert sum(await asyncio.gather(*(one.catch_up() for one in others))) == 20
    assert len(await real.texts()) == 20


@pytest.mark.postgres
async def test_a_rebuild_while_runs_are_live_gives_equal_tables(real: World):
    async def live() -> None:
        for at in range(30):
            known = ("update", f"{at - 3}", f"fact {at - 3} again")
            await real.run(updated(("add", f"{at}", f"fact {at}"), known), summarised(f"at {at}"))
            await real.memories.catch_up()

    async with asyncio.TaskGroup() as group:
        group.create_task(live())
        for _ in range(4):
            await real.memories.rebuild()
            await asyncio.sleep(0.02)
    await real.memories.catch_up()
    followed = await tables(real)
    await real.memories.rebuild()
    assert await tables(real) == followed
    assert len(await real.texts()) == 30


@pytest.mark.postgres
async def test_an_event_of_a_newer_build_holds_up_no_other(real: World):
    run_no = await real.run(updated(("add", "1", "known")))
    await pool_of(real).execute(
        "insert into events (run_no, seq, type, rules_version, payload, recorded_at, hash)"
        " values ($1, 2, 'memory.updated.v1', 1, '\\x09', now(), '')", run_no,
    )  # fmt: skip
    await real.run(updated(("add", "2", "after it")))
    await real.memories.catch_up()
    assert await real.texts() == ["known", "after it"]


@pytest.mark.postgres
async def test_the_poll_reads_only_what_was_remembered(real: World):
    rows = await pool_of(real).fetch(
        "select indexdef from pg_indexes where indexname = 'events_remembered'"
    )
    assert "WHERE" in rows[0]["indexdef"]
    kept = await pool_of(real).fetchval(
        "select count(*) from pg_indexes where tablename like 'events_%'"
        " and indexdef like '%memory.updated.v1%'"
    )
    assert kept >= 3  # also on the ranges that are made ahead


@pytest.mark.postgres
async def test_the_services_role_may_follow_and_rebuild(real: World, fresh_database: str):
    await real.run(updated(("add", "1", "likes tea")), summarised("tea"))
    pool = pool_of(real)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("set local role actalog_service")
        await connection.execute("delete from memories")
        await connection.execute("update projection_cursors set position = 0")
    await real.memories.rebuild()
    assert await real.memories.memories("default", "u") == [MemoryNote(id="1", text="likes tea")]
