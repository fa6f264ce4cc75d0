"""`actalog up` as its users type it: a process on embedded servers, tasks in, results out."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actalog.testing import replay
from actalog_bus.processes import alive
from tests.acceptance.home import TASKS, Home

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(240)]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = Home(tmp_path)
    yield made
    made.end()


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]


def test_every_task_of_the_example_completes_the_second_time_as_well_as_the_first(home: Home):
    for _ in range(2):
        results = home.work()
        assert len(results) == len(lines(TASKS))
        assert {one["status"] for one in results} == {"completed"}
        assert all("scripted" in str(one["output"]) for one in results)
        assert not home.file.exists()


@pytest.mark.kills
def test_a_platform_killed_in_the_middle_leaves_nothing_that_stops_the_next(home: Home):
    process = home.start("up", "--tasks", str(TASKS))
    assert process.stdout is not None
    for line in process.stdout:
        if "completed" in line:  # in the middle of its work
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    began = time.monotonic()
    assert {one["status"] for one in home.work()} == {"completed"}
    # Turns of sessions that were open wait for no timer: what was asked of the broker that died
    # is asked again at once.
    assert time.monotonic() - began < 25
    status, out, _ = home.run("doctor", "--json")  # nothing runs: the database is named by nobody
    assert status == 1
    assert "actalog up" in out


@pytest.mark.kills
def test_a_platform_killed_at_any_moment_of_its_start_leaves_nothing_that_stops_the_next(
    home: Home,
):
    database = home.data.parent
    for moment in (
        home.folder / "up.lock", database / "postgres.log", home.data / "PG_VERSION",
        home.folder / "broker.log", home.data / "postmaster.pid", home.file,
    ):  # fmt: skip
        began = time.time()
        process = home.start("up", "--tasks", str(TASKS))
        # Some are made at the first start alone: then it is killed when it is ready.
        while not any(one.exists() and one.stat().st_mtime >= began for one in (moment, home.file)):
            assert process.poll() is None, process.communicate()
            time.sleep(0.002)
        process.kill()
        process.communicate()
    assert {one["status"] for one in home.work()} == {"completed"}


@pytest.mark.kills
def test_what_was_accepted_before_the_kill_is_finished_after_it(home: Home, tmp_path: Path):
    tasks = tmp_path / "tasks.jsonl"
    told = [
        {"target": "support", "input": "Where is order 1042?", "run_id": f"r{n}"} for n in range(8)
    ]
    tasks.write_text("\n".join(json.dumps(task) for task in told))
    process = home.start("up", "--tasks", str(tasks))
    assert process.stdout is not None
    for line in process.stdout:
        if "completed" in line:
            break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    again = {one["run_id"]: one for one in home.work(tasks)}
    assert {one["status"] for one in again.values()} == {"completed"}
    assert len({one["id"] for one in again.values()}) == 8


def test_a_running_platform_is_found_asked_read_and_replayed(home: Home):
    process = home.up()
    told = json.loads(home.file.read_text())
    assert set(told) == {"pid", "kafka", "database_url", "http", "started_at"}
    assert told["pid"] == process.pid

    status, out, wrong = home.run("run", "support", "Where is order 1042?", "--json")
    assert status == 0, wrong
    result = json.loads(out)
    run = result["run_id"]
    assert "1042" in result["output"]
    status, streamed, _ = home.run("run", "support", "Where is order 1042?", "--stream")
    assert (status, streamed.strip()) == (0, result["output"])

    kinds = [step["type"] for step in json.loads(home.run("log", run, "--json")[1])["steps"]]
    assert kinds[0] == "run.accepted.v1"
    assert kinds[-1] == "run.completed.v1"
    assert {"context.built.v1", "model.replied.v1", "tool.called.v1", "tool.returned.v1"} <= set(
        kinds
    )
    rebuilt = json.loads(home.run("rebuild", run, "--json")[1])
    assert (rebuilt["state"], rebuilt["seq"]) == ("Finished", len(kinds))
    assert json.loads(home.run("rebuild", run, "--at", "1", "--json")[1])["seq"] == 1
    prompt = json.loads(home.run("prompt", run, "--json")[1])
    assert any("Where is order 1042?" in part["text"] for part in prompt["parts"])
    kept = home.folder / "recorded.jsonl"
    assert home.run("replay", "--all", "--save", str(kept))[0] == 0
    status, out, _ = home.run("replay", "--export", str(kept), "--json")
    assert (status, json.loads(out)) == (0, {"replayed": 2, "differ": []})
    assert replay(kept).runs != []
    assert run in [one["run_id"] for one in json.loads(home.run("runs", "--json")[1])]
    assert home.run("doctor")[0] == 0


def test_a_second_platform_in_the_same_home_is_told_so(home: Home):
    home.up()
    status, _, wrong = home.run("up")
    assert status == 2
    assert "ACTALOG_HOME" in wrong
    assert wrong.count("\n") == 1


def test_sigterm_drains_and_leaves_no_process_behind(home: Home):
    process = home.up()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0
    assert not home.file.exists()
    assert not [child for child in children if alive(int(child))]


def test_a_task_that_is_refused_is_a_failure(home: Home, tmp_path: Path):
    tasks = tmp_path / "tasks.jsonl"
    tasks.write_text('{"target": "agent:nobody", "input": "hello"}\n')
    status, out, _ = home.run("up", "--tasks", str(tasks), "--exit")
    assert status == 1
    assert "unknown_target" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("up", "--app", "nowhere:app"), "no module nowhere"),
        (("up", "--app", "actalog"), "MODULE:NAME"),
        (("up", "--app", "actalog:nothing"), "no App is called nothing"),
        (("up", "--tasks", "/nowhere.jsonl"), "--tasks /nowhere.jsonl"),
        (("run", "support", "hello"), "ACTALOG_KAFKA"),
        (("status",), "ACTALOG_DATABASE_URL"),
        (("service", "nothing"), "there are conductor"),
        (("service", "llm"), "ACTALOG_KAFKA"),
        (("replay",), "RUN..., or --all, or --export"),
        (("resolve", "r", "q"), "exactly one of"),
    ],
)
def test_wrong_usage_is_one_clear_line(home: Home, arguments: tuple[str, ...], says: str):
    status, _, wrong = home.run(*arguments)
    assert status == 2
    assert says in wrong
    assert wrong.count("\n") == 1
