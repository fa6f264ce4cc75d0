"""The guardian and its workers, as the service sees them."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
from typing import Self

import structlog

from actalog_core import metrics

log = structlog.get_logger()

END_S = 10.0  # of a guardian that was told to end; it then kills what it forked
LOOK_S = 0.01  # between looks whether it has ended
CODE = """\
import json, sys
sys.path[:] = json.loads(sys.argv[2])
from actalog_tools.isolated.guardian import main
main(int(sys.argv[1]))
"""


class Worker:
    """A process and the channel to it. `gone` is done once it and all it left are dead; `again`
    says whether it may be given another call."""

    def __init__(self, number: int, guardian: "Guardian", channel: socket.socket) -> None:
        self.number, self.guardian, self.channel = number, guardian, channel
        self.gone: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self.again, self.killed = True, False
        metrics.ISOLATED_WORKERS.inc()

    async def open(self) -> None:
        """Make streams of the channel."""
        self.reader, self.writer = await asyncio.open_connection(sock=self.channel)

    def send(self, frame: bytes) -> None:
        """Send; one that is gone is noticed by whoever waits for its answer."""
        with contextlib.suppress(OSError):
            self.writer.write(frame)

    def kill(self, why: str) -> None:
        """Kill it and all it left, unless it is dead."""
        if not self.killed:
            self.killed = True
            metrics.ISOLATED_KILLED.labels(why).inc()
            self.guardian.tell(f"kill {self.number}\n")

    def end(self, status: int | None) -> None:
        """It is dead. `status` is its exit code, or minus a signal; None: nobody knows."""
        if not self.gone.done():
            metrics.ISOLATED_WORKERS.dec()
            self.gone.set_result(status)
            self.writer.close()

    def told(self) -> str:
        """How it died, in words."""
        status = self.gone.result() if self.gone.done() else None
        if status is None:
            return "its process died"
        if status >= 0:
            return f"its process ended itself with status {status}"
        with contextlib.suppress(ValueError):
            return f"its process died of {signal.Signals(-status).name}"
        return f"its process died of signal {-status}"


class Guardian:
    """The process that forks workers. Should it die, its workers die with it."""

    def __init__(self, process: "subprocess.Popen[bytes]", control: socket.socket) -> None:
        self.process, self.control = process, control
        self.workers: dict[int, Worker] = {}
        self.number, self.text, self.gone, self.ending = 0, b"", False, False
        self.loop = asyncio.get_running_loop()
        self.loop.add_reader(control, self._hear)

    @classmethod
    def started(cls) -> Self:
        """Start one, in a session of its own: what a terminal sends to us is not for it."""
        ours, its = socket.socketpair()
        with its:
            process = subprocess.Popen(
                [sys.executable, "-c", CODE, str(its.fileno()), json.dumps(sys.path)],
                stdin=subprocess.DEVNULL, pass_fds=[its.fileno()], start_new_session=True,
            )  # fmt: skip
        ours.setblocking(False)
        return cls(process, ours)

    async def fork(self) -> Worker:
        """A new worker; it may be dead before it is used."""
        ours, its = socket.socketpair()
        ours.setblocking(False)
        self.number += 1
        worker = Worker(self.number, self, ours)
        with its:
            await worker.open()
            self.workers[worker.number] = worker
            self.tell(f"fork {worker.number}\n", its.fileno())
        if self.gone:
            worker.end(None)
        return worker

    def tell(self, line: str, *channels: int) -> None:
        """Ask for something. One that does not listen is dead or as good as that."""
        if self.gone or self.ending:
            return
        try:
            socket.send_fds(self.control, [line.encode()], channels)
        except OSError:
            self._lost()

    def _hear(self) -> None:
        try:
            text = self.control.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            text = b""
        if not text:
            self._lost()
            return
        *lines, self.text = (self.text + text).split(b"\n")
        for line in lines:
            _, number, status = line.split()
            if (worker := self.workers.pop(int(number), None)) is not None:
                worker.end(int(status))

    def _lost(self) -> None:
        """It is gone, and its workers with it."""
        if self.gone:
            return
        self.gone = True
        self.loop.remove_reader(self.control)
        self.control.close()
        self.process.kill()
        workers, self.workers = self.workers, {}
        for worker in workers.values():
            worker.end(None)
        self.reaping = self.loop.create_task(self._ended())

    async def _ended(self) -> None:
        # Looked at, not waited for in a thread: at the end of a program none begins any more.
        while self.process.poll() is None:  # noqa: ASYNC110
            await asyncio.sleep(LOOK_S)

    async def stop(self) -> None:
        """Let it kill everybody and end."""
        if not self.gone:
            self.ending = True  # it must not be disturbed: what it has not killed would live on
            self.control.shutdown(socket.SHUT_WR)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(END_S):
                    await self._ended()
            self._lost()
        await self.reaping
