"""`actalog runs`, `sessions` and `requirements` on a real log: long ones, and ones with a run whose
events were changed."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from typer.testing import CliRunner, Result

from actalog.cli import output, summaries
from actalog.cli.main import app
from actalog_log.postgres import PostgresLog
from tests.integration.gateway.world import Run, accepted, called, done, new_run, paused, reply

pytestmark = [pytest.mark.tampers, pytest.mark.postgres]


class Stage:
    """Runs that nobody follows."""

    bus, prefix = None, "actalog"

    def __init__(self, log: PostgresLog, dsn: str) -> None:
        self.log, self.dsn = log, dsn

    async def run(self, name: str) -> Run:
        return await new_run(self, name, session=name)  # pyright: ignore[reportArgumentType]

    async def ended(self, name: str) -> Run:
        run = await self.run(name)
        await run.say(accepted(), reply(name, "fine"), done(2), publish=False)
        return run

    async def tamper(self, run: Run, seq: int) -> None:
        for table in ("events", "events_0"):
            await self.log.pool.execute(f"alter table {table} disable trigger user")
        changed = "update events set payload = payload || '\\x20' where run_no = $1 and seq = $2"
        await self.log.pool.execute(changed, run.row.run_no, seq)

    async def typed(self, *words: str) -> Result:
        env = {"ACTALOG_DATABASE_URL": self.dsn}
        return await asyncio.to_thread(CliRunner().invoke, app, list(words), env=env)


@pytest.fixture
async def stage(fresh_database: str) -> AsyncIterator[Stage]:
    log = PostgresLog(fresh_database)
    await log.start()
    yield Stage(log, fresh_database)
    await log.stop()


async def test_one_changed_run_is_marked_and_hides_no_other(stage: Stage):
    await stage.ended("one")
    await stage.tamper(await stage.ended("two"), 3)
    await stage.ended("three")
    told = await stage.typed("runs", "--json")
    found = [(one["run_id"], one["status"]) for one in json.loads(told.stdout)]
    assert found == [("three", "completed"), ("two", "tampered"), ("one", "completed")]
    assert told.exit_code == 1
    assert told.stderr.startswith("actalog: run two: The log was changed")
    assert "seq 3" in told.stderr
    shown = await stage.typed("runs", "--status", "failed")
    assert [line.split()[0] for line in shown.stdout.splitlines()] == ["run", "two"]


async def test_what_others_wait_for_is_listed_beside_a_changed_run(stage: Stage):
    for name in ("one", "two"):
        run = await stage.run(name)
        said = accepted(), called(name, confirm=True), paused(name)
        await run.say(*said, standing="paused", publish=False)
    await stage.tamper(run, 2)
    told = await stage.typed("requirements", "--json")
    assert [one["run_id"] for one in json.loads(told.stdout)] == ["one"]
    assert (told.exit_code, "run two: The log was changed" in told.stderr) == (1, True)


async def test_a_replay_of_all_goes_on_behind_a_changed_run(stage: Stage):
    for name in ("one", "two"):
        await stage.tamper(await stage.ended(name), 2)
    told = await stage.typed("replay", "--all", "--json")
    differ = json.loads(told.stdout)
    assert (told.exit_code, differ["replayed"]) == (1, 2)
    assert [one["run_id"] for one in differ["differ"]] == ["two", "one"]
    assert "The log was changed" in differ["differ"][0]["what"]


async def test_long_lists_are_read_and_written_page_by_page(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(summaries, "PAGE", 2)
    monkeypatch.setattr(output, "PAGE", 2)
    names = [f"r{number}" for number in range(5)]
    for name in names:
        await stage.ended(name)
    told = await stage.typed("runs", "--limit", "1000000", "--json")
    assert [one["run_id"] for one in json.loads(told.stdout)] == names[::-1]
    assert told.stdout == json.dumps(json.loads(told.stdout), indent=2) + "\n"
    shown = (await stage.typed("runs", "--limit", "1000000")).stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["run", *names[::-1]]
    assert (
        len({line.index(" completed ") for line in shown[1:]}) == 1
    )  # columns stay where they are
    assert (await stage.typed("runs", "--session", "none", "--json")).stdout == "[]\n"
    assert (await stage.typed("runs", "--session", "none")).stdout == "No such run.\n"


async def test_long_lists_of_sessions_are_read_and_written_page_by_page(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(output, "PAGE", 2)
    names = [f"r{number}" for number in range(5)]
    for name in names:
        await stage.ended(name)
    for limit in ("1000000", "100"):
        told = await stage.typed("sessions", "--limit", limit, "--json")
        assert [one["session"] for one in json.loads(told.stdout)] == names
    shown = (await stage.typed("sessions", "--limit", "1000000")).stdout.splitlines()
    assert [line.split()[0] for line in shown] == ["session", *names]
    assert (await stage.typed("sessions", "--user", "none")).stdout == "No session yet.\n"
