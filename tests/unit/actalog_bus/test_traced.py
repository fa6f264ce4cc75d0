"""Which trace a message belongs to: pure, over contexts that are made up."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import pytest
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from actalog_bus.envelope import headers
from actalog_bus.ports import Delivery, Headers, Listen, Outgoing, Record
from actalog_bus.traced import _begun, _in_trace, hearing, publishing, run_span
from actalog_core import tracing

TRACE, HERE, HEARD = 0xAF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, 0x1111
CONTEXT = SpanContext(
    TRACE, HERE, is_remote=False, trace_flags=TraceFlags(1), trace_state=TraceState([("theirs", "1")])
)  # fmt: skip


@dataclass(frozen=True)
class Alone:
    record: Record

    def settle(self) -> None: ...

    def leave(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        raise AssertionError(work)


def told(kind: str, topic: str, *, begun: int | None = HEARD, more: Headers = ()) -> dict[str, str]:
    said = (*headers(type=kind, id="1", tenant_id="default", run_id="r"), *more)
    made = _in_trace(Outgoing(topic, b"{}", None, said, None), CONTEXT, begun)
    return {name: value.decode() for name, value in made.headers}


def test_a_command_is_part_of_its_runs_span_which_is_written_later():
    said = told("model.call.v1", "actalog.llm.commands")
    parent = run_span(TRACE, HEARD)
    assert said["traceparent"] == f"00-{TRACE:032x}-{parent:016x}-01"
    assert parent not in (HERE, HEARD)
    assert said["tracestate"] == f"actalog={HEARD:016x},theirs=1"


def test_an_event_belongs_to_what_decided_it():
    said = told("run.started.v1", "actalog.events")
    assert said["traceparent"] == f"00-{TRACE:032x}-{HERE:016x}-01"


def test_a_reply_keeps_the_trace_of_the_command_it_answers():
    mine = ("traceparent", b"00-" + b"1" * 32 + b"-" + b"2" * 16 + b"-01")
    said = told("call.answered.v1", "actalog.replies", more=(mine,))
    assert said["traceparent"] == mine[1].decode()
    assert "tracestate" in said


@pytest.mark.parametrize("name", ["traceparent", "ce_traceparent"])
async def test_a_task_goes_on_in_the_trace_of_its_header_or_of_its_event(
    name: str, monkeypatch: pytest.MonkeyPatch
):
    seen: list[bytes | None] = []

    def extract(parent: bytes | None, _state: bytes | None) -> None:
        seen.append(parent)

    monkeypatch.setattr(tracing, "extract", extract)

    async def hear(_delivery: Delivery) -> None:
        return

    listen = Listen(topics=["t"], group="g", hear=hear, lane=lambda _record: "")
    await hearing(listen)(Alone(Record("t", 0, 0, 0, None, b"{}", ((name, b"00-1"),))))
    assert seen == [b"00-1"]


def test_the_next_runs_turn_is_no_part_of_this_run():
    assert "tracestate" not in told("turn.free.v1", "actalog.replies")


def test_outside_a_run_a_message_belongs_to_the_span_that_is_open():
    said = told("model.call.v1", "actalog.llm.commands", begun=None)
    assert said["traceparent"] == f"00-{TRACE:032x}-{HERE:016x}-01"
    assert "tracestate" not in said


def test_without_an_open_span_records_are_left_as_they_are():
    record = Outgoing("actalog.events", b"{}", None, (), None)
    assert publishing([record]) == [record]


def test_what_began_a_run_is_the_hearing_of_its_task_or_what_tracestate_tells():
    assert _begun("task.submit.v1", CONTEXT) == HERE
    assert _begun("call.answered.v1", CONTEXT) is None
    state = TraceState([(tracing.STATE, f"{HEARD:016x}")])
    later = SpanContext(TRACE, HERE, is_remote=True, trace_state=state)
    assert _begun("call.answered.v1", later) == HEARD
    for nonsense in ("not hex", "0", ""):
        odd = SpanContext(
            TRACE, HERE, is_remote=True, trace_state=TraceState([(tracing.STATE, nonsense)])
        )
        assert _begun("call.answered.v1", odd) is None


def test_what_is_only_passed_on_to_people_has_no_span():
    async def hear(delivery: Delivery) -> None: ...

    def lane(record: object) -> str:
        return ""

    listen = Listen(["actalog.stream"], group="g", hear=hear, lane=lane, broadcast=True)
    assert hearing(listen) is hear
