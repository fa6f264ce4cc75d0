from typing import Any

import pytest
import structlog

from actalog_bus.envelope import headers
from actalog_bus.memory import MemoryBus
from actalog_bus.observed import ObservedBus, subject
from actalog_bus.ports import Delivery, Listen, Record
from actalog_core import logging, metrics, tracing
from actalog_core.errors import Permanent

PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def sample(name: str, **labels: str) -> float:
    return metrics.REGISTRY.get_sample_value(name, labels) or 0.0


class World:
    """One listener on an observed bus; `told` has what a log line would carry."""

    def __init__(self, *, traced: bool, fails: bool = False) -> None:
        self.memory = MemoryBus()
        self.bus = ObservedBus(self.memory, traced=traced)
        self.fails = fails
        self.told: list[dict[str, Any]] = []
        self.traces: list[str | None] = []
        self.bus.listen(Listen(["t"], group="g", hear=self.hear, lane=lambda _: "one"))

    async def hear(self, delivery: Delivery) -> None:
        line: dict[str, Any] = {}
        self.told.append(dict(logging._add_about(None, "info", line)))
        self.traces.append(tracing.inject())
        if self.fails:
            raise Permanent("never")

    async def send(self, value: bytes = b"{}", *, traceparent: bytes | None = None) -> None:
        said = headers(type="tool.run.v1", id="1", tenant_id="default", run_id="r-1")
        if traceparent:
            said = (*said, ("traceparent", traceparent))
        await self.bus.start()
        await self.bus.publish("t", value=value, key=b"k", headers=said)
        await self.memory.drained()
        await self.bus.stop()


async def test_what_is_published_and_heard_is_counted():
    before = sample("actalog_heard_total", group="g")
    published = sample("actalog_published_total", topic="t", type="tool.run.v1")
    await World(traced=False).send()
    assert sample("actalog_heard_total", group="g") == before + 1
    assert sample("actalog_published_total", topic="t", type="tool.run.v1") == published + 1
    assert sample("actalog_hearing", group="g") == 0


async def test_topics_that_senders_made_up_are_counted_as_one():
    """A label must not grow with what outsiders send: an operator may allow `replies.*`."""
    bus = ObservedBus(MemoryBus(), prefix="p")
    await bus.start()
    counted = {"type": "run.result.v1"}
    before = sample("actalog_published_total", topic="elsewhere", **counted)
    for topic in ("replies.1", "replies.2", "replies.3.results", "p.results", "p.results.dlq"):
        said = headers(type="run.result.v1", id="1", tenant_id="default", run_id="r-1")
        await bus.publish(topic, value=b"{}", key=b"k", headers=said)
    await bus.stop()
    assert sample("actalog_published_total", topic="elsewhere", **counted) == before + 3
    assert sample("actalog_published_total", topic="p.results", **counted) == 1
    assert sample("actalog_publish_seconds_count", topic="p.results.dlq") == 1
    assert "replies." not in metrics.exposition().decode()


async def test_a_hearing_that_fails_is_counted_by_its_kind():
    before = sample("actalog_hearing_failed_total", group="g", kind="permanent")
    world = World(traced=False, fails=True)
    with structlog.testing.capture_logs():
        await world.send()
    assert sample("actalog_hearing_failed_total", group="g", kind="permanent") == before + 1
    assert len(world.memory.records("t.dlq")) == 1


async def test_lines_written_while_hearing_are_about_the_run_and_its_session():
    world = World(traced=False)
    await world.send(b'{"session_id": "s-1"}')
    assert world.told == [{"run_id": "r-1", "session_id": "s-1"}]


@pytest.mark.parametrize(("traced", "goes_on"), [(True, True), (False, False)])
async def test_a_hearing_goes_on_in_the_trace_of_its_message(traced: bool, goes_on: bool):
    world = World(traced=traced)
    await world.send(traceparent=PARENT)
    assert (world.traces[0] is not None) is goes_on


async def test_a_message_of_no_trace_belongs_to_the_open_one():
    world = World(traced=True)
    with tracing.span("outer", within=tracing.extract(PARENT)):
        await world.send()
    said = world.memory.records("t")[0].header("traceparent")
    assert said is not None
    assert b"0af7651916cd43dd8448eb211c80319c" in said


def test_a_record_that_says_nothing_is_about_nobody():
    assert subject(Record("t", 0, 0, 0, None, None, ())) == {}
    assert subject(Record("t", 0, 0, 0, None, b"\xff not json", ())) == {}
