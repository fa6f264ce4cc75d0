"""The servers and the platform of a benchmark: started, waited for, stopped by process id."""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from actalog.embedded.postgres import EmbeddedPostgres
from actalog_bus.processes import end, free_port, spawn
from actalog_testing.apache_kafka import ApacheKafka

Broker = Literal["apache", "embedded"]
ROOT = Path(__file__).parents[2]
KAFKA_POM = ROOT / "infra" / "kafka" / "pom.xml"
APP = "tests.benchmarks.bench_app:app"


@dataclass
class Rig:
    """A running platform, all services in one process."""

    kafka: str
    dsn: str
    base_url: str
    http: str
    pid: int
    embedded: bool
    started_s: float


@dataclass
class Servers:
    """PostgreSQL and Apache Kafka, which listens at `kafka.bootstrap` once it was started."""

    folder: Path
    dsn: str
    kafka: ApacheKafka


@asynccontextmanager
async def database() -> AsyncGenerator[tuple[Path, str]]:
    """A folder that goes away at the end, and PostgreSQL in it."""
    with tempfile.TemporaryDirectory(prefix="actalog-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        postgres = EmbeddedPostgres(folder / "pg")
        try:
            yield folder, await postgres.start()
        finally:
            await postgres.stop()


@asynccontextmanager
async def servers() -> AsyncGenerator[Servers]:
    """Both servers, started."""
    async with database() as (folder, dsn):
        kafka = ApacheKafka(folder / "kafka", pom=KAFKA_POM)
        try:
            await kafka.start()
            yield Servers(folder, dsn, kafka)
        finally:
            await kafka.stop()


def settings(dsn: str, base_url: str, kafka: str | None) -> dict[str, str]:
    """What every service is told: its servers, the model, and to keep quiet."""
    return {
        "ACTALOG_DATABASE_URL": dsn, "OPENAI_API_KEY": "none",
        "OPENAI_BASE_URL": f"{base_url}/v1", "ACTALOG_LOG_LEVEL": "warning",
        **({"ACTALOG_KAFKA": kafka} if kafka else {}),
    }  # fmt: skip


@asynccontextmanager
async def model_server(folder: Path) -> AsyncGenerator[str]:
    """The base URL of a scripted model server."""
    port = free_port()
    output = folder / "model.log"
    process = spawn([sys.executable, "-m", "tests.benchmarks.model", str(port)], output=output)
    try:
        await _listens(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        await end(process)


@asynccontextmanager
async def platform(broker: Broker, *, app: str = APP) -> AsyncGenerator[Rig]:
    """`actalog up` on PostgreSQL and the broker."""
    async with AsyncExitStack() as stack:
        if broker == "apache":
            made = await stack.enter_async_context(servers())
            folder, dsn, kafka = made.folder, made.dsn, made.kafka.bootstrap
        else:
            folder, dsn = await stack.enter_async_context(database())
            kafka = None
        base_url = await stack.enter_async_context(model_server(folder))
        env = {"ACTALOG_HOME": str(folder / "home"), **settings(dsn, base_url, kafka)}
        told, process, took = await stack.enter_async_context(up(env, folder, app=app))
        yield Rig(
            kafka=told["kafka"], dsn=dsn, base_url=base_url, http=told["http"],
            pid=process.pid, embedded=kafka is None, started_s=took,
        )  # fmt: skip


@asynccontextmanager
async def up(
    env: dict[str, str], folder: Path, *, app: str = APP, module: str = "actalog"
) -> AsyncGenerator[tuple[dict[str, str], "subprocess.Popen[bytes]", float]]:
    """`actalog up` with these settings: what it told of itself, its process, and how long it took
    to start."""
    output = folder / "up.log"
    began = time.perf_counter()
    arguments = [sys.executable, "-m", module, "up", "--app", app, "--port", str(free_port())]
    process = spawn(arguments, output=output, env={**env, "PYTHONPATH": str(ROOT)})
    told = Path(env["ACTALOG_HOME"]) / "platform.json"
    try:
        while not told.exists():
            if process.poll() is not None or time.perf_counter() - began > 60:
                raise RuntimeError(output.read_text(errors="replace")[-4000:])
            await asyncio.sleep(0.02)
        yield json.loads(told.read_text()), process, time.perf_counter() - began
    finally:
        await end(process, grace_s=20)


async def _listens(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(500):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if process.poll() is not None:
                raise
            await asyncio.sleep(0.02)
        else:
            writer.close()
            return
    raise RuntimeError(f"nobody listens on {port}")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mib(pid: int) -> float:
    """Memory that a process holds now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
