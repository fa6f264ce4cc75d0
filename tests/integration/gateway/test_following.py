"""One listener for all clients: what reaches whom, when, and what is left of who has gone."""

import asyncio
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from actalog_bus.envelope import headers
from actalog_conductor.publish import event_record
from actalog_core.errors import Transient
from actalog_core.metrics import REGISTRY
from actalog_gateway.follow import Hub
from actalog_log.ports import RunLog
from tests.integration.gateway.test_agentos import begun
from tests.integration.gateway.test_connections import connection
from tests.integration.gateway.world import Frame, Run, World, done, frames, reply, until

EVENTS = "/v1/runs/r/events"


class Unreachable:
    """A log that cannot be asked."""

    def __getattr__(self, name: str) -> Any:
        async def fails(*_: Any, **__: Any) -> Any:
            raise Transient("no database")

        return fails


def hub(service: Any) -> Hub:
    found = service.parts[0]
    assert isinstance(found, Hub)
    return found


def clients() -> float:
    return float(REGISTRY.get_sample_value("actalog_sse_clients") or 0)


async def taken(told: Any, count: int) -> list[Frame]:
    return [await asyncio.wait_for(anext(told), 2) for _ in range(count)]


async def test_while_the_log_cannot_be_reached_the_bus_goes_on_telling(world: World):
    run = await world.run("r")
    await run.begin()
    async with world.gateway() as (http, service), http.stream("GET", EVENTS) as answer:
        told = frames(answer)
        await taken(told, 3)
        hub(service).log = cast("RunLog", Unreachable())
        await run.delta("fi")
        begun = await taken(told, 1)
        await run.finish("fine")
        rest = [*begun, *[one async for one in told]]
    assert [one.data["seq"] for one in rest if one.id] == [4, 5]
    assert [one.data["text"] for one in rest if one.event == "delta"] == ["fi", "ne"]


async def test_all_gateways_hear_of_all(world: World):
    run = await world.run("r")
    await run.begin()
    async with (
        world.gateway() as (one, _), world.gateway() as (two, _),
        one.stream("GET", EVENTS) as first, two.stream("GET", EVENTS) as second,
    ):  # fmt: skip
        both = [frames(first), frames(second)]
        for told in both:
            await taken(told, 3)
        await run.delta("fine")
        for told in both:
            (delta,) = await taken(told, 1)
            assert (delta.event, delta.data["text"]) == ("delta", "fine")


async def test_a_run_of_the_same_id_in_another_tenant_is_another(world: World):
    run = await world.run("r")
    await run.begin()
    other = await world.run("r", tenant="other")
    await other.begin()
    async with world.gateway() as (http, service), http.stream("GET", EVENTS) as answer:
        told = frames(answer)
        await taken(told, 3)
        hub(service).log = cast("RunLog", Unreachable())
        await other.delta("theirs")
        await other.finish("theirs")
        await run.delta("mine")
        (delta,) = await taken(told, 1)
        await run.finish("mine")
        answered, *end = [one async for one in told]
    assert (delta.event, delta.data["text"]) == ("delta", "mine")
    assert (answered.event, answered.data["payload"]["text"]) == ("model.replied.v1", "mine")
    assert [one.event for one in end] == ["run.completed.v1"]


@pytest.mark.parametrize("path", [EVENTS, f"{EVENTS}?deltas=false"])
async def test_nothing_is_left_of_who_has_gone(world: World, path: str):
    run = await world.run("r")
    await run.begin()
    before = clients()
    async with world.gateway() as (http, service):
        following = hub(service)
        assert not following._followed.is_set()  # pyright: ignore[reportPrivateUsage]
        async with http.stream("GET", path), http.stream("GET", path):
            await until(lambda: following.followers == 2)
            assert clients() == before + 2
            assert following._followed.is_set()  # pyright: ignore[reportPrivateUsage]
            of_run = following._runs["r"]  # pyright: ignore[reportPrivateUsage]
            assert {one.feed.deltas for one in of_run} == {path == EVENTS}
        await until(lambda: not following.followers)
        assert not following._followed.is_set()  # pyright: ignore[reportPrivateUsage]
        assert following._runs == following._sessions == {}  # pyright: ignore[reportPrivateUsage]
    assert clients() == before


