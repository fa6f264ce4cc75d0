"""Load from outside: so many runs at once, some over Kafka and some over HTTP, each awaited."""

import asyncio
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self

import httpx
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from actalog_log.database import connect
from tests.chaos.published import Published, Told
from tests.chaos.script import Task, task
from tests.simulation.world import ENDS

AT_ONCE = 20
READS_S = 10.0  # what is published is read within that time
PATIENCE_S = 30.0  # of one who waits for a result before asking for the next thing


@dataclass
class Sent:
    """A task on its way. Times are seconds since the epoch."""

    task: Task
    at: float
    accepted_at: float | None = None
    ended_at: float | None = None
    result: Told | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Load:
    """`name` begins every run id. `gateways` tells the ports that are served now."""

    def __init__(
        self, name: str, *, bootstrap: str, prefix: str, gateways: Callable[[], list[int]],
        seed: int, at_once: int = AT_ONCE,
    ) -> None:  # fmt: skip
        self.name, self.prefix, self.gateways, self.seed = name, prefix, gateways, seed
        self.bootstrap, self.at_once = bootstrap, at_once
        self.sent: dict[str, Sent] = {}
        self.published = Published(bootstrap, prefix, self._heard)
        self.http_waits: list[tuple[float, float]] = []  # (tried, accepted) of what was refused
        self.again = 0  # tasks that a wiped broker took before they were accepted
        self._going = True
        self._number = 0

    async def __aenter__(self) -> Self:
        self.producer = await self._producer()
        self.client = httpx.AsyncClient(timeout=5)
        await self.published.begin()
        self._slots = [asyncio.create_task(self._slot()) for _ in range(self.at_once)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._going = False
        for slot in self._slots:
            slot.cancel()
        await asyncio.gather(*self._slots, return_exceptions=True)
        await self.published.end()
        await asyncio.gather(self.producer.stop(), return_exceptions=True)
        await self.client.aclose()

    async def _producer(self) -> AIOKafkaProducer:
        made = AIOKafkaProducer(bootstrap_servers=self.bootstrap, request_timeout_ms=5_000)
        await made.start()
        return made

    # --- what is on its way

    @property
    def in_flight(self) -> list[Sent]:
        """Accepted, and not ended as far as is known."""
        return [one for one in self.sent.values() if one.accepted_at and not one.ended_at]

    @property
    def ended(self) -> list[Sent]:
        return [one for one in self.sent.values() if one.ended_at]

    def stop(self) -> None:
        """Ask for nothing new."""
        self._going = False

    async def drained(self, within_s: float, dsn: str | None) -> list[Sent]:
        """Wait for the end of everything; what has not ended by then. `dsn`: results may have been
        published and be gone; then the log tells what has ended."""
        self.stop()
        until = time.monotonic() + within_s
        while (left := self._left()) and time.monotonic() < until:
            if dsn is not None and time.monotonic() > until - within_s + READS_S:
                await self._unheard(dsn)
            await asyncio.sleep(0.1 if dsn is None else 1.0)
        return left

    def _left(self) -> list[Sent]:
        return [one for one in self.sent.values() if not one.ended_at]

    async def _unheard(self, dsn: str) -> None:
        connection = await connect(dsn)
        rows = await connection.fetch(
            "select run_id from runs join events using (run_no) where type = any($1)", list(ENDS)
        )
        await connection.close()
        for run_id in {row["run_id"] for row in rows} & {one.task.run_id for one in self._left()}:
            self.over(self.sent[run_id], None)

    # --- sending

    async def _slot(self) -> None:
        while self._going:
            self._number += 1
            run_id = f"{self.name}-{self._number}"
            one = task(random.Random(f"{run_id} {self.seed}"), run_id)
            sent = self.sent[one.run_id] = Sent(one, time.time())
            await self.send(sent)
            try:
                async with asyncio.timeout(PATIENCE_S):
                    await sent.over.wait()
            except TimeoutError:
                continue

    async def send(self, sent: Sent) -> None:
        """Until it is accepted, as a careful client does: again under the same id."""
        began, tries = time.time(), 0
        while True:
            tries += 1
            accepted = await (self._post(sent) if sent.task.over_http else self._publish(sent))
            if accepted:
                break
            await asyncio.sleep(0.1)
        sent.accepted_at = sent.accepted_at or time.time()
        if tries > 1 and sent.task.over_http:
            self.http_waits.append((began, time.time()))

    async def _publish(self, sent: Sent) -> bool:
        try:
            await self.producer.send_and_wait(
                f"{self.prefix}.tasks", json.dumps(sent.task.message).encode(),
                key=sent.task.session_id.encode(),
            )  # fmt: skip
        except (KafkaError, OSError):
            return False
        return True

    async def _post(self, sent: Sent) -> bool:
        ports = self.gateways()
        if not ports:
            return False
        address = f"http://127.0.0.1:{random.choice(ports)}/v1/tasks"
        try:
            said = await self.client.post(address, json=sent.task.message)
        except httpx.HTTPError:
            return False
        assert said.status_code == 202 or said.status_code >= 500, said.text
        return said.status_code == 202

    def _heard(self, told: Told) -> None:
        sent = self.sent.get(told["run_id"])
        if sent is not None and told["status"] != "paused":
            self.over(sent, told)

    def over(self, sent: Sent, told: Told | None) -> None:
        """A run has ended; None: its result went with the topics before it was read."""
        sent.ended_at = sent.ended_at or time.time()
        sent.result = sent.result or told
        sent.over.set()

    async def after_wipe(self, known: set[str]) -> None:
        """The topics are new. Who had published what nobody accepted publishes it again."""
        await self.published.end()
        await asyncio.gather(self.producer.stop(), return_exceptions=True)
        self.producer = await self._producer()
        await self.published.begin()
        lost = [
            one for one in self.in_flight
            if not one.task.over_http and one.task.run_id not in known
        ]  # fmt: skip
        self.again += len(lost)
        await asyncio.gather(*(self.send(one) for one in lost))


async def requirements(client: httpx.AsyncClient, port: int) -> list[dict[str, Any]]:
    """What waits for a person, as a gateway tells."""
    said = await client.get(f"http://127.0.0.1:{port}/v1/requirements?limit=500")
    said.raise_for_status()
    return said.json()["requirements"]
