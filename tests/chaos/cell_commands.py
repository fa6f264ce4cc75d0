"""Commands that die between two of their steps, and are given again: what they had done stands,
what they had not is done then."""

import asyncio
import os
import signal
import subprocess
import sys
import time
import traceback
import uuid
from collections.abc import Mapping
from pathlib import Path

from actalog_log.database import connect
from actalog_log.migrate import scripts
from tests.chaos.cell_checks import Outcome, as_it_must_be, ended
from tests.chaos.cell_place import ROOT, place
from tests.chaos.cell_work import Done, in_the_middle, submit
from tests.chaos.cells import Cell
from tests.conftest import execute
from tests.integration.recovery.world import CHARGED, World


async def actalog(*arguments: str, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    """One command, to its end."""
    return await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "actalog", *arguments], text=True, timeout=60,
        env={**os.environ, "PYTHONPATH": str(ROOT), **env}, capture_output=True, check=False,
    )  # fmt: skip


async def dies(cell: Cell, *arguments: str, env: Mapping[str, str]) -> None:
    """The command is killed where it shall be."""
    point = f"{cell.point}:{cell.n}"
    made = await actalog(*arguments, env={**env, "ACTALOG_CRASHPOINT": point})
    assert made.returncode == -signal.SIGKILL, made.stdout + made.stderr
    assert f"crashpoint {point} killed" in made.stderr


async def again(*arguments: str, env: Mapping[str, str], status: int = 0) -> None:
    """The same command, of which nobody knows that it has died."""
    made = await actalog(*arguments, env=env)
    assert made.returncode == status, made.stdout + made.stderr


async def command(
    cell: Cell, *, bootstrap: str, postgres: str, model: str, folder: Path
) -> Outcome:  # fmt: skip
    """One cell of a command."""
    began = time.monotonic()
    outcome = Outcome(cell, runs=1, in_flight=1)
    try:
        match cell.service:
            case "migrate":
                await _migrate(cell, postgres)
            case "deploy":
                await _deploy(cell, outcome, bootstrap, postgres, model, folder)
            case _:
                await _recover(cell, outcome, bootstrap, folder)
    except Exception:  # noqa: BLE001 - whatever it is, the other cells go on
        outcome.wrong = traceback.format_exc()
    outcome.took_s = time.monotonic() - began
    outcome.write()
    return outcome


async def _migrate(cell: Cell, postgres: str) -> None:
    name = f"cells_{uuid.uuid4().hex[:10]}"
    await execute(postgres, f"create database {name}")
    env = {"ACTALOG_DATABASE_URL": postgres.rsplit("/", 1)[0] + f"/{name}"}
    await dies(cell, "migrate", env=env)
    connection = await connect(env["ACTALOG_DATABASE_URL"])
    try:
        asked = "select name from migrations order by name"
        known = [one for one, _ in scripts()]
        assert [row["name"] for row in await connection.fetch(asked)] == known[: cell.n]
        await again("migrate", env=env)
        assert [row["name"] for row in await connection.fetch(asked)] == known
    finally:
        await connection.close()


async def _deploy(
    cell: Cell, outcome: Outcome, bootstrap: str, postgres: str, model: str, folder: Path
) -> None:
    """While a run is in flight, which keeps the definition that it began with."""
    async with place(
        "gateway", bootstrap=bootstrap, postgres=postgres, model=model, folder=folder
    ) as made:  # fmt: skip
        env = {**made.fleet.env, "CELL_VERSION": "2", "ACTALOG_HOME": str(folder / "home")}
        current = "select id, digest from current_definitions"
        before = dict(await made.database.fetch(current))
        with made.held():
            await in_the_middle(made, cell, "one")
            await dies(cell, "deploy", env=env)
            made.died_at = time.time()
            outcome.in_flight = await made.unfinished(["one"])
            half = dict(await made.database.fetch(current))
            assert sum(half[one] != before[one] for one in before) == cell.n
            await again("deploy", env=env)
        after = dict(await made.database.fetch(current))
        assert all(after[one] != before[one] for one in before)
        await submit(made, "clerk", "two")
        done = Done("clerk", ["one", "two"], 1)
        await ended(made, cell, done, outcome)
        await as_it_must_be(made, done)
        began_with = dict(await made.database.fetch("select run_id, definition from runs"))
        assert began_with["one"] == before["clerk"]
        assert began_with["two"] == after["clerk"]


async def _recover(cell: Cell, outcome: Outcome, bootstrap: str, folder: Path) -> None:
    """After a restore that lost a finished run and one that was charging."""
    order, hangs = uuid.uuid4().hex, f"hangs-{uuid.uuid4().hex}"
    world = World(folder, bootstrap, embedded=False)
    await world.begin()
    try:
        await world.worked("before")
        await world.keep_copy()
        await world.start()
        await world.send("after", f"charge {order}")
        await world.ended("after")
        await world.send("cut", f"charge {hangs}")
        await world.acts("cut", hangs)
        await world.stop(0.5)
        await world.put_back()
        env = {
            "ACTALOG_KAFKA": bootstrap, "ACTALOG_DATABASE_URL": world.dsn,
            "ACTALOG_TOPIC_PREFIX": world.prefix, "ACTALOG_HOME": str(folder / "elsewhere"),
        }  # fmt: skip
        await dies(cell, "recover", env=env)
        await again("recover", env=env, status=1)  # what may have run is found wrong
        await world.start()
        told = await world.ended("before", "after", "cut")
        assert told == {
            "before": "run.completed", "after": "run.completed", "cut": "run.paused"
        }  # fmt: skip
        outcome.runs, outcome.in_doubt = 3, 1
        outcome.repeated = CHARGED[order] + CHARGED[hangs] - 2
        assert outcome.repeated == 0
        results = await world.published("results")
        ids = {one["id"] for one in results if one["run_id"] == "after"}
        assert len(ids) == 1
    finally:
        await world.end()
