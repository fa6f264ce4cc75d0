"""Many clients of gateways that are processes, and a gateway that is killed under them."""

import asyncio
import random
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from actalog_bus.processes import end, free_port, spawn
from tests.integration.gateway.reassembly import Reader, parse
from tests.integration.gateway.two import Two, conductor

ROOT = Path(__file__).parents[3]
OPENING = 256  # connections at once: what a listening socket may hold back is bounded


@dataclass
class Client:
    """Follows one run wherever a gateway is, as `EventSource` does: comes back after `retry`."""

    run_id: str
    ports: Sequence[int]
    opening: asyncio.Semaphore
    reader: Reader = field(default_factory=Reader)
    connections: int = 0
    retry_s: float = 1.0
    seen: asyncio.Event = field(default_factory=asyncio.Event)  # set at each whole event

    async def follow(self) -> None:
        """Until the run has ended."""
        while not (self.reader.events and self.reader.events[-1]["type"] == "run.completed.v1"):
            if self.connections:
                await asyncio.sleep(self.retry_s)
            port = self.ports[self.connections % len(self.ports)]
            try:
                await self._read(port)
            except (OSError, asyncio.IncompleteReadError):
                self.connections += 1
            self.reader.cut()

    async def _read(self, port: int) -> None:
        async with self.opening:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            last = f"Last-Event-ID: {self.reader.last}\r\n" if self.reader.last else ""
            asked = f"GET /v1/runs/{self.run_id}/events HTTP/1.1\r\nHost: x\r\n{last}\r\n"
            writer.write(asked.encode())
            head = await reader.readuntil(b"\r\n\r\n")
        try:
            if head.startswith(b"HTTP/1.1 204"):
                return
            assert head.startswith(b"HTTP/1.1 200"), head
            while size := int(await reader.readuntil(b"\r\n"), 16):
                self._take((await reader.readexactly(size + 2))[:-2])
        finally:
            writer.close()

    def _take(self, chunk: bytes) -> None:
        if chunk.startswith(b"retry: "):
            self.retry_s = int(chunk[7:]) / 1_000
        for frame in parse(chunk):
            self.reader.take(frame)
            if frame.id:
                self.seen.set()

    async def has(self, seq: int) -> None:
        """Wait until it has been told of that event."""
        while not (self.reader.events and self.reader.events[-1]["seq"] >= seq):
            self.seen.clear()
            await self.seen.wait()


@dataclass
class Storm:
    """`processes[n]` listens on `ports[n]`."""

    stage: Two
    ports: list[int] = field(default_factory=list[int])
    processes: "list[subprocess.Popen[bytes]]" = field(
        default_factory=list["subprocess.Popen[bytes]"]
    )

    def clients(self, count: int, runs: Sequence[str]) -> list[Client]:
        """All of the first gateway, each of one of the runs."""
        opening = asyncio.Semaphore(OPENING)
        return [Client(runs[at % len(runs)], self.ports, opening) for at in range(count)]

    def kill(self, at: int) -> None:
        self.processes[at].kill()
        self.processes[at].wait()


@asynccontextmanager
async def storm(
    bootstrap: str, dsn: str, folder: Path, *, embedded: bool, gateways: int = 2
) -> AsyncGenerator[Storm]:
    """Gateways that are ready, a log and a bus."""
    async with conductor(bootstrap, dsn, embedded=embedded) as stage:
        made = Storm(stage)
        try:
            for at in range(gateways):
                made.ports.append(free_port())
                told = [bootstrap, "embedded" if embedded else "apache", dsn, stage.prefix]
                command = [sys.executable, "-m", "tests.integration.gateway.alone"]
                made.processes.append(
                    spawn([*command, *told, str(made.ports[at])],
                          output=folder / f"gateway-{at}.log", env={"PYTHONPATH": str(ROOT)})
                )  # fmt: skip
            for at, port in enumerate(made.ports):
                await _ready(port, made.processes[at], folder / f"gateway-{at}.log")
            yield made
        finally:
            for process in made.processes:
                await end(process, grace_s=5)


async def _ready(port: int, process: "subprocess.Popen[bytes]", output: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
            continue
        writer.write(b"GET /health/ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        said = await reader.read()
        writer.close()
        if said.startswith(b"HTTP/1.1 200") and b'"connected"' in said:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(await asyncio.to_thread(output.read_text))


def shuffled(text: str, seed: int) -> list[str]:
    """A text in pieces of uneven length."""
    chance, pieces = random.Random(seed), list[str]()
    while text:
        at = chance.randint(1, 12)
        pieces.append(text[:at])
        text = text[at:]
    return pieces
