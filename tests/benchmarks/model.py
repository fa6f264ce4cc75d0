"""The scripted model server as a process of its own, so that no platform pays for it.

`python -m tests.benchmarks.model PORT`
"""

import asyncio
import signal
import sys

import uvloop

from actalog_testing.scripted import ScriptedServer


async def main(port: int) -> None:
    """Serve until SIGTERM."""
    server = ScriptedServer(port=port)
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))
