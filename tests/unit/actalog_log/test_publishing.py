"""Marks of what was published are written in the background: nothing may end that for good."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import asyncpg
import pytest

from actalog_log import publishing
from actalog_log.publishing import PublishedMarks


class Database:
    """Fails as it is told to, when it is asked for a connection."""

    def __init__(self) -> None:
        self.fails: list[BaseException] = []
        self.written: list[dict[int, int]] = []

    @asynccontextmanager
    async def acquire(self) -> AsyncGenerator["Database"]:
        if self.fails:
            raise self.fails.pop(0)
        yield self

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None]:
        yield

    async def execute(self, sql: str, *_: object) -> None: ...

    async def fetch(self, sql: str, runs: list[int], *seqs: list[int]) -> list[dict[str, int]]:
        if seqs:
            self.written.append(dict(zip(runs, *seqs, strict=True)))
            return [{"run_no": run} for run in runs]
        return []


@pytest.fixture
async def database(monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setattr(publishing, "EVERY_SECONDS", 0)
    monkeypatch.setattr(publishing, "AGAIN_SECONDS", 0)
    return Database()


@pytest.fixture
async def marks(database: Database) -> AsyncIterator[PublishedMarks]:
    made = PublishedMarks(cast(Any, database))
    yield made
    await made.stop()


@pytest.mark.parametrize(
    "error",
    [
        OSError("gone"), TimeoutError(), asyncpg.InterfaceError("closed"),
        asyncpg.InternalClientError("got result for unknown protocol state"),
        asyncpg.QueryCanceledError(), RuntimeError("nobody thought of it"),
    ],
)  # fmt: skip
async def test_marks_that_could_not_be_written_are_written_though_no_other_comes(
    marks: PublishedMarks, database: Database, error: BaseException
):
    database.fails = [error, error]
    marks.raise_to(7, 3)
    async with asyncio.timeout(2):
        while not database.written:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert database.written == [{7: 3}]
    await asyncio.sleep(0)
    assert marks.marks == {}
