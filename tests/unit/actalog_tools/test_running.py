"""How long a callable may take, whatever it is made of."""

import asyncio
import threading
import time

import pytest

from actalog_tools.running import Cancel, Runner
from actalog_tools.threads import Threads


async def test_what_a_plain_function_gives_to_be_awaited_has_the_rest_of_its_time():
    """As under a decorator that looks something up before it calls an async function."""

    def slow() -> object:
        time.sleep(0.4)
        return asyncio.sleep(0.4)

    threads = Threads()
    ran = await Runner(threads).run(slow, {}, timeout_s=0.6, limit=10, cancel=Cancel())
    threads.stop()
    assert ran.how == "timeout"


def orderly(done: list[str], begun: asyncio.Event):
    async def work() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.05)
            done.append("put in order")

    return work


async def test_after_its_deadline_a_callable_is_given_time_to_put_things_in_order():
    done = list[str]()
    work = orderly(done, asyncio.Event())
    ran = await Runner(Threads()).run(work, {}, timeout_s=0.05, limit=10, cancel=Cancel())
    assert (ran.how, done) == ("timeout", ["put in order"])


async def test_a_callable_ends_with_whoever_waits_for_it():
    done, begun = list[str](), asyncio.Event()
    runner = Runner(Threads())
    call = runner.run(orderly(done, begun), {}, timeout_s=60, limit=10, cancel=Cancel())
    waiting = asyncio.create_task(call)
    await begun.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait(runner.left, timeout=5)
    assert done == ["put in order"]


async def test_a_thread_that_could_not_be_had_takes_no_slot_with_it(
    monkeypatch: pytest.MonkeyPatch,
):
    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threads = Threads(most=1)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="new thread"):
                await asyncio.wait_for(threads.begin(lambda: None), timeout=5)
    job = await threads.begin(lambda: "ran")
    assert (await job.done).value == "ran"
    threads.stop()
