"""What comes while one statement is on its way goes together in the next."""

import asyncio
from collections.abc import Sequence

import pytest

from actalog_log.together import Together


class Statements:
    """A database that answers when it is told to."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.go = asyncio.Event()
        self.error: Exception | None = None
        self.forgets = 0  # answers

    async def send(self, batch: Sequence[str]) -> list[str]:
        self.batches.append(list(batch))
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return [one.upper() for one in batch][: len(batch) - self.forgets]


async def test_the_first_goes_alone_and_the_others_together_with_no_key_twice():
    statements = Statements()
    together = Together(statements.send, key=lambda one: one, most=3)
    asks = [asyncio.create_task(together.ask(one)) for one in "abcbde"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    asks += [asyncio.create_task(together.ask(one)) for one in "fg"]
    statements.go.set()
    assert [await one for one in asks] == list("ABCBDEFG")
    assert statements.batches == [["a", "b", "c"], ["b", "d", "e"], ["f", "g"]]


async def test_a_statement_that_fails_fails_those_who_asked_and_nobody_else():
    statements = Statements()
    together = Together(statements.send, key=lambda one: one, most=3)
    statements.error = ConnectionError()
    gave_up = asyncio.create_task(together.ask("a"))
    asked = asyncio.create_task(together.ask("b"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    gave_up.cancel()
    statements.go.set()
    with pytest.raises(ConnectionError):
        await asked
    statements.error = None
    assert await together.ask("c") == "C"


async def test_who_gives_up_takes_nothing_from_those_who_asked_with_it():
    statements = Statements()
    together = Together(statements.send, key=lambda one: one, most=3)
    gave_up, asked = [asyncio.create_task(together.ask(one)) for one in "ab"]
    for _ in range(3):
        await asyncio.sleep(0)
    gave_up.cancel()
    await asyncio.wait([gave_up])
    statements.go.set()
    assert await asked == "B"
    assert statements.batches == [["a", "b"]]  # what is on its way is not undone
    assert await together.ask("c") == "C"


async def test_a_statement_that_forgets_an_answer_keeps_nobody_waiting():
    """Nor those who ask after it."""
    statements = Statements()
    statements.go.set()
    statements.forgets = 1
    together = Together(statements.send, key=lambda one: one, most=3)
    told = await asyncio.wait_for(
        asyncio.gather(*(together.ask(one) for one in "ab"), return_exceptions=True), 2
    )
    assert told[0] == "A"
    assert isinstance(told[1], ValueError)
    statements.forgets = 0
    assert await asyncio.wait_for(together.ask("c"), 2) == "C"
