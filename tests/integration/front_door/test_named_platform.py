"""A program beside a running `actalog up`: it uses that platform, and says where they differ."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from actalog_bus.processes import free_port
from tests.integration.front_door.test_scripts import AGENT, run

READY_S = 60
ASK = '\nif __name__ == "__main__":\n    print(support.run("Where is order 1042?").content)\n'
APP = f"{AGENT}\napp = App(agents=[support])\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where `actalog up` serves the App in `desk.py`."""
    home = tmp_path_factory.mktemp("desk")
    (home / "desk.py").write_text(APP)
    clean = {
        name: value for name, value in os.environ.items()
        if not name.startswith(("ACTALOG_", "OPENAI_", "ANTHROPIC_"))
    }  # fmt: skip
    up = subprocess.Popen(
        [sys.executable, "-m", "actalog", "up", "--app", "desk:app", "--port", str(free_port())],
        cwd=home, env=clean, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until = time.monotonic() + READY_S
        while not (home / ".actalog" / "platform.json").exists():
            assert up.poll() is None, "actalog up ended"
            assert time.monotonic() < until, "actalog up is not ready"
            time.sleep(0.1)
        yield home
    finally:
        up.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            up.wait(30)
        up.kill()


def test_a_program_uses_the_platform_that_runs(folder: Path):
    out, err = run(folder, "from desk import support\n" + ASK)
    assert "order 1042 is on its way" in out
    assert "nothing is kept" not in err
    assert "definition" not in err


def test_a_program_with_another_definition_is_told_what_mends_it(folder: Path):
    out, err = run(folder, AGENT.replace("one sentence", "two sentences") + ASK)
    assert "order 1042 is on its way" in out
    assert err.count("another definition of agent:support; `actalog deploy`") == 1


def test_a_program_with_an_agent_that_is_not_deployed_is_refused_and_told(folder: Path):
    code = (
        AGENT
        + '\ntry:\n    Agent(name="new").run("x")\nexcept Exception as error:\n    print(error)\n'
    )
    out, err = run(folder, code)
    assert "unknown_target" in out
    assert "does not know agent:new; `actalog deploy`" in err


def test_a_client_finds_the_platform_and_streams(folder: Path):
    code = """
import asyncio
from actalog import Client

async def main():
    async with Client() as client:
        async with client.watch("r") as told:
            await client.submit("agent:support", "Where is order 1042?", run_id="r")
            types = []
            async for one in told:
                types.append(one.type)
                if one.type == "run.completed.v1":
                    break
        result = await client.result("r")
        assert "stream.delta.v1" in types and "tool.returned.v1" in types, types
        print(result.status)

asyncio.run(main())
"""
    assert run(folder, code)[0] == "completed\n"
