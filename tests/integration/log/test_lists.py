"""What is listed of runs and sessions: order, pages and filters, over both stores."""

from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta

from actalog_log.ports import Append, Decision, NewEvent
from tests.integration.log.test_log import NOW, Log, begin, event, first, log, row

__all__ = ["log"]


async def session(log: Log, turns: int) -> list[int]:
    """Runs of the session `s` that go on, in the order of their turns."""
    return [(await begin(log, turn=turn + 1))[0].run_no for turn in range(turns)]


async def completed(log: Log, run_no: int) -> None:
    found = await log.find_run_no(run_no)
    assert found is not None
    ended = NewEvent("run.completed.v1", b"{}", NOW)
    await log.append(Decision((Append(run_no, found.head, (ended,), standing="ended"),)))


async def test_runs_are_listed_newest_first_and_page_by_page(log: Log):
    one, two, three, four = await session(log, 4)
    other, _ = await begin(log, session="t")
    await completed(log, two)

    async def listed(**how: object) -> list[int]:
        found = await log.list_runs("default", **how)  # pyright: ignore[reportArgumentType]
        return [run.row.run_no for run in found]

    assert await listed(limit=2) == [other.run_no, four]
    assert await listed(limit=2, before_run_no=four) == [three, two]
    assert await listed(session_id="s", standing="active") == [four, three, one]
    assert await listed(standing="ended") == [two]


async def test_a_history_has_what_was_completed_before_newest_first(log: Log):
    one, two, three, four = await session(log, 4)
    for run_no in (one, two, four):
        await completed(log, run_no)
    last = {n: f"run-{n}" for n in (one, two)}
    told = await log.completed_runs("default", "s", before_turn=4, limit=9)
    assert list(told) == [(two, last[two], 2), (one, last[one], 2)]
    told = await log.completed_runs("default", "s", before_turn=4, limit=1)
    assert list(told) == [(two, last[two], 2)]
    assert await log.completed_runs("default", "other", before_turn=9, limit=9) == []
    runs = await log.session_runs("default", "s", before_turn=4, limit=2)
    assert [run.row.run_no for run in runs] == [three, two]


async def test_children_are_told_in_order_and_are_no_runs_of_the_session(log: Log):
    parent, _ = await begin(log)
    made = [
        replace(row(await log.reserve_run_no(), turn=None), parent_run_no=parent.run_no)
        for _ in range(3)
    ]
    for child in made:
        await log.append(Decision((first(child),)))
    assert [run.row for run in await log.children(parent.run_no)] == made
    assert [run.row for run in await log.session_runs("default", "s")] == [parent]
    assert await log.children(made[0].run_no) == []


async def test_sessions_are_listed_by_their_last_run(log: Log):
    for at, (name, user, target) in enumerate(
        [("a", "u", "agent:a"), ("b", "v", "agent:a"), ("c", "u", "agent:a"), ("a", "u", "agent:b")]
    ):
        turn = 2 if at == 3 else 1
        new = replace(
            row(await log.reserve_run_no(), session=name, turn=turn), target=target, user_id=user,
            accepted_at=NOW + timedelta(minutes=at),
        )  # fmt: skip
        await log.append(Decision((first(new),)))
    alone = replace(row(await log.reserve_run_no(), session="d", turn=None), target="agent:a")
    await log.append(Decision((first(alone),)))

    async def names(**how: object) -> tuple[list[str], int]:
        found = await log.list_sessions("default", **how)  # pyright: ignore[reportArgumentType]
        whose = {name: how[name] for name in how.keys() & {"user_id", "target"}}
        total = await log.count_sessions("default", **whose)  # pyright: ignore[reportArgumentType]
        return [one.session_id for one in found], total

    assert await names() == (["a", "c", "b"], 3)
    assert await names(ascending=True) == (["b", "c", "a"], 3)
    assert await names(by="first") == (["c", "b", "a"], 3)
    assert await names(by="first", ascending=True) == (["a", "b", "c"], 3)
    assert await names(limit=1, offset=1) == (["c"], 3)
    assert await names(limit=1, offset=3) == ([], 3)
    assert await names(user_id="u") == (["a", "c"], 2)
    assert await names(target="agent:a") == (["a", "c", "b"], 3)
    assert await names(target="agent:b") == ([], 0)
    told, *_ = await log.list_sessions("default")
    assert told == ("a", NOW, NOW + timedelta(minutes=3), "u", "agent:a")


async def test_very_many_sessions_are_told_one_by_one(log: Log):
    for at, name in enumerate("abc"):
        new = replace(
            row(await log.reserve_run_no(), session=name), accepted_at=NOW + timedelta(minutes=at),
            user_id="u" if at else "v",
        )  # fmt: skip
        await log.append(Decision((first(new),)))

    async def each(**how: object) -> list[str]:
        found = log.each_session("default", **how)  # pyright: ignore[reportArgumentType]
        return [one.session_id async for one in found]

    for limit in (3, 1_000_000):
        assert await each(limit=limit) == ["c", "b", "a"]
        assert await each(limit=limit, user_id="u") == ["c", "b"]
    assert await each(limit=2) == ["c", "b"]
    async with aclosing(log.each_session("default", limit=1_000_000)) as some:
        assert (await anext(some)).session_id == "c"  # whoever leaves early, leaves no transaction
    assert await log.count_sessions("default") == 3


async def test_sessions_of_one_moment_have_an_order(log: Log):
    """So that no page shows one that another showed."""
    for name in ("c", "a", "d", "b"):
        await log.append(Decision((first(row(await log.reserve_run_no(), session=name)),)))
    for by in ("first", "last"):
        pages = [
            await log.list_sessions("default", by=by, limit=1, offset=at)  # pyright: ignore[reportArgumentType]
            for at in range(4)
        ]  # fmt: skip
        assert [one.session_id for found in pages for one in found] == ["a", "b", "c", "d"]


async def test_a_session_is_busy_while_a_run_with_a_turn_is_active_or_waits(log: Log):
    for standing in ("active", "waiting", "paused", "ended"):
        new = row(await log.reserve_run_no(), session=standing)
        await log.append(Decision((first(new, standing=standing),)))
    child = row(await log.reserve_run_no(), session="of a child", turn=None)
    await log.append(Decision((first(child),)))
    names = ("active", "waiting", "paused", "ended", "of a child")
    told = [await log.opening("default", name, "r") for name in names]
    assert [one.busy for one in told] == [True, True, False, False, False]
    assert [one.turn for one in told] == [1, 1, 1, 1, 0]


async def test_a_session_is_its_first_users(log: Log):
    await begin(log)
    second = replace(row(await log.reserve_run_no(), turn=2), user_id="another")
    await log.append(Decision((first(second),)))
    assert (await log.opening("default", "s", "r")).user_id == "u@example.com"


async def test_what_a_run_does_brings_its_net_near_again(log: Log):
    new, head = await begin(log)
    assert len(await log.due_runs(NOW, 10)) == 1
    await log.woken({new.run_no: None}, NOW)
    change = Append(new.run_no, head, (event(),), standing="active", wake_at=NOW)
    await log.append(Decision((change,)))
    assert [one.wakes for one in await log.due_runs(NOW, 10)] == [0]
