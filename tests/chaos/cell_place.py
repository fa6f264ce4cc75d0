"""Where cells of one service happen: topics and a database of its own, the service that dies in a
process of its own, and the others in one that lives."""

import asyncio
import contextlib
import json
import signal
import sys
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from actalog.registry import register
from actalog_bus.processes import spawn
from actalog_bus.provision import plan, provision
from actalog_bus.settings import KafkaSettings
from actalog_core.settings import Settings
from actalog_log.database import Connection, connect
from actalog_log.migrate import migrate
from actalog_log.postgres import PostgresLog
from tests.acceptance.outside import Outside
from tests.acceptance.processes import SERVICES, Fleet
from tests.chaos.cell_app import app
from tests.chaos.cells import Cell
from tests.conftest import execute

ROOT = Path(__file__).parents[2]
LEASE_MS = 2_000
PARTITIONS = 2
DIES_WITHIN_S = 40
HEARS = '"event": "ready"'
_UNFINISHED = """
    select count(*) from open_runs where standing <> 'ended'
"""
_UNHEARD = "select count(*) from calls where settled and outcome is not null"


@dataclass
class Place:
    """`died_at` is when the last victim died, in seconds since 1970; `slow` is what a model was
    asked and answers slowly."""

    service: str
    dsn: str
    folder: Path
    fleet: Fleet
    outside: Outside
    database: Connection
    log: PostgresLog
    slow: AbstractSet[str]
    died_at: float = 0.0
    asked: dict[str, str] = field(default_factory=dict[str, str])  # requirement -> its order

    @property
    def each(self) -> str:
        """The victim's name among the processes."""
        return f"{self.service}-0"

    def journal(self, what: str, order: str) -> list[str]:
        """The keys under which something was done for an order."""
        path = self.folder / "journal"
        lines = path.read_text().splitlines() if path.exists() else []
        return [one.split()[2] for one in lines if one.startswith(f"{what} {order} ")]

    @contextlib.contextmanager
    def held(self) -> Generator[Path]:
        """While this file is there, a tool that reads stands still."""
        file = self.folder / "hold"
        file.touch()
        try:
            yield file
        finally:
            file.unlink(missing_ok=True)

    async def arm(self, cell: Cell) -> None:
        """A victim that will die, instead of the one that is there."""
        await self.leave(self.each)
        before = self._said().count(HEARS)
        self.armed(cell)
        await self.fleet.ready(self.each)
        # A gateway is ready without the bus; here it must have begun to hear.
        await self.until(lambda: self._said().count(HEARS) > before, f"{self.each} hears")

    def armed(self, cell: Cell) -> None:
        """A victim that may die before it is ready."""
        self.fleet.spawn(self.service, ACTALOG_CRASHPOINT=f"{cell.point}:{cell.n}")

    def _said(self) -> str:
        """What victims have written, the last one last."""
        file = self.folder / f"{self.each}.log"
        return file.read_text(errors="replace") if file.exists() else ""

    async def leave(self, each: str) -> None:
        """One process ends in order: what it heard is committed."""
        process = self.fleet.running.pop(each, None)
        if process is not None:
            process.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(process.wait, 20) == 0

    async def death(self, cell: Cell) -> None:
        """Wait for it; the process must have said where it died."""
        process = self.fleet.running[self.each]
        until = time.monotonic() + DIES_WITHIN_S
        while process.poll() is None:
            if time.monotonic() > until:
                raise AssertionError(f"{cell.point}:{cell.n} was not passed")
            await asyncio.sleep(0.01)
        self.died_at = time.time()
        del self.fleet.running[self.each]
        said = self._said()
        assert process.returncode == -signal.SIGKILL, said[-4_000:]
        assert f"crashpoint {cell.point}:{cell.n} killed {process.pid}\n" in said

    def again(self) -> None:
        """The victim's successor, which nothing is wrong with."""
        self.fleet.spawn(self.service)

    async def unfinished(self, runs: Sequence[str]) -> int:
        """How many of these runs have not ended, with those that remember them."""
        known = await self.database.fetch("select run_id from runs where run_id = any($1)", runs)
        return len(runs) - len(known) + await self.database.fetchval(_UNFINISHED)

    async def until(
        self, true: Callable[[], object], what: str, *, within_s: float = 60
    ) -> None:  # fmt: skip
        """Wait for what others make true."""
        until = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < until, f"not within {within_s} s: {what}"
            await asyncio.sleep(0.02)

    async def quiet(self, *, within_s: float = 60) -> None:
        """Nothing waits any more: no run, no accepted message, no answer that nobody has heard."""
        until = time.monotonic() + within_s
        waits = f"select ({_UNFINISHED}) + (select count(*) from inbox) + ({_UNHEARD})"
        while left := await self.database.fetchval(waits):
            assert time.monotonic() < until, f"{left} runs, messages or answers wait for ever"
            await asyncio.sleep(0.05)

    async def answer_doubts(self) -> None:
        """A person: looks at what was done outside, and says so."""
        seen = 0
        while True:
            results = self.outside.records["results"]
            new, seen = results[seen:], len(results)
            for record in new:
                told = json.loads(record.value or b"{}")
                if told.get("status") == "paused":
                    for required in told["requirements"]:
                        await self._answer(told["run_id"], required)
            await asyncio.sleep(0.05)

    async def _answer(self, run_id: str, required: dict[str, object]) -> None:
        id = str(required["id"])
        if required["kind"] != "in_doubt" or id in self.asked:
            return
        self.asked[id] = run_id
        done = self.journal("charge", run_id)
        decision = {"decision": "done", "result": "charged"} if done else {"decision": "not_done"}
        await self.outside.send(
            {"type": "requirement.resolve.v1", "run_id": run_id, "requirement_id": id,
             "by": "ann", **decision}
        )  # fmt: skip


