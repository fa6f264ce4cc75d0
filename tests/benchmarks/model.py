"""The scripted model server as a process of its own, so that no platform pays for it.

It answers in four chunks; where tools are offered it first calls the first of them, once for each
number in the question. Asked `slowly` it takes four seconds. `python -m tests.benchmarks.model PORT`
"""

import asyncio
import re
import signal
import sys

import uvloop

from actalog_testing.scripted import Reply, ScriptedServer, ToolUse
from actalog_testing.scripted.request import Request

TEXT = "This is the answer that was asked for. (scripted model)"
ANSWER, SLOW_ANSWER = Reply(TEXT, chunks=4), Reply(TEXT, chunks=4, delay_ms=1_000)


def answer(request: Request) -> Reply:
    """Tools first, then the answer."""
    messages = request.messages
    if request.tools and messages[-1].role == "user":
        name, numbers = request.tools[0].name, re.findall(r"\d+", messages[-1].text)
        uses = [ToolUse(name, {"number": int(number)}) for number in numbers]
        return Reply(tool_calls=uses)
    return SLOW_ANSWER if messages[-1].text == "slowly" else ANSWER


async def main(port: int) -> None:
    """Serve until SIGTERM."""
    server = ScriptedServer(port=port, script=answer, keep=10)
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
