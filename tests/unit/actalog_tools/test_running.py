"""How long a callable may take, whatever it is made of."""

import asyncio
import time

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
