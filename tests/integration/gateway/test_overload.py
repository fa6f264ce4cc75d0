"""A gateway that more is asked of than it can do: it says so in time, keeps what it has accepted,
and goes on when it can again. Over a real PostgreSQL."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest

from actalog_core.settings import Settings
from actalog_gateway import middleware
from actalog_gateway.acceptance import Acceptance
from actalog_gateway.app import build_app
from actalog_gateway.server import HttpServer
from actalog_log.database import connect
from actalog_log.postgres import PostgresLog
from tests.integration.gateway.world import AGENT, DeafBus

pytestmark = [pytest.mark.postgres, pytest.mark.timeout(120)]
TASK = {"target": "agent:a", "input": "hello"}
CONNECTIONS = 2


@pytest.fixture
async def log(fresh_database: str) -> AsyncIterator[PostgresLog]:
    store = PostgresLog(fresh_database, connections=CONNECTIONS)
    await store.start()
    await store.put_definition("sha256:a", "agent", "a", AGENT.model_dump_json().encode())
    yield store
    await store.stop()


@asynccontextmanager
async def gateway(
    log: PostgresLog, **more: Any
) -> AsyncGenerator[tuple[httpx.AsyncClient, Acceptance]]:
    """Kafka is down all the time: acceptance needs it for nothing."""
    service = build_app(bus=DeafBus(), log=log, settings=Settings(port=0), **more)
    await service.start()
    acceptance, server = service.parts[1], service.parts[-1]
    assert isinstance(acceptance, Acceptance)
    assert isinstance(server, HttpServer)
    try:
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{server.port}", timeout=30
        ) as client:
            yield client, acceptance
    finally:
        await service.stop()


@contextmanager
def answering_within(seconds: float) -> Generator[None]:
    """For what must take too long, and for nothing else: machines pause."""
    with pytest.MonkeyPatch.context() as patience:
        patience.setattr(middleware, "ANSWER_S", seconds)
        yield


@asynccontextmanager
async def another_connection(dsn: str) -> AsyncGenerator[Any]:
    made = await connect(dsn)
    try:
        yield made
    finally:
        await made.close()


async def depth(log: PostgresLog) -> int:
    return sum((await log.inbox_depths()).values())


async def test_while_kafka_is_down_it_accepts_up_to_the_stated_depth_and_then_says_when_to_come_back(
    log: PostgresLog,
):
    async with gateway(log, inbox_limit=20) as (http, acceptance):

        async def post(tenant: str) -> httpx.Response:
            return await http.post("/v1/tasks", json=TASK, params={"tenant_id": tenant})

        answers = [await post(f"t{at % 4}") for at in range(30)]
        statuses = [one.status_code for one in answers]
        assert statuses == [202] * 21 + [503] * 9
        assert {one.headers["retry-after"] for one in answers[21:]} == {"5"}
        assert {one.json()["error"]["code"] for one in answers[21:]} == {"overloaded"}
        assert await depth(log) == 21  # all that was accepted, nothing that was refused
        assert (await http.get("/health/ready")).status_code == 503
        assert (await http.get("/health/live")).status_code == 200
        for one in answers[:2]:  # decided, once Kafka is back
            await log.drop_inbox(f"t{answers.index(one)}", one.json()["run_id"])
        acceptance._depth_until = 0.0  # pyright: ignore[reportPrivateUsage], a second later
        assert (await post("t0")).status_code == 202
        assert (await http.get("/health/ready")).status_code == 200


async def test_when_all_connections_are_taken_it_answers_in_time_and_goes_on_afterwards(
    log: PostgresLog,
):
    async with gateway(log) as (http, _):
        async with AsyncExitStack() as held:
            held.enter_context(answering_within(0.5))
            for _ in range(CONNECTIONS):
                await held.enter_async_context(log.pool.acquire())
            began = time.monotonic()
            late = await asyncio.gather(
                *(http.post("/v1/tasks", json=TASK) for _ in range(20)),
                http.get("/v1/runs/r"), http.get("/v1/runs/r/events"), http.get("/v1/runs"),
                http.post("/v1/runs/r/cancel"), http.get("/health/ready"),
                http.post("/agents/a/runs", data={"message": "hello", "stream": "false"}),
            )  # fmt: skip
            assert time.monotonic() - began < 5
            assert {one.status_code for one in late} == {503}
            assert all(one.headers["retry-after"] for one in late)
            assert {one.json()["error"]["code"] for one in late} == {"overloaded"}
            assert (await http.get("/health/live")).status_code == 200
        assert (await http.post("/v1/tasks", json=TASK)).status_code == 202
        assert (await http.get("/health/ready")).status_code == 200
    assert await depth(log) == 1  # what was answered by 503 was not accepted


async def test_a_table_that_is_locked_holds_up_no_client_for_long_and_nothing_is_accepted_twice(
    log: PostgresLog,
):
    key = {"Idempotency-Key": "k"}
    async with another_connection(log.dsn) as locking, gateway(log) as (http, _):
        assert (await http.post("/v1/tasks", json=TASK)).status_code == 202
        async with locking.transaction():
            await locking.execute("lock table inbox in access exclusive mode")
            began = time.monotonic()
            with answering_within(0.5):
                late = await http.post("/v1/tasks", json=TASK, headers=key)
            assert late.status_code == 503
            assert time.monotonic() - began < 3
            assert late.json()["error"]["retryable"] is True
        answers = [await http.post("/v1/tasks", json=TASK, headers=key) for _ in range(2)]
        assert {one.status_code for one in answers} == {202}
        assert len({one.json()["run_id"] for one in answers}) == 1
    assert await depth(log) == 2


async def test_a_run_that_is_waited_for_may_take_longer_than_any_answer(
    log: PostgresLog, monkeypatch: pytest.MonkeyPatch
):
    """AgentOS without streaming answers when the run has ended."""
    monkeypatch.setattr(middleware, "ANSWER_S", 0.3)
    async with gateway(log) as (http, _):
        form = {"message": "hello", "stream": "false"}
        waiting = asyncio.create_task(http.post("/agents/a/runs", data=form))
        await asyncio.sleep(1.5)
        assert not waiting.done()
        waiting.cancel()
    assert await depth(log) == 1