@asynccontextmanager
async def place(
    service: str, *, bootstrap: str, postgres: str, model: str, folder: Path,
    slow: AbstractSet[str] = frozenset(), apart: Sequence[str] = (),
) -> AsyncGenerator[Place]:  # fmt: skip
    """A place for cells of a service; `apart` are others with a process of their own."""
    name = f"cells_{uuid.uuid4().hex[:10]}"
    dsn = postgres.rsplit("/", 1)[0] + f"/{name}"
    await execute(postgres, f"create database {name}")
    await migrate(dsn)
    settings = Settings(topic_prefix=name, partitions=PARTITIONS)
    kafka = KafkaSettings.of(settings, bootstrap=bootstrap, embedded=False, one_process=False)
    await provision(kafka, plan(prefix=name, partitions=PARTITIONS, replication=1))
    log = PostgresLog(dsn, connections=2)
    await log.start()
    await register(log, app.definitions())
    env = {
        "ACTALOG_KAFKA": bootstrap, "ACTALOG_DATABASE_URL": dsn, "ACTALOG_TOPIC_PREFIX": name,
        "ACTALOG_APP": "tests.chaos.cell_app:app", "ACTALOG_LEASE_MS": str(LEASE_MS),
        "ACTALOG_PARTITIONS": str(PARTITIONS), "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"{model}/v1", "CELL_FOLDER": str(folder), "PYTHONPATH": str(ROOT),
    }  # fmt: skip
    fleet = Fleet(env, folder)
    _rest(fleet, [one for one in SERVICES if one != service and one not in apart])
    for other in apart:
        fleet.spawn(other)
    database = await connect(dsn)
    try:
        async with Outside(bootstrap, name) as outside:
            made = Place(service, dsn, folder, fleet, outside, database, log, slow)
            await _rest_ready(made)
            person = asyncio.create_task(made.answer_doubts())
            try:
                yield made
            finally:
                person.cancel()
                await asyncio.gather(person, return_exceptions=True)
    finally:
        await database.close()
        await log.stop()
        await fleet.stop()


def _rest(fleet: Fleet, names: Sequence[str]) -> None:
    env = {**fleet.env, "ACTALOG_HOME": str(fleet.folder / "rest"), "ACTALOG_PORT": "0"}
    arguments = [sys.executable, "-m", "tests.chaos.cell_rest", str(fleet.folder / "ready"), *names]
    fleet.running["rest"] = spawn(arguments, output=fleet.folder / "rest.log", env=env)


async def _rest_ready(made: Place) -> None:
    process, file = made.fleet.running["rest"], made.folder / "ready"
    await made.until(lambda: file.exists() or process.poll() is not None, "the rest is ready")
    said = (made.folder / "rest.log").read_text(errors="replace")
    assert process.poll() is None, said[-4_000:]
