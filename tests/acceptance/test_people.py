"""What a person on call does with a paused run, and what the command line says of it."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.home import Home

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.timeout(120)]
APP = '''
from actalog import Agent, App, tool

@tool(requires_confirmation=True)
def refund_order(order_id: str) -> str:
    """Refund an order.

    Args:
        order_id: The number of the order.
    """
    return f"Order {order_id} was refunded."

app = App(agents=[Agent(name="desk", model="openai:m", instructions="Be brief.", tools=[refund_order])])
'''


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A platform that serves an App of its own."""
    folder = tmp_path_factory.mktemp("people")
    (folder / "desk_app.py").write_text(APP)
    made = Home(folder / "home")
    made.cwd = folder
    made.up("--app", "desk_app:app")
    yield made
    made.end()


def ask(home: Home, path: str, body: dict[str, Any] | None = None) -> Any:
    """The gateway's answer: starting a process for every look takes long."""
    http = json.loads(home.file.read_text())["http"]
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(http + path, data), timeout=10) as said:
        return json.loads(said.read())


def until(home: Home, run: str, *statuses: str) -> dict[str, Any]:
    """The run's state once it stands so."""
    end = time.monotonic() + 20
    while (state := ask(home, f"/v1/runs/{run}"))["status"] not in statuses:
        assert time.monotonic() < end, state
        time.sleep(0.02)
    return state


def paused(home: Home) -> tuple[str, str]:
    """(run, requirement) of a run that waits for a person."""
    task = {"target": "desk", "input": "Please refund order 1042"}
    run = ask(home, "/v1/tasks", task)["run_id"]
    (required,) = until(home, run, "paused")["requirements"]
    return run, required["id"]


def ended(home: Home, run: str) -> list[str]:
    """The types of the run's events once it has ended."""
    until(home, run, "completed", "cancelled")
    return [one["type"] for one in ask(home, f"/v1/runs/{run}/log")["events"]]


def test_an_approved_call_runs_and_the_log_says_who_let_it(home: Home):
    run, required = paused(home)
    listed = home.run("requirements")[1]
    assert required in listed
    assert '{"order_id": "1042"}' in listed
    status, out, wrong = home.run(
        "resolve", run, required, "--approve", "--by", "ann", "--note", "she called"
    )
    assert (status, wrong) == (0, "")
    assert "approve by ann: she called" in out
    assert "tool.returned.v1" in ended(home, run)
    status, log, _ = home.run("log", run)
    assert "approve by ann: she called" in " ".join(log.split())


PROGRAM = """
from actalog import Client
with Client() as client:
    run = client.submit("agent:desk", "Hello there")
    print(client.result(run, timeout=20).status)
"""


def test_a_program_beside_the_platform_finds_it_over_kafka(home: Home):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=home.env, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert (done.stdout.strip(), done.returncode) == ("completed", 0), done.stderr


def test_a_rejected_call_does_not_run_and_the_run_goes_on(home: Home):
    run, required = paused(home)
    status, out, _ = home.run("resolve", run, required, "--reject", "--by", "bob", "--json")
    assert (status, json.loads(out)["decision"]) == (0, "reject")
    kinds = ended(home, run)
    assert "tool.returned.v1" not in kinds
    assert "tool.failed.v1" in kinds


def test_a_second_answer_is_told_which_one_stands(home: Home):
    run, required = paused(home)
    assert home.run("resolve", run, required, "--reject", "--by", "ann")[0] == 0
    status, _, wrong = home.run("resolve", run, required, "--approve", "--by", "bob")
    assert status == 1
    assert "answered before: reject by ann" in wrong
    assert wrong.count("\n") == 1


def test_a_requirement_or_run_that_is_not_there_is_told_with_what_is(home: Home):
    run, required = paused(home)
    status, _, wrong = home.run("resolve", run, "no-such", "--approve")
    assert status == 2
    assert required in wrong
    status, _, wrong = home.run("resolve", "no-such-run", required, "--approve")
    assert status == 2
    assert "actalog runs" in wrong


def test_a_decision_that_does_not_fit_what_is_asked_is_refused_and_the_run_waits_on(home: Home):
    run, required = paused(home)
    status, _, wrong = home.run("resolve", run, required, "--done")
    assert status == 1
    assert "not_allowed" in wrong
    assert ask(home, f"/v1/runs/{run}")["status"] == "paused"


def test_a_cancelled_run_waits_for_nobody_and_is_not_cancelled_twice(home: Home):
    run, required = paused(home)
    assert home.run("cancel", run, "--reason", "a mistake", "--by", "ann")[0] == 0
    ended(home, run)
    status, _, wrong = home.run("resolve", run, required, "--approve")
    assert (status, "has ended" in wrong) == (1, True)
    status, _, wrong = home.run("cancel", run)
    assert (status, "has ended: cancelled" in wrong) == (1, True)


def started_again(home: Home, before: dict[str, Any]) -> dict[str, Any]:
    end = time.monotonic() + 60
    while not home.file.exists() or json.loads(home.file.read_text()) == before:
        assert home.processes[0].poll() is None, home.processes[0].communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    return json.loads(home.file.read_text())


def test_new_code_of_the_author_is_served_after_a_reload_and_a_slip_ends_nothing(tmp_path: Path):
    file = tmp_path / "reloaded_app.py"
    file.write_text(APP)
    home = Home(tmp_path / "home")
    home.cwd = tmp_path
    try:
        process = home.up("--app", "reloaded_app:app", "--reload")
        before = json.loads(home.file.read_text())
        file.write_text("this is no Python")
        assert process.stderr is not None
        while "SyntaxError" not in process.stderr.readline():
            assert process.poll() is None
        file.write_text(APP.replace("Be brief.", "Be very polite."))
        after = started_again(home, before)
        assert after["pid"] == before["pid"]
        assert after["started_at"] > before["started_at"]
        run = ask(home, "/v1/tasks", {"target": "desk", "input": "Hello"})["run_id"]
        until(home, run, "completed")
        prompt = json.loads(home.run("prompt", run, "--json")[1])
        assert any("Be very polite." in part["text"] for part in prompt["parts"])
    finally:
        home.end()
