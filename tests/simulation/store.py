"""The database of the simulation: the log, the ledger and the projection in memory, behind
connections that take time and break.

A statement is sent, reaches the server and is one transaction there, and its answer comes back.
It stands although its sender died or its answer was lost.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine
from typing import Any, cast

from actalog_core.clock import Clock
from actalog_core.errors import Transient
from actalog_log.call_ports import Calls
from actalog_log.memories import MemoryMemories, MemoryStore
from actalog_log.memory import MemoryLog
from actalog_log.ports import RunLog
from tests.simulation.broker import Hook
from tests.simulation.loop import Process, SimLoop

MARKS_S = 0.05  # between writes of what was published
ANSWER_LOST_S = 0.3
SLOW_S = 0.8  # of each statement, while the database is slow


class Database:
    """The server."""

    def __init__(self, loop: SimLoop, *, seed: object, clock: Clock, hook: Hook) -> None:
        self.loop, self.hook = loop, hook
        self.dice = random.Random(f"database {seed}")
        self.log = MemoryLog(clock=clock)
        self.memories = MemoryMemories(self.log)
        self.down_until = self.slow_until = 0.0
        self.context = loop.within(loop.world)

    @property
    def down(self) -> bool:
        return self.loop.now < self.down_until

    def latency(self) -> float:
        """Seconds; usually a fraction of a millisecond."""
        if self.loop.now < self.slow_until:
            return SLOW_S * (0.5 + self.dice.random())
        usual = 0.0002 + self.dice.random() * 0.001
        return usual if self.dice.random() < 0.98 else usual + self.dice.random() * 0.1

    def slow(self, *, for_s: float) -> None:
        """As under a long checkpoint on a slow disk."""
        self.slow_until = max(self.slow_until, self.loop.now + for_s)

    def stop(self, *, down_s: float) -> None:
        self.down_until = max(self.down_until, self.loop.now + down_s)


class Connection:
    """One process's way to the database."""

    def __init__(self, server: Database, process: Process) -> None:
        self.server, self.process = server, process
        self.marks: dict[int, int] = {}
        self._marking = False

    async def ask(self, name: str, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        server = self.server
        done: asyncio.Future[Any] = server.loop.create_future()
        server.loop.call_later(
            server.latency(), lambda: self._arrived(name, call, done), context=server.context
        )
        return await done

    def _arrived(
        self, name: str, call: Callable[[], Coroutine[Any, Any, Any]], done: "asyncio.Future[Any]"
    ) -> None:
        server = self.server
        if server.down:
            return _broken(done, "the database is down")
        match server.hook("db.before", self.process, name):
            case "kill":
                return self.process.kill()
            case "refuse":
                return _broken(done, "the connection was lost")
            case _:
                pass
        try:
            told, error = _at_once(call()), None
        except Exception as raised:  # noqa: BLE001, it is the answer
            told, error = None, raised
        match server.hook("db.after", self.process, name):
            case "kill":
                return self.process.kill()
            case "lose":
                lost = lambda: _broken(done, "the connection was lost")
                server.loop.call_later(ANSWER_LOST_S, lost, context=server.context)
            case _ if done.done():
                pass
            case _ if error is not None:
                done.set_exception(error)
                done.exception()
            case _:
                done.set_result(told)
        return None

    def published(self, run_no: int, seq: int) -> None:
        """Lazily, as PostgreSQL's: what dies with the process is published again."""
        self.marks[run_no] = max(seq, self.marks.get(run_no, 0))
        if not self._marking:
            self._marking = True
            self._later(MARKS_S)

    def _later(self, delay_s: float) -> None:
        self.server.loop.call_later(delay_s, self._write, context=self.server.context)

    def _write(self) -> None:
        if self.process.state == "dead":
            return
        if self.process.state == "paused" or self.server.down:
            return self._later(0.2)
        self._marking = False
        for run_no, seq in self.marks.items():
            self.server.log.published(run_no, seq)
        self.marks.clear()
        return None


def _at_once(call: Coroutine[Any, Any, Any]) -> Any:
    """The double awaits nothing, so a call of it is a transaction."""
    try:
        call.send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("the double awaited something")


def _broken(done: "asyncio.Future[Any]", why: str) -> None:
    if not done.done():
        done.set_exception(Transient(f"PostgreSQL: {why}"))
        done.exception()


class _Remote:
    """The methods of `target`, over a connection."""

    def __init__(self, connection: Connection, target: object, prefix: str) -> None:
        self._connection, self._target, self._prefix = connection, target, prefix

    def __getattr__(self, name: str) -> Any:
        method, connection = getattr(self._target, name), self._connection
        told = f"{self._prefix}{name}"

        def call(*args: Any, **kwargs: Any) -> Any:
            return connection.ask(told, lambda: method(*args, **kwargs))

        self.__dict__[name] = call
        return call


def remote_log(connection: Connection) -> RunLog:
    """The run log as that process has it."""
    made = _Remote(connection, connection.server.log, "")
    made.__dict__["published"] = connection.published
    return cast(RunLog, made)


def remote_calls(connection: Connection) -> Calls:
    return cast(Calls, _Remote(connection, connection.server.log.calls, "calls."))


def remote_memories(connection: Connection) -> MemoryStore:
    return cast(MemoryStore, _Remote(connection, connection.server.memories, "memories."))
