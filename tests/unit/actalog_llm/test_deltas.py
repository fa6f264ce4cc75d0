"""Deltas of an answer that is whole before its claim was looked at."""

import asyncio
from collections.abc import Sequence

import pytest
from structlog.testing import capture_logs

from actalog_bus.envelope import Postman
from actalog_bus.memory import MemoryBus
from actalog_bus.ports import Outgoing
from actalog_contracts.calls import CallModel
from actalog_contracts.streams import Delta
from actalog_core import homes
from actalog_core.errors import Transient
from actalog_llm.deltas import Deltas, Kind

COMMAND = CallModel(
    tenant_id="default", run_no=1, run_id="r", session_id="s", call_id="r:m1",
    definition="sha256:a", deadline="2030-01-01T00:00:00Z", seq=3,
)  # fmt: skip


async def _not_ours() -> None:
    raise Transient("call 1/r:m1 is not ours")


@pytest.mark.parametrize("whole", [True, False])
async def test_a_released_claim_is_a_warning_only_while_something_is_left_behind(whole: bool):
    bus = MemoryBus()
    postman = Postman(bus, prefix="actalog", service="llm")
    deltas = Deltas(COMMAND, epoch=1, postman=postman, stands=_not_ours)
    with capture_logs() as logged:
        deltas.add("text", "at once")
        if whole:
            deltas.end()
            deltas.send_rest()
        await asyncio.sleep(0.01)
    assert [one["event"] for one in logged] == ([] if whole else ["deltas were not sent"])
    assert len(bus.records("actalog.stream")) == (1 if whole else 0)


class Forgetful(MemoryBus):
    """The broker has not told of any topic: a producer was just rebuilt."""

    def partitions(self, topic: str) -> int:
        raise Transient(topic)


async def test_an_answer_does_not_fail_by_its_deltas_where_a_topic_is_not_known_yet():
    bus = Forgetful()
    postman = Postman(bus, prefix="actalog", service="llm")
    deltas = Deltas(COMMAND, epoch=1, postman=postman, stands=_not_ours)
    deltas.add("text", "whole")
    deltas.end()
    deltas.send_rest()
    await asyncio.sleep(0.01)
    (told,) = bus.records("actalog.stream")
    assert told.key == b"s"
    assert postman.request(COMMAND).partition is None  # the producer asks, and puts it there
    assert Postman(MemoryBus(), prefix="actalog", service="llm").request(COMMAND).partition == (
        homes.home("r", MemoryBus().partitions("actalog.llm.commands"))
    )


async def _ours() -> None:
    pass


async def test_what_comes_within_a_window_leaves_as_one_record_of_each_kind():
    bus = MemoryBus()
    postman = Postman(bus, prefix="actalog", service="llm")
    deltas = Deltas(COMMAND, epoch=1, postman=postman, stands=_ours, window_s=0.05)
    deltas.add("text", "at once")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    written: list[tuple[Kind, str]] = [
        ("reasoning", "h"), ("reasoning", "m"), ("text", "a"), ("text", "b")
    ]  # fmt: skip
    for kind, text in written:
        deltas.add(kind, text)
        await asyncio.sleep(0)
    await asyncio.sleep(0.2)
    deltas.add("text", "c")
    deltas.end()
    deltas.send_rest()
    await asyncio.sleep(0.01)
    sent = [Delta.model_validate_json(one.value or b"") for one in bus.records("actalog.stream")]
    assert [(one.kind, one.offset, one.text) for one in sent] == [
        ("text", 0, "at once"), ("reasoning", 0, "hm"), ("text", 7, "ab"), ("text", 9, "c")
    ]  # fmt: skip


class Counting(MemoryBus):
    published = 0

    async def publish_many(self, records: Sequence[Outgoing]) -> None:
        self.published += 1
        await super().publish_many(records)


async def test_while_the_model_says_nothing_nothing_is_published():
    bus = Counting()
    postman = Postman(bus, prefix="actalog", service="llm")
    deltas = Deltas(COMMAND, epoch=1, postman=postman, stands=_ours, window_s=0.001)
    deltas.add("text", "a")
    await asyncio.sleep(0.1)
    assert bus.published == 1
    deltas.drop()
