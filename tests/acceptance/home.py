"""A folder that a platform keeps its data in, and the command line used with it."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from actalog.embedded.postgres import EmbeddedPostgres
from tests.witness import of_database

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

    @property
    def data(self) -> Path:
        """Of the embedded PostgreSQL."""
        return EmbeddedPostgres(self.folder).data

    def left(self) -> list[str]:
        """The servers that still run for this home."""
        found: list[str] = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                told = process.environ().get("ACTALOG_HOME")
                if told == str(self.folder) and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
        return found

    def end(self) -> None:
        """Whatever was done to it: no process is left, and every run that was made replays."""
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
        until = time.monotonic() + 15
        while left := self.left():
            assert time.monotonic() < until, left
            time.sleep(0.05)
        if (self.data / "PG_VERSION").exists():
            loop = asyncio.new_event_loop()
            loop.run_until_complete(self._replayed())
            loop.close()

    async def _replayed(self) -> None:
        server = EmbeddedPostgres(self.folder)
        try:
            await of_database(await server.start())
        finally:
            await server.stop()
