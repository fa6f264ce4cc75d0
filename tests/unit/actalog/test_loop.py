"""The background loop: callers without a loop, with one, and on it."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator

import pytest

from actalog.run.loop import BackgroundLoop


@pytest.fixture
def background() -> Iterator[BackgroundLoop]:
    made = BackgroundLoop()
    yield made
    made.close()


async def thread_name() -> str:
    return threading.current_thread().name


async def numbers(left: list[str]) -> AsyncGenerator[int, None]:
    try:
        for number in range(3):
            yield number
    finally:
        left.append(threading.current_thread().name)


def test_a_caller_without_a_loop_waits(background: BackgroundLoop):
    assert background.run(thread_name()) == "actalog"
    left: list[str] = []
    assert list(background.iterate(numbers(left))) == [0, 1, 2]
    assert left == ["actalog"]


async def test_a_caller_with_a_loop_of_its_own_awaits(background: BackgroundLoop):
    assert await background.wait(thread_name()) == "actalog"
    assert [one async for one in background.aiterate(numbers([]))] == [0, 1, 2]
    assert background.run(thread_name()) == "actalog"


async def test_an_iteration_that_is_left_is_closed(background: BackgroundLoop):
    left: list[str] = []
    for _ in background.iterate(numbers(left)):
        break
    told = background.aiterate(numbers(left))
    async for _ in told:
        break
    await told.aclose()
    assert left == ["actalog", "actalog"]


def test_waiting_for_oneself_is_refused_and_awaiting_is_not(background: BackgroundLoop):
    async def inside() -> str:
        with pytest.raises(RuntimeError, match="arun"):
            background.run(thread_name())
        return await background.wait(thread_name())

    assert background.run(inside()) == "actalog"


def test_an_error_comes_to_the_caller(background: BackgroundLoop):
    async def fails() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        background.run(fails())


def test_the_end_closes_what_was_opened_the_last_one_first(background: BackgroundLoop):
    closed: list[int] = []

    def closer(number: int):
        async def close() -> None:
            closed.append(number)

        return close

    background.run(thread_name())
    for number in (1, 2):
        background.at_close(closer(number))
    waiting = background.submit(asyncio.sleep(60))
    background.close()
    assert closed == [2, 1]
    assert waiting.cancelled()
    background.close()


def test_what_cannot_be_closed_keeps_no_other_from_it(background: BackgroundLoop):
    closed: list[str] = []

    async def closes() -> None:
        closed.append("other")

    async def breaks() -> None:
        raise ConnectionError("gone")

    background.run(thread_name())
    for closer in (closes, breaks):
        background.at_close(closer)
    background.close()
    assert closed == ["other"]


def test_a_forked_process_closes_nothing_of_its_parents(background: BackgroundLoop):
    closed: list[str] = []

    async def closes() -> None:
        closed.append("the parent's")

    background.run(thread_name())
    background.at_close(closes)
    loop, thread, background._pid = background.loop(), background._thread, -1
    background.run(thread_name())
    background.close()
    assert closed == []
    loop.call_soon_threadsafe(loop.stop)
    assert thread is not None
    thread.join(5)
    loop.close()


async def test_a_cancelled_wait_cancels_what_it_waits_for(background: BackgroundLoop):
    seen = threading.Event()

    async def long() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            seen.set()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await background.wait(long())
    assert await asyncio.to_thread(seen.wait, 2)
