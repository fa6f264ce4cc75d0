"""A folder that a platform keeps its data in, and the command line used with it."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

TASKS = Path(__file__).parents[2] / "actalog/examples/support_desk/tasks.jsonl"
MODELS = ("OPENAI_", "ANTHROPIC_", "ACTALOG_")


class Home:
    """A folder that the platform keeps its data in; commands are run with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        told = {name: v for name, v in os.environ.items() if not name.startswith(MODELS)}
        self.env = {**told, "ACTALOG_HOME": str(folder)}
        self.cwd: Path | None = None  # where the author's code is
        self.processes: list[subprocess.Popen[str]] = []

    @property
    def file(self) -> Path:
        return self.folder / "platform.json"

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "actalog", *arguments], env=self.env, text=True,
            cwd=self.cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.processes.append(process)
        return process

    def run(self, *arguments: str) -> tuple[int, str, str]:
        process = self.start(*arguments)
        out, wrong = process.communicate(timeout=120)
        return process.returncode, out, wrong

    def work(self, tasks: Path = TASKS) -> list[dict[str, Any]]:
        """The results of the tasks, when all went well."""
        status, out, wrong = self.run("up", "--tasks", str(tasks), "--exit", "--json")
        assert status == 0, wrong
        return json.loads(out)

    def up(self, *arguments: str) -> "subprocess.Popen[str]":
        """A platform that is ready."""
        process = self.start("up", *arguments)
        until = time.monotonic() + 60
        while not self.file.exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.05)
        return process

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
