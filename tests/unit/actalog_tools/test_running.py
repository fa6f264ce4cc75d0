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
