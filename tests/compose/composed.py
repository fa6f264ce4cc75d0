"""The containers of docker-compose.yml, as a project of their own on free ports."""

import json
import os
import subprocess
import uuid
from dataclasses import dataclass
from pathlib import Path

from actalog_bus.processes import free_port

ROOT = Path(__file__).parents[2]
PORTS = ("KAFKA_PORT", "ACTALOG_PORT", "POSTGRES_PORT", "PROMETHEUS_PORT")


class Composition:
    """`docker compose` for one project; everything it made is removed by `remove`."""

    def __init__(self) -> None:
        self.project = f"actalog-test-{uuid.uuid4().hex[:8]}"
        self.ports = {name: free_port() for name in PORTS}
        self.bootstrap = f"localhost:{self.ports['KAFKA_PORT']}"
        self.gateway = f"http://localhost:{self.ports['ACTALOG_PORT']}"

    def compose(self, *words: str, within_s: float = 300) -> str:
        """What `docker compose` printed.

        Raises:
            AssertionError: it failed; the message is what it wrote.
        """
        env = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("ACTALOG_") and not name.endswith(("_API_KEY", "_BASE_URL"))
        } | {name: str(port) for name, port in self.ports.items()}
        # No file of settings: what a developer keeps in .env is not what is tested.
        command = ["docker", "compose", "--project-directory", str(ROOT), "--env-file", os.devnull]
        done = subprocess.run(
            [*command, "--project-name", self.project, *words],
            env=env, capture_output=True, text=True, timeout=within_s, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"docker compose {' '.join(words)}: {done.stderr}"
        return done.stdout

    def up(self, *words: str) -> None:
        """As `make up`, of images that are there; back when all are healthy."""
        self.compose("up", "--no-build", "--pull", "never", "--detach", "--wait", *words)

    def seen(self) -> dict[str, "Seen"]:
        """Every container by its name without the project's, those that ended too."""
        lines = self.compose("ps", "--all", "--format", "json").splitlines()
        told = [json.loads(line) for line in lines]
        return {
            one["Name"].removeprefix(f"{self.project}-"): Seen(
                one["State"], one["Health"], one["ExitCode"]
            )
            for one in told
        }

    def remove(self) -> None:
        self.compose("down", "--volumes", "--timeout", "5")


@dataclass(frozen=True, slots=True)
class Seen:
    """How `docker compose ps` shows a container."""

    state: str
    health: str
    exit_code: int


def missing() -> str | None:
    """Why the composition cannot be started here; None when it can."""
    try:
        wanted = subprocess.run(
            ["docker", "compose", "config", "--images"],
            cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
        ).stdout.split()  # fmt: skip
        for image in wanted:
            subprocess.run(
                ["docker", "image", "inspect", image], capture_output=True, timeout=60, check=True
            )
    except (OSError, subprocess.SubprocessError) as error:
        return f"{error}: `make test-compose` needs Docker, its compose plugin and the images"
    return None