async def test_who_waits_for_an_answer_and_goes_is_no_fault_of_ours(world: World):
    form = b"message=hi&stream=false"
    asked = b"POST /agents/a/runs HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % len(form)
    asked += b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" + form
    with capture_logs() as said:
        async with world.gateway() as (_, service):
            async with connection(service, asked):
                await until(lambda: hub(service).followers == 1)
            await until(lambda: not hub(service).followers)
    assert [one for one in said if one["log_level"] == "error"] == []


async def test_one_of_two_that_goes_leaves_the_other(world: World):
    run = await world.run("r")
    await run.begin()
    async with world.gateway() as (http, service), http.stream("GET", EVENTS) as answer:
        told = frames(answer)
        await taken(told, 3)
        async with http.stream("GET", EVENTS):
            await until(lambda: hub(service).followers == 2)
        await until(lambda: hub(service).followers == 1)
        await run.delta("fine")
        (delta,) = await taken(told, 1)
    assert delta.event == "delta"


def lost() -> dict[str, float]:
    return {
        topic: REGISTRY.get_sample_value(
            "actalog_dead_letters_total", {"topic": topic, "reason": "dropped"}
        ) or 0
        for topic in ("actalog.events", "actalog.stream")
    }  # fmt: skip


async def test_what_nobody_follows_and_what_is_empty_is_passed_over(world: World):
    run, other = await world.run("r"), await world.run("other", session="t")
    await run.begin()
    before = lost()
    async with world.gateway() as (http, _), http.stream("GET", EVENTS) as answer:
        told = frames(answer)
        await taken(told, 3)
        await other.begin()
        await other.delta("nobody's")
        for topic in before:
            for value in (None, b"") if topic.endswith("events") else (None, b"", b"{}", b"\xff"):
                await world.bus.publish(
                    topic, value=value, key=b"s", headers=(("ce_subject", b"r"),)
                )
            await world.bus.publish(topic, value=b"{}", key=None, headers=())
        await run.delta("fine")
        (delta,) = await taken(told, 1)
        await run.finish("fine")
        rest = [one async for one in told]
    assert (delta.event, len(rest)) == ("delta", 2)
    assert lost() == before


async def test_what_was_answered_is_no_open_message_for_who_comes_late(world: World):
    run = await world.run("r")
    await run.begin()
    async with world.gateway() as (http, service):
        await run.delta("fine")
        await until(lambda: hub(service).recent.bytes > 0)
        await run.say(reply("r", "fine"))
        await until(lambda: hub(service).recent.bytes == 0)
        async with http.stream("GET", EVENTS) as answer:
            told = frames(answer)
            begun = await taken(told, 4)
            await run.say(done(5))
            rest = [one async for one in told]
    assert [one.data["seq"] for one in [*begun, *rest]] == [1, 2, 3, 4, 5]


async def say_large(world: World, run: Run, text: str) -> None:
    """As the conductor publishes what is too large for the bus: with an address in its place."""
    await run.say(reply(run.row.run_id, text), publish=False)
    stored = run.stored[-1]
    id, value = event_record(run.row, stored, stored.payload)
    assert b'"payload":{}' in value
    told = headers(type=stored.type, id=id, tenant_id="default", run_id=run.row.run_id)
    key = run.row.session_id.encode()
    await world.bus.publish("actalog.events", value=value, key=key, headers=told)


async def test_what_is_too_large_for_the_bus_is_read_from_the_log_at_once(world: World):
    text = "x" * 950_000
    run = await world.run("r")
    await run.begin()
    async with world.gateway() as (http, _), http.stream("GET", EVENTS) as answer:
        told = frames(answer)
        await taken(told, 3)
        await run.delta("xx")
        (delta,) = await taken(told, 1)
        await say_large(world, run, text)
        rest, replied = [await asyncio.wait_for(anext(told), 0.9) for _ in range(2)]
    assert delta.data["text"] + rest.data["text"] == replied.data["payload"]["text"] == text


async def test_agentos_clients_are_told_of_it_as_well(world: World):
    text = "x" * 950_000
    async with (
        world.gateway() as (http, _),
        http.stream("POST", "/agents/a/runs", data={"message": "hi"}) as answer,
    ):
        run, told = await begun(world), frames(answer)
        await taken(told, 2)
        await say_large(world, run, text)
        await run.say(done(4))
        *_, last = [one async for one in told]
    assert (last.event, last.data["content"]) == ("RunCompleted", text)
