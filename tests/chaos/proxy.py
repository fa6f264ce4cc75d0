"""A TCP proxy between services and a server: it delays, resets, falls silent, and, before
PostgreSQL, cuts a connection after the server has committed and before the client is told."""

import asyncio
import contextlib
import random
import re
import socket
import struct
import time
from collections import Counter
from dataclasses import dataclass, field

CHUNK = 65_536
WRITES = re.compile(rb"\b(insert into|update|delete from)\b", re.IGNORECASE)
READY = b"Z"  # ReadyForQuery: what was asked before it stands, or has failed
IDLE = ord("I")  # and no transaction is open


@dataclass
class Wrong:
    """What the proxy does wrong now; `rate` of commits lose their answer, delays are seconds."""

    rate: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0
    silent: bool = False


@dataclass(eq=False)
class Link:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    muted: bool = False  # for ever: the other side is not told

    def reset(self) -> None:
        """Both sides see a reset."""
        for writer in (self.client, self.server):
            if writer is not None:
                with contextlib.suppress(OSError):
                    told: socket.socket = writer.get_extra_info("socket")
                    told.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()


@dataclass
class Statements:
    """What a client of PostgreSQL asks, as far as a commit is concerned."""

    named: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    left: bytes = b""
    startup: bool = True
    writes: bytes | None = None  # the statement that commits when the server says it is ready
    open: bool = False  # a transaction

    def asked(self, data: bytes) -> None:
        """Bytes on their way to the server."""
        self.left += data
        while (message := self._next()) is not None:
            kind, body = message
            if kind == b"P":
                name, query, *_ = body.split(b"\0", 2)
                self.named[name] = query
            elif kind == b"B":
                _, name, *_ = body.split(b"\0", 2)
                self._runs(self.named.get(name, b""))
            elif kind == b"Q":
                self._runs(body)

    def _runs(self, query: bytes) -> None:
        commits = query.strip(b"\0; \n").upper() == b"COMMIT"
        if commits or (not self.open and WRITES.search(query)):
            self.writes = query

    def _next(self) -> tuple[bytes, bytes] | None:
        head = 0 if self.startup else 1
        if len(self.left) < head + 4:
            return None
        (length,) = struct.unpack_from(">i", self.left, head)
        if len(self.left) < head + length:
            return None
        kind, body = self.left[:head], self.left[head + 4 : head + length]
        self.left = self.left[head + length :]
        if self.startup and length > 8:  # a request for TLS has eight bytes, and another follows
            self.startup = False
        return kind, body

    def ready(self, data: bytes) -> bool:
        """Whether bytes from the server end with the word that it is ready."""
        if data[-6:-5] != READY or data[-5:-1] != b"\0\0\0\5":
            return False
        self.open = data[-1] != IDLE
        return True


class Proxy:
    """Listens on `port` from `start` to `stop`; `done` counts what it did wrong."""

    def __init__(self, port: int, to: int, dice: random.Random, *, postgres: bool = False) -> None:
        self.port, self.to, self.dice, self.postgres = port, to, dice, postgres
        self.wrong = Wrong()
        self.done: Counter[str] = Counter()
        self.cuts: list[tuple[float, str]] = []  # when, and what had been committed
        self.links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def stop(self) -> None:
        """Close everything."""
        self._server.close()
        for link in list(self.links):
            link.reset()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def reset(self) -> int:
        """Every connection now; how many."""
        links = [link for link in self.links if not link.muted]
        for link in links:
            link.reset()
        self.done["reset"] += len(links)
        return len(links)

    def mute(self) -> int:
        """Every connection there is says nothing any more, to either side; how many."""
        links = [link for link in self.links if not link.muted]
        for link in links:
            link.muted = True
        self.done["muted"] += len(links)
        return len(links)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        link = Link(writer)
        self.links.add(link)
        try:
            if self.wrong.silent:
                self.done["accepted, then silent"] += 1
                link.muted = True
                await reader.read()  # until the client gives up
                return
            from_server, link.server = await asyncio.open_connection("127.0.0.1", self.to)
            statements = Statements() if self.postgres else None
            pumps = [
                asyncio.create_task(self._up(reader, link, statements)),
                asyncio.create_task(self._down(from_server, link, statements)),
            ]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # the server is not there
        finally:
            self.links.discard(link)
            for one in (link.client, link.server):
                if one is not None:
                    one.close()

    async def _up(
        self, reader: asyncio.StreamReader, link: Link, statements: Statements | None
    ) -> None:
        assert link.server is not None
        while data := await reader.read(CHUNK):
            if statements is not None:
                statements.asked(data)
            await self._late()
            if not link.muted:
                link.server.write(data)
                await link.server.drain()

    async def _down(
        self, reader: asyncio.StreamReader, link: Link, statements: Statements | None
    ) -> None:
        held = b""
        cuts = False
        while data := await reader.read(CHUNK):
            if statements is not None:
                if not held and statements.writes is not None:
                    cuts = self.dice.random() < self.wrong.rate
                if cuts:
                    held += data
                    if not statements.ready(held):
                        continue
                    kind = "of events" if b"events" in (statements.writes or b"") else "of others"
                    self.cuts.append((time.time(), f"a commit {kind} had no answer"))
                    link.reset()
                    return
                if statements.ready(data):
                    statements.writes = None
            await self._late()
            if not link.muted:
                link.client.write(data)
                await link.client.drain()

    async def _late(self) -> None:
        if self.wrong.delay_s or self.wrong.jitter_s:
            self.done["delayed"] += 1
            await asyncio.sleep(self.wrong.delay_s + self.dice.random() * self.wrong.jitter_s)
