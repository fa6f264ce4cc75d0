"""Services as processes of their own, told everything by the environment, as containers are."""

import asyncio
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from actalog_bus.processes import end, free_port, spawn
from tests.witness import of_database

SERVICES = ("conductor", "guardrails", "context", "llm", "tools", "memory", "gateway")


@dataclass
class Fleet:
    """`actalog service NAME` processes against named servers."""

    env: Mapping[str, str]
    folder: Path
    running: dict[str, "subprocess.Popen[bytes]"] = field(
        default_factory=dict[str, "subprocess.Popen[bytes]"]
    )
    health: dict[str, int] = field(default_factory=dict[str, int])
    http: dict[str, int] = field(default_factory=dict[str, int])  # gateways' ports

    async def start(self, services: Sequence[str] = SERVICES, *, copies: int = 1) -> None:
        """Start them and wait until each says that it is ready."""
        for name in services:
            for copy in range(copies):
                self.spawn(name, copy)
        for each in list(self.running):
            await self.ready(each)

    def spawn(self, name: str, copy: int = 0, **more: str) -> None:
        """One process; its output is in the folder. `more` is added to its environment."""
        each = f"{name}-{copy}"
        self.health[each], self.http[each] = free_port(), free_port()
        env = {
            **self.env,
            "ACTALOG_HEALTH_PORT": str(self.health[each]),
            "ACTALOG_PORT": str(self.http[each]),
            "ACTALOG_INSTANCE": str(copy),
            "ACTALOG_HOME": str(self.folder / each),
            "ACTALOG_LOG_FORMAT": "json",
            **more,
        }
        arguments = [sys.executable, "-m", "actalog", "service", name]
        self.running[each] = spawn(arguments, output=self.folder / f"{each}.log", env=env)

    async def ready(self, each: str, *, within_s: float = 60) -> None:
        """Wait for `/health/ready`; the process's output otherwise."""
        until = asyncio.get_running_loop().time() + within_s
        while asyncio.get_running_loop().time() < until:
            if self.running[each].poll() is not None:
                break
            if await asyncio.to_thread(_answers, self.health[each]):
                return
            await asyncio.sleep(0.1)
        said = (self.folder / f"{each}.log").read_text(errors="replace")[-4000:]
        raise AssertionError(f"{each} is not ready:\n{said}")

    async def heard(self, each: str) -> float:
        """How many records a process has heard to the end, as its metrics say."""
        address = f"http://127.0.0.1:{self.health[each]}/metrics"
        text = await asyncio.to_thread(lambda: urllib.request.urlopen(address).read().decode())
        counted = [line for line in text.splitlines() if line.startswith("actalog_heard_total")]
        return sum(float(line.rpartition(" ")[2]) for line in counted)

    def kill(self, each: str) -> None:
        """As a power cut does."""
        process = self.running.pop(each)
        process.kill()
        process.wait()

    async def stop(self) -> None:
        """SIGTERM to all; SIGKILL to what does not end. Then, whatever happened to them, every
        run that they made must replay."""
        running, self.running = self.running, {}
        await asyncio.gather(*(end(process, grace_s=15) for process in running.values()))
        await of_database(self.env["ACTALOG_DATABASE_URL"])


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2) as said:
            return said.status == 200
    except OSError:
        return False


def run(*arguments: str, env: Mapping[str, str]) -> None:
    """One `actalog` command, which must succeed."""
    made = subprocess.run(
        [sys.executable, "-m", "actalog", *arguments], env={**os.environ, **env},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout + made.stderr
