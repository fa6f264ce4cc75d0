"""What comes while one statement is on its way goes together in the next. No timer."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from functools import cache
from typing import Generic, TypeVar

from actalog_core.gathering import gathered

FEW = 16  # rows; with more, planning costs each of them little
_ONLY_FEW = re.compile(r"/\* few: (.*?) \*/")

A = TypeVar("A")
R = TypeVar("R")


def planned(sql: str, rows: int) -> str:
    """A statement over arrays, for so many rows. PostgreSQL takes an array that it does not know
    for ten rows, finds that a plan for one row is cheaper, and plans each single row anew, which
    takes longer than running it. What the statement says for `few` alone makes both plans one."""
    return _for_few(sql) if rows <= FEW else sql


@cache
def _for_few(sql: str) -> str:
    return _ONLY_FEW.sub(r"\1", sql)


class Together(Generic[A, R]):
    """Batches of asks, one at a time; each asker gets the answer to its own.

    `send` answers a batch in order, or fails it as a whole. No key is twice in a batch, because
    one statement must not change a row twice: the second waits for the next.
    """

    def __init__(
        self, send: Callable[[Sequence[A]], Awaitable[Sequence[R]]], *, key: Callable[[A], str],
        most: int,
    ) -> None:  # fmt: skip
        self.send, self.key, self.most = send, key, most
        self.waiting: list[tuple[A, asyncio.Future[R]]] = []
        self.task: asyncio.Task[None] | None = None
        self.alone = True  # nobody shared the last batch

    async def ask(self, one: A) -> R:
        """The answer, when its batch has been answered."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self.waiting.append((one, done))
        if self.task is None:
            self.task = asyncio.create_task(self._run(), name="ledger statements")
        return await done  # whoever gives up does not undo what may be on its way already

    async def _run(self) -> None:
        while self.waiting:
            if not self.alone:
                await gathered()
            batch = self._next()
            self.alone = len(batch) == 1
            try:
                answers = await self.send([one for one, _ in batch])
                for (_, done), answer in zip(batch, answers, strict=True):
                    if not done.done():
                        done.set_result(answer)
            except Exception as error:  # noqa: BLE001 - it belongs to those who asked
                for _, done in batch:
                    _fail(done, error)
        self.task = None

    def _next(self) -> list[tuple[A, "asyncio.Future[R]"]]:
        batch: dict[str, tuple[A, asyncio.Future[R]]] = {}
        rest: list[tuple[A, asyncio.Future[R]]] = []
        for item in self.waiting:
            key = self.key(item[0])
            if key in batch or len(batch) == self.most:
                rest.append(item)
            else:
                batch[key] = item
        self.waiting = rest
        return list(batch.values())


def _fail(done: "asyncio.Future[R]", error: Exception) -> None:
    if not done.done():
        done.set_exception(error)
        done.exception()  # the asker may have given up
