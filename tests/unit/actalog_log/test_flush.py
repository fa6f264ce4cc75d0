"""What becomes of decisions when their statement fails, or its answer is lost (protocol 4.2)."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import asyncpg
import pytest

from actalog_core.errors import DataRefused, SequenceTaken, Transient
from actalog_log import chain, flush
from actalog_log.flush import DEADLOCKS_BEFORE_GIVING_UP, Flusher
from actalog_log.ports import Append, Decision, Head, NewEvent

BEFORE = Head(1, b"before")
EVENTS = (NewEvent("run.started.v1", b"{}", datetime(2026, 11, 24, tzinfo=UTC)),)
STANDS = chain.link(1, BEFORE, EVENTS)[-1].hash


class Database:
    """Fails as it is told to; what it `has` at any place, once an answer was lost, is this hash."""

    def __init__(self) -> None:
        self.fails: Sequence[BaseException | None] = []
        self.has: bytes | None = None
        self.taken: list[list[int]] = []  # the runs of each statement
        self.others: set[int] = set()  # runs in which somebody was first
        self.reads, self.silent, self.lost = 0, False, False
        self.answered = 0  # statements; the others are when `answers` is set
        self.answers = asyncio.Event()
        self.answers.set()

    async def execute(self, sql: str, *columns: list[int]) -> None:
        self.taken.append(columns[0] if columns else [])
        if len(self.taken) > self.answered:
            await self.answers.wait()
        if self.fails:
            error, *self.fails = self.fails
            self.lost |= isinstance(error, ConnectionResetError)
            if error is not None:
                raise error

    @asynccontextmanager
    async def acquire(self) -> AsyncGenerator["Database"]:
        yield self

    async def fetch(
        self, sql: str, runs: list[int], seqs: list[int], *, timeout: float | None = None
    ) -> list[dict[str, object]]:
        """Events that are there already."""
        self.reads += 1
        if self.silent:
            raise TimeoutError
        stand = dict.fromkeys(self.others, b"another's")
        if self.has is not None and self.lost:
            stand |= dict.fromkeys(set(runs) - self.others, self.has)
        there = zip(runs, seqs, strict=True)
        return [
            {"run_no": run, "seq": seq, "hash": stand[run]} for run, seq in there if run in stand
        ]


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
async def flusher(database: Database) -> AsyncIterator[Flusher]:
    made = Flusher(cast(Any, database))
    yield made
    database.answers.set()
    async with asyncio.timeout(5):
        await made.stop()


async def append(flusher: Flusher, run_no: int = 1) -> Head:
    decision = Decision((Append(run_no, BEFORE, EVENTS),))
    async with asyncio.timeout(2):
        (head,) = await flusher.append(decision, (None,))
    return head


async def test_a_lost_answer_is_settled_by_what_stands(database: Database, flusher: Flusher):
    database.fails, database.has = [ConnectionResetError()], STANDS
    assert await append(flusher) == Head(2, STANDS)


@pytest.mark.parametrize("has", [None, b"another's"])
async def test_a_lost_answer_is_no_commit_where_something_else_stands_or_nothing(
    database: Database, flusher: Flusher, has: bytes | None
):
    database.fails, database.has = [ConnectionResetError()], has
    with pytest.raises(Transient):
        await append(flusher)


async def test_a_lost_answer_behind_a_taken_place_is_settled_by_what_stands(
    database: Database, flusher: Flusher
):
    database.others, database.has = {7}, STANDS
    database.fails = [asyncpg.UniqueViolationError("taken"), ConnectionResetError()]
    told = await asyncio.gather(append(flusher), append(flusher, 7), return_exceptions=True)
    assert told[0] == Head(2, STANDS)
    assert isinstance(told[1], SequenceTaken)


async def test_a_deadlock_is_tried_again_and_not_for_ever(database: Database, flusher: Flusher):
    database.fails = [asyncpg.DeadlockDetectedError("a"), asyncpg.DeadlockDetectedError("b")]
    assert await append(flusher) == Head(2, STANDS)
    assert len(database.taken) == 3
    database.fails = [asyncpg.DeadlockDetectedError("c")] * (DEADLOCKS_BEFORE_GIVING_UP + 1)
    with pytest.raises(Transient):
        await append(flusher)


async def test_what_is_too_much_for_one_statement_goes_in_the_next_ones(
    database: Database, flusher: Flusher, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(flush, "MOST_DECISIONS", 3)
    await asyncio.gather(*(append(flusher, run_no) for run_no in range(10)))
    assert [len(one) for one in database.taken] == [3, 3, 3, 1]
    assert sorted(run_no for one in database.taken for run_no in one) == list(range(10))


async def a_stop_waits_for(
    appending: "asyncio.Task[Head]", database: Database, flusher: Flusher
) -> None:
    stopping = asyncio.create_task(flusher.stop())
    await asyncio.sleep(0.01)
    assert not stopping.done()
    database.answers.set()
    assert await appending == Head(2, STANDS)
    await stopping


async def test_a_stop_waits_for_what_is_on_its_way(database: Database, flusher: Flusher):
    database.answers.clear()
    appending = asyncio.create_task(append(flusher))
    await asyncio.sleep(0.01)
    await a_stop_waits_for(appending, database, flusher)


async def test_a_stop_waits_for_all_that_is_on_its_way(database: Database, flusher: Flusher):
    """Also where the newest is told earlier than those before it."""
    database.others, database.fails = {7}, [asyncpg.UniqueViolationError("taken")]
    database.answered = 1
    database.answers.clear()
    appending, late = [asyncio.create_task(append(flusher, run_no)) for run_no in (1, 7)]
    with pytest.raises(SequenceTaken):
        await late
    await a_stop_waits_for(appending, database, flusher)


async def test_a_fault_of_ours_leaves_nobody_waiting(database: Database, flusher: Flusher):
    database.fails = [ZeroDivisionError()]
    with pytest.raises(Transient, match="ZeroDivisionError"):
        await append(flusher)
    assert await append(flusher) == Head(2, STANDS)


async def test_a_lost_answer_is_settled_for_a_whole_batch_at_once(
    database: Database, flusher: Flusher
):
    """A server that says nothing is waited for once, and not once for each decision."""
    database.fails, database.silent = [ConnectionResetError()], True
    told = await asyncio.gather(
        *(append(flusher, run_no) for run_no in range(9)), return_exceptions=True
    )
    assert [type(one) for one in told] == [Transient] * 9
    assert database.reads == 1


async def test_of_a_batch_whose_answer_was_lost_each_is_told_what_stands_of_its_own(
    database: Database, flusher: Flusher
):
    database.fails, database.has, database.others = [ConnectionResetError()], STANDS, {7}
    told = await asyncio.gather(append(flusher), append(flusher, 7), return_exceptions=True)
    assert told[0] == Head(2, STANDS)
    assert isinstance(told[1], Transient)


@pytest.mark.parametrize("sent", [True, False])
async def test_who_gives_up_undoes_nothing_and_is_waited_for(
    database: Database, flusher: Flusher, sent: bool
):
    """A hearing that is cancelled at the end of its process: what it appended is on its way."""
    database.answers.clear()
    gave_up = asyncio.create_task(append(flusher))
    await asyncio.sleep(0.01 if sent else 0)
    assert bool(database.taken) == sent
    gave_up.cancel()
    await asyncio.wait([gave_up])
    stopping = asyncio.create_task(flusher.stop())
    await asyncio.sleep(0.01)
    assert not stopping.done()
    database.answers.set()
    await stopping
    assert database.taken == [[1]]


async def test_a_fault_of_ours_behind_others_of_its_batch_takes_nothing_back(
    database: Database, flusher: Flusher
):
    database.fails = [asyncpg.DataError("one of them"), None, ZeroDivisionError()]
    told = await asyncio.gather(*(append(flusher, n) for n in (1, 2)), return_exceptions=True)
    assert told[0] == Head(2, STANDS)
    assert isinstance(told[1], Transient)
    assert (await append(flusher, 3)).seq == 2  # and it goes on


async def test_a_stop_waits_for_what_comes_while_it_waits(database: Database, flusher: Flusher):
    database.answers.clear()
    appending = asyncio.create_task(append(flusher))
    await asyncio.sleep(0.01)
    stopping = asyncio.create_task(flusher.stop())
    await asyncio.sleep(0.01)
    late = asyncio.create_task(append(flusher, 2))
    await asyncio.sleep(0)
    database.answers.set()
    database.answers.clear()
    assert await appending == Head(2, STANDS)
    await asyncio.sleep(0.01)
    assert not stopping.done()
    database.answers.set()
    assert (await late).seq == 2
    await stopping


async def test_nobody_waits_for_a_log_that_has_stopped(database: Database, flusher: Flusher):
    await flusher.stop()
    with pytest.raises(Transient, match="stopped"):
        await append(flusher)


def refused_by_a_check(name: str | None) -> asyncpg.CheckViolationError:
    error = asyncpg.CheckViolationError("in the server's language")
    error.constraint_name = name  # type: ignore[attr-defined]  # pyright: ignore
    return error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (asyncpg.LockNotAvailableError("later"), Transient),
        (asyncpg.InsufficientPrivilegeError("not yours"), Transient),
        (refused_by_a_check("payload_size"), DataRefused),
        (refused_by_a_check(None), Transient),  # no partition has it yet
        (asyncpg.CharacterNotInRepertoireError("no text"), DataRefused),
        (ConnectionResetError(), Transient),
    ],
    ids=lambda one: getattr(one, "__name__", type(one).__name__),
)
@pytest.mark.parametrize("alone", [True, False], ids=["alone", "behind one that is refused"])
async def test_whatever_is_refused_is_told_to_who_asked(
    database: Database, flusher: Flusher, error: Exception, told: type[Exception], alone: bool
):
    if alone:
        database.fails = [error, error]
        with pytest.raises(told):
            await append(flusher)
        return
    database.fails = [asyncpg.DataError("one of them"), asyncpg.DataError("the first"), error]
    found = await asyncio.gather(*(append(flusher, n) for n in (1, 2)), return_exceptions=True)
    assert [type(one) for one in found] == [DataRefused, told]


async def test_an_answer_that_is_lost_behind_one_that_is_refused_is_settled_by_what_stands(
    database: Database, flusher: Flusher
):
    database.has = STANDS
    database.fails = [asyncpg.DataError("one of them"), ConnectionResetError()]
    assert await append(flusher) == Head(2, STANDS)


async def test_a_decision_without_events_is_kept_and_holds_up_nobody_whose_answer_is_lost(
    database: Database, flusher: Flusher
):
    without = Decision((Append(2, BEFORE, ()),))
    assert await flusher.append(without, (None,)) == (BEFORE,)
    database.fails, database.has = [ConnectionResetError()], STANDS
    told = await asyncio.gather(
        append(flusher), flusher.append(without, (None,)), return_exceptions=True
    )
    assert told[0] == Head(2, STANDS)
    assert isinstance(told[1], Transient)  # nothing says that it stands: it is made again
