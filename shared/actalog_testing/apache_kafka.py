"""A real Apache Kafka for tests: KRaft nodes from Maven Central's jars, without Docker."""

import asyncio
import base64
import os
import shutil
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from actalog_bus.processes import answers, end, free_port, spawn

VERSION = "4.4.0"
JVM = ("-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
PROPERTIES = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
offsets.topic.replication.factor={copies}
offsets.topic.num.partitions=3
transaction.state.log.replication.factor={copies}
transaction.state.log.min.isr={least}
share.coordinator.state.topic.replication.factor={copies}
share.coordinator.state.topic.min.isr={least}
min.insync.replicas={least}
broker.session.timeout.ms={session_ms}
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""


def missing() -> str | None:
    """What keeps this machine from running Apache Kafka; None when nothing does."""
    lacks = [tool for tool in ("java", "mvn") if shutil.which(tool) is None]
    return f"Apache Kafka needs {' and '.join(lacks)}" if lacks else None


def jars(pom: Path) -> Path:
    """The folder of the jars, downloaded once into `$ACTALOG_CACHE` (else `~/.cache/actalog`)."""
    cache = Path(os.environ.get("ACTALOG_CACHE") or Path.home() / ".cache" / "actalog")
    folder = cache / f"kafka-{VERSION}" / "libs"
    if not (folder / f"kafka-server-{VERSION}.jar").exists():
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [
                "mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies",
                f"-DoutputDirectory={folder}", "-DincludeScope=runtime",
            ],
            check=True, timeout=600,
        )  # fmt: skip
    return folder


class ApacheKafka:
    """One node, broker and controller, on free ports; its data live in `folder`. `of` is the
    cluster that it is a part of, where it is not one by itself. `more` are lines of properties, with
    the same names in braces as ours; `format` are arguments of the storage tool."""

    def __init__(
        self, folder: Path, *, pom: Path, of: "KafkaCluster | None" = None, more: str = "",
        format: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self._folder, self._pom, self._of = folder, pom, of
        self._more, self._format_with = more, format
        self._port, self._controller = free_port(), free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap(self) -> str:
        """The address clients connect to; the same after a restart."""
        return f"127.0.0.1:{self._port}"

    async def start(self) -> str:
        """Format the storage when it is new, start, wait until it answers.

        Raises:
            RuntimeError: it does not answer, or its storage cannot be formatted; its output is in
                the folder, or told.
        """
        config = self._folder / "server.properties"
        if not config.exists():
            await asyncio.to_thread(self._format, config)
        output = self._folder / "kafka.log"
        self._process = spawn(
            self._java("kafka.Kafka", str(config)),
            output=output,
            env={"LOG_DIR": str(self._folder)},
        )
        if not await answers(self.bootstrap, self._process, within_s=60):
            await self.stop()
            raise RuntimeError(f"Apache Kafka does not answer; see {output}")
        return self.bootstrap

    async def stop(self) -> None:
        """Stop it in order."""
        process, self._process = self._process, None
        if process is not None:
            await end(process, grace_s=20)

    async def kill(self) -> None:
        """Kill it as a power cut does; the data stay."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await asyncio.to_thread(process.wait)

    async def restart(self) -> str:
        """Stop and start on the same ports and data."""
        await self.stop()
        return await self.start()

    async def wipe(self) -> str:
        """Lose everything, and start as new on the same ports."""
        await self.kill()
        await asyncio.to_thread(shutil.rmtree, self._folder / "data")
        (self._folder / "server.properties").unlink()
        return await self.start()

    def _java(self, *arguments: str, jvm: tuple[str, ...] = JVM) -> list[str]:
        return ["java", *jvm, "-cp", f"{jars(self._pom)}/*", *arguments]

    def _format(self, config: Path) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        data, nodes = self._folder / "data", self._of.nodes if self._of else [self]
        voters = [f"{n}@127.0.0.1:{one._controller}" for n, one in enumerate(nodes, 1)]
        text = (PROPERTIES + self._more).format(
            port=self._port, controller=self._controller, data=data, voters=",".join(voters),
            node=nodes.index(self) + 1, copies=len(nodes), least=len(nodes) // 2 + 1,
            session_ms=3_000 if self._of else 9_000,
        )  # fmt: skip
        config.write_text(text)
        tool = self._java("kafka.tools.StorageTool")
        cluster = self._of.id if self._of else cluster_id()
        # One word: of 64 ids one begins with a dash, and would be taken for an option.
        asked = ["format", f"--cluster-id={cluster}", "-c", str(config), *self._format_with]
        done = subprocess.run([*tool, *asked], check=False, capture_output=True, text=True)
        if done.returncode:
            config.unlink()
            raise RuntimeError(f"Apache Kafka's storage is not formatted: {done.stderr[-2_000:]}")


class KafkaCluster:
    """Three nodes, with a copy of everything on each; two of them are enough."""

    def __init__(self, folder: Path, *, pom: Path) -> None:
        self.id = cluster_id()
        self.nodes = [ApacheKafka(folder / f"node-{n}", pom=pom, of=self) for n in (1, 2, 3)]

    @property
    def bootstrap(self) -> str:
        """The addresses of all nodes."""
        return ",".join(node.bootstrap for node in self.nodes)

    async def start(self) -> str:
        """Start all and wait until they answer."""
        await asyncio.gather(*(node.start() for node in self.nodes))
        return self.bootstrap

    async def stop(self) -> None:
        """Kill them: a node that stops in order waits for the others."""
        await asyncio.gather(*(node.kill() for node in self.nodes))


def cluster_id() -> str:
    """A new one, in the form that Kafka wants: 16 bytes in base64."""
    return base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
