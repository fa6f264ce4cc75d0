"""What distance costs: Kafka and PostgreSQL some milliseconds away, the services beside each other."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import cast

from actalog_bus.processes import free_port
from actalog_testing.apache_kafka import ApacheKafka
from tests.benchmarks.apart import services
from tests.benchmarks.load import Load
from tests.benchmarks.rig import KAFKA_POM, database, model_server, settings

ROUND_TRIPS_MS = (2, 10, 50)
RUNS = 2_000
CROWDS = (200, 1_000)  # at once


class Delayed(asyncio.Protocol):
    """One side of a connection: what it hears the other side says later."""

    def __init__(self, delay_s: float, other: "Delayed | None" = None) -> None:
        self._delay_s, self._other = delay_s, other
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclass

    def join(self, other: "Delayed") -> None:
        """The other side is there."""
        self._other = other
        early, self._early = self._early, []
        for data in early:
            self.data_received(data)

    def data_received(self, data: bytes) -> None:
        if self._other is None:
            self._early.append(data)
        else:
            self._later(self._other.say, data)

    def say(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._other is not None:
            self._later(self._other.leave)

    def leave(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _later(self, act: Callable[..., None], *data: bytes) -> None:
        asyncio.get_running_loop().call_later(self._delay_s, act, *data)


@contextlib.asynccontextmanager
async def away(port: int, *, at: int, delay_s: float) -> AsyncGenerator[None]:
    """Whoever connects to `at` reaches `port` that much later, one way."""
    loop, joining = asyncio.get_running_loop(), set[asyncio.Task[None]]()

    async def join(near: Delayed) -> None:
        _, far = await loop.create_connection(lambda: Delayed(delay_s, near), "127.0.0.1", port)
        near.join(far)

    def accept() -> Delayed:
        near = Delayed(delay_s)
        joining.add(task := loop.create_task(join(near)))
        task.add_done_callback(joining.discard)
        return near

    server = await loop.create_server(accept, "127.0.0.1", at)
    try:
        yield
    finally:
        server.close()


async def measure() -> dict[str, dict[str, float]]:
    """One-call runs, alone and together, for each distance."""
    told: dict[str, dict[str, float]] = {}
    for round_trip_ms in ROUND_TRIPS_MS:
        told |= await _measured(round_trip_ms)
    return told


async def _measured(round_trip_ms: float) -> dict[str, dict[str, float]]:
    delay_s = round_trip_ms / 2_000
    async with contextlib.AsyncExitStack() as stack:
        folder, near_dsn = await stack.enter_async_context(database())
        near_database = int(near_dsn.partition("127.0.0.1:")[2].partition("/")[0])
        far_broker, far_database = free_port(), free_port()
        # Brokers tell clients where to connect: later lines of the properties win.
        more = f"advertised.listeners=PLAINTEXT://127.0.0.1:{far_broker}\n"
        kafka = ApacheKafka(folder / "kafka", pom=KAFKA_POM, more=more)
        stack.push_async_callback(kafka.stop)
        broker = int(kafka.bootstrap.rpartition(":")[2])
        for port, at in ((broker, far_broker), (near_database, far_database)):
            await stack.enter_async_context(away(port, at=at, delay_s=delay_s))
        await kafka.start()
        base_url = await stack.enter_async_context(model_server(folder))
        far_dsn = near_dsn.replace(f":{near_database}/", f":{far_database}/")
        told = settings(far_dsn, base_url, f"127.0.0.1:{far_broker}")
        fleet = await stack.enter_async_context(services(told, folder))
        fleet.env = {**fleet.env, "ACTALOG_DATABASE_URL": near_dsn}  # it reads every run at the end
        load = await stack.enter_async_context(Load(told["ACTALOG_KAFKA"]))
        where = f"{round_trip_ms} ms away"
        measured = {f"one call, alone, {where}": await load.alone("agent:plain", "hello", 50)}
        for crowd in CROWDS:
            measured[f"one call, {crowd} at once, {where}"] = await load.together(
                "agent:plain", "hello", runs=RUNS, concurrency=crowd
            )
        return measured
