"""A stream of AgentOS's that is cut off: its client has no way to come back, so it must know."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from actalog_core.errors import Transient
from actalog_core.service import Service
from actalog_gateway.feeds import FEED_BYTES, Told
from tests.integration.gateway.test_agentos import begun
from tests.integration.gateway.test_connections import body, connection, dropped, hub
from tests.integration.gateway.world import World, until

Cut = Callable[[Service], Awaitable[None]]
FORM = b"message=hi"
ASKED = (
    b"POST /agents/a/runs HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n"
    b"Content-Type: application/x-www-form-urlencoded\r\n\r\n%b" % (len(FORM), FORM)
)


async def stops(service: Service) -> None:
    await service.stop()


async def floods(service: Service) -> None:
    """More came than may wait for one client."""
    ((one,),) = hub(service)._runs.values()  # pyright: ignore[reportPrivateUsage]
    one.feed.offer(Told(99, "x", "", "", {}), FEED_BYTES + 1)


@pytest.mark.parametrize("cut", [stops, floods])
async def test_who_is_not_told_the_end_does_not_take_it_for_one(world: World, cut: Cut):
    before = dropped()
    with capture_logs() as said:
        async with (
            world.gateway() as (_, service),
            connection(service, ASKED) as (reader, _),
        ):
            run = await begun(world)
            await run.delta("Hel")
            raw = await reader.readuntil(b'"Hel"')
            await cut(service)
            raw += await asyncio.wait_for(reader.read(), 5)
    told, whole = body(raw)
    assert (told.endswith(b"}\n\n"), whole) == (True, False)
    assert dropped() == before + (cut is floods)
    assert [one for one in said if one["log_level"] == "error"] == []


async def test_who_is_told_the_end_is_told_that_it_is_one(world: World):
    async with world.gateway() as (_, service), connection(service, ASKED) as (reader, _):
        run = await begun(world)
        await run.finish("Hello!")
        raw = await asyncio.wait_for(reader.read(), 5)
    told, whole = body(raw)
    assert (b"event: RunCompleted\n" in told, whole) == (True, True)


async def test_who_waits_for_an_answer_is_told_that_its_run_goes_on(world: World):
    """Whoever took it for refused, and sent it again, would have two."""
    async with world.gateway() as (http, service), world.gateway() as (other, _):
        form = {"message": "hi", "stream": "false"}
        waiting = asyncio.create_task(http.post("/agents/a/runs", data=form))
        run = await begun(world)
        await until(lambda: hub(service).followers == 1)
        await service.stop()
        answer = await waiting
        await run.finish("Hello!")
        told = await other.get(f"/agents/a/runs/{answer.json()['error']['run_id']}")
    assert (answer.status_code, answer.json()["error"]["retryable"]) == (503, False)
    assert "retry-after" not in answer.headers
    assert told.json()["content"] == "Hello!"


async def away(*_: object) -> None:
    raise Transient("no database")


async def test_a_database_that_is_away_at_the_end_does_not_ask_for_a_second_run(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    async with world.gateway() as (http, _):
        form = {"message": "hi", "stream": "false"}
        waiting = asyncio.create_task(http.post("/agents/a/runs", data=form))
        run = await begun(world)
        monkeypatch.setattr(world.log, "session_ops", away)
        await run.finish("Hello!")
        answer = await waiting
    error = answer.json()["error"]
    assert (answer.status_code, error["retryable"]) == (503, False)
    assert error["run_id"] == run.row.run_id
    assert "retry-after" not in answer.headers


async def test_a_database_that_is_away_at_the_end_is_no_fault_of_the_stream(
    world: World, monkeypatch: pytest.MonkeyPatch
):
    """The session's state stands in the last event."""

    with capture_logs() as said:
        async with world.gateway() as (_, service), connection(service, ASKED) as (reader, _):
            run = await begun(world)
            monkeypatch.setattr(world.log, "session_ops", away)
            await run.finish("Hello!")
            raw = await asyncio.wait_for(reader.read(), 5)
    told, whole = body(raw)
    assert (b'"Hello!"' in told, b"event: RunCompleted\n" in told, whole) == (True, False, False)
    assert [one for one in said if one["log_level"] == "error"] == []
