"""Several connections are looked at at once, and answers overtake each other."""

import asyncio
from typing import Any

import pytest

from actalog_log.guarding import Guard, NotTheDatabase


class Connection:
    """Answers when it is told to."""

    def __init__(self, flushed: int, system: str = "7") -> None:
        self.row = {
            "system": system, "replica": False, "read_only": False, "timeline": "1",
            "flushed": flushed,
        }  # fmt: skip
        self.answers = asyncio.Event()

    async def fetchrow(self, query: str) -> dict[str, Any]:
        await self.answers.wait()
        return self.row


async def asked(guard: Guard, *connections: Connection) -> "list[asyncio.Task[None]]":
    """All of them are asked before any answers."""
    tasks = [asyncio.create_task(guard.greet(one)) for one in connections]
    await asyncio.sleep(0)
    return tasks


async def answered(task: "asyncio.Task[None]", connection: Connection) -> None:
    connection.answers.set()
    await task


async def test_an_answer_that_was_overtaken_does_not_say_that_the_database_went_back():
    guard = Guard()
    for first, second in ((100, 200), (250, 300)):
        early, late = Connection(first), Connection(second)
        asked_early, asked_late = await asked(guard, early, late)
        await answered(asked_late, late)
        await answered(asked_early, early)
        assert guard.known is not None
        assert guard.known.flushed == second
    assert guard.refused is None


async def test_what_was_asked_after_an_answer_and_is_older_is_another_database():
    guard = Guard()
    before, after = Connection(200), Connection(199)
    await answered((await asked(guard, before))[0], before)
    with pytest.raises(NotTheDatabase, match="went back from 200 to 199"):
        await answered((await asked(guard, after))[0], after)


async def test_another_server_that_answers_meanwhile_is_refused():
    guard = Guard()
    ours, other = Connection(100), Connection(900, system="8")
    asked_ours, asked_other = await asked(guard, ours, other)
    await answered(asked_ours, ours)
    with pytest.raises(NotTheDatabase, match="system 8"):
        await answered(asked_other, other)
