"""docker-compose.yml without Docker: its containers as processes, told what they would be told."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from actalog_bus.processes import free_port

ROOT = Path(__file__).parents[2]
SCRIPTS = "/usr/local/lib/actalog"
DOCKERFILE = (ROOT / "infra/docker/Dockerfile").read_text()
SERVICES: Mapping[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]


def interpolated(text: str, env: Mapping[str, str]) -> str:
    """`${NAME}` and `${NAME:-default}`, as compose reads them: a default may have some of its own."""
    told = re.compile(r"\$\{(\w+)(?::-([^${}]*))?\}")
    while (inner := told.sub(lambda at: env.get(at[1]) or at[2] or "", text)) != text:
        text = inner
    return text


def of_image() -> dict[str, str]:
    """The variables that the image sets."""
    (said,) = re.findall(r"^ENV ((?:.*\\\n)*.*)", DOCKERFILE.rpartition("\nFROM ")[2], re.MULTILINE)
    pairs = (one.partition("=") for one in said.replace("\\\n", " ").split())
    return {name: value for name, _, value in pairs if name.startswith(("ACTALOG_", "PYTHON"))}


@dataclass
class Containers:
    """`outer` is the environment of who calls compose, and .env. `names` are names of the network and
    paths of containers, and what they are here."""

    folder: Path
    outer: Mapping[str, str]
    names: Mapping[str, str]
    running: dict[str, "subprocess.Popen[bytes]"] = field(
        default_factory=dict[str, "subprocess.Popen[bytes]"]
    )
    ports: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def here(self, text: str) -> str:
        for there, here in self.names.items():
            text = text.replace(there, here)
        return text

    def environment(self, name: str) -> dict[str, str]:
        """What a container is told. Ports are its own: on this machine they would meet."""
        health, http = self.ports.setdefault(name, (free_port(), free_port()))
        told = of_image()
        for variable, value in SERVICES[name]["environment"].items():
            given = self.outer.get(variable) if value is None else str(value)
            if given is not None:
                told[variable] = self.here(interpolated(given, self.outer))
        return told | {
            "PATH": "/usr/bin:/bin", "ACTALOG_HOME": str(self.folder / name),
            "ACTALOG_HEALTH_PORT": str(health), "ACTALOG_PORT": str(http),
            "ACTALOG_HOST": "127.0.0.1",
        }  # fmt: skip

    def command(self, name: str) -> list[str]:
        """What a container runs."""
        told = SERVICES[name]
        entrypoint: Sequence[str] = told.get("entrypoint", ["actalog"])
        words = [self.here(one) for one in (*entrypoint, *told["command"])]
        return self.typed(*words)

    def typed(self, *words: str) -> list[str]:
        """Words that are typed in a container."""
        before = [sys.executable] if words[0] == "python" else [sys.executable, "-m", "actalog"]
        return [*before, *(one.replace(SCRIPTS, str(ROOT / "infra/docker")) for one in words[1:])]

    def once(self, name: str, *words: str) -> "subprocess.CompletedProcess[str]":
        """A container's command, or another one in its place."""
        command = self.typed(*words) if words else self.command(name)
        return subprocess.run(
            command, env=self.environment(name), cwd=self.folder, capture_output=True, text=True,
            timeout=60, check=False,
        )  # fmt: skip

    def start(self, name: str) -> None:
        """A container that stays. It is told nothing else: not what the tests' process is told."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                self.command(name), env=self.environment(name), cwd=self.folder,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def healthy(self, name: str) -> bool:
        """What the container's health check says."""
        kind, *words = SERVICES[name]["healthcheck"]["test"]
        assert kind == "CMD"
        return self.once(name, *words).returncode == 0
