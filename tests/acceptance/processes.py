"""Services as processes of their own, told everything by the environment, as containers are."""

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from actalog_bus.processes import end, free_port, spawn

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

    def spawn(self, name: str, copy: int = 0) -> None:
        """One process; its output is in the folder."""
        each = f"{name}-{copy}"
        self.health[each], self.http[each] = free_port(), free_port()
        env = {
            **self.env,
            "ACTALOG_HEALTH_PORT": str(self.health[each]),
            "ACTALOG_PORT": str(self.http[each]),
            "ACTALOG_INSTANCE": str(copy),
            "ACTALOG_HOME": str(self.folder / each),
            "ACTALOG_LOG_FORMAT": "json",
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

    def kill(self, each: str) -> None:
        """As a power cut does."""
        process = self.running.pop(each)
        process.kill()
        process.wait()

    async def stop(self) -> None:
        """SIGTERM to all; SIGKILL to what does not end."""
        running, self.running = self.running, {}
        await asyncio.gather(*(end(process, grace_s=15) for process in running.values()))


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


class Outside:
    """Another system: knows the topics' names and JSON, and nothing else of ours."""

    def __init__(self, bootstrap: str, prefix: str = "actalog") -> None:
        self.bootstrap, self.prefix = bootstrap, prefix
        self.results: list[dict[str, Any]] = []

    async def __aenter__(self) -> Self:
        self.producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
        self.consumer = AIOKafkaConsumer(
            f"{self.prefix}.results", bootstrap_servers=self.bootstrap,
            auto_offset_reset="earliest", group_id=None,
        )  # fmt: skip
        await self.producer.start()
        await self.consumer.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.producer.stop()
        await self.consumer.stop()

    async def send(
        self, message: Mapping[str, Any], *, partition: int | None = None, key: str | None = None
    ) -> None:
        """Publish a message as plain JSON."""
        await self.producer.send_and_wait(
            f"{self.prefix}.tasks", json.dumps(message).encode(), partition=partition,
            key=key.encode() if key else None,
        )  # fmt: skip

    async def wait_for(self, runs: set[str], *, within_s: float = 60) -> dict[str, dict[str, Any]]:
        """The first ended result of each of these runs."""
        found: dict[str, dict[str, Any]] = {}
        async with asyncio.timeout(within_s):
            while runs - found.keys():
                record = cast(Any, await self.consumer.getone())
                told = json.loads(record.value or b"{}")
                self.results.append(told)
                if told["type"] == "run.result.v1" and told["status"] != "paused":
                    found.setdefault(told["run_id"], told)
        return found
