"""Traces over the bus: a message carries `traceparent`, and who hears it goes on in that trace.

A run is one `invoke_agent` span, from its acceptance to its end. Nobody holds it open meanwhile: its
id follows from the span that heard the task, which `tracestate` carries along, so that commands can
name it as their parent before it is written, with the run's result.
"""

import hashlib
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import orjson
from opentelemetry.trace import SpanContext, SpanKind, get_current_span

from actalog_bus.ports import Delivery, Hear, Listen, Outgoing
from actalog_core import tracing
from actalog_core.clock import parse_time

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"
BEGINS = ("task.submit.v1", "turn.free.v1")  # what a run is begun by
_BEGUN: ContextVar[int | None] = ContextVar("actalog_begun", default=None)
"""The id of the span that heard what began the run that is heard about now."""


def hearing(listen: Listen) -> Hear:
    """A span around every hearing. What is only passed on to people has none: there is one record
    for every few words of an answer."""
    hear = listen.hear
    if listen.broadcast:
        return hear

    async def traced(delivery: Delivery) -> None:
        record = delivery.record
        kind = (record.header("ce_type") or b"task.submit.v1").decode("ascii", "replace")
        run = record.header("ce_subject")
        attributes: dict[str, tracing.Attribute] = {
            "messaging.system": "kafka", "messaging.operation.type": "process",
            "messaging.operation.name": kind, "messaging.destination.name": record.topic,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset, "messaging.consumer.group.name": listen.group,
        }  # fmt: skip
        if run:
            attributes[tracing.RUN] = run.decode("utf-8", "replace")
        told = record.header(TRACEPARENT) or record.header(f"ce_{TRACEPARENT}")
        within = tracing.extract(told, record.header(TRACESTATE))
        name = f"process {record.topic}"
        with tracing.span(name, attributes, within=within, kind=SpanKind.CONSUMER) as span:
            began = _BEGUN.set(_begun(kind, span.get_span_context()))
            try:
                await hear(delivery)
            finally:
                _BEGUN.reset(began)

    return traced


def _begun(kind: str, here: SpanContext) -> int | None:
    if kind in BEGINS:
        return here.span_id
    return tracing.begun(here)


def publishing(records: Sequence[Outgoing]) -> Sequence[Outgoing]:
    """The records with the trace that is open here, if one is; results end their runs' spans."""
    here = get_current_span().get_span_context()
    if not here.is_valid:
        return records
    begun = _BEGUN.get()
    return [_in_trace(one, here, begun) for one in records]


def _in_trace(record: Outgoing, here: SpanContext, begun: int | None) -> Outgoing:
    headers = dict(record.headers)
    kind = headers.get("ce_type", b"")
    if kind == b"run.result.v1" and begun is not None:
        _end(record.value or b"{}", here, begun)
    told = [*record.headers]
    if TRACEPARENT not in headers:
        command = begun is not None and record.topic.endswith(".commands")
        parent = run_span(here.trace_id, begun) if command and begun else here.span_id
        told.append((TRACEPARENT, tracing.traceparent(here, parent).encode()))
    # The next run's turn is no part of this one.
    if begun is not None and TRACESTATE not in headers and kind != b"turn.free.v1":
        told.append((TRACESTATE, tracing.tracestate(here, begun).encode()))
    return replace(record, headers=tuple(told))


def run_span(trace_id: int, begun: int) -> int:
    """The id of the run's span."""
    told = trace_id.to_bytes(16, "big") + begun.to_bytes(8, "big")
    return int.from_bytes(hashlib.sha256(told).digest()[:8], "big")


def _end(value: bytes, here: SpanContext, begun: int) -> None:
    """The span of a run that has ended, out of its result."""
    told: dict[str, Any] = orjson.loads(value)
    if told.get("status") == "paused":
        return
    kind, _, agent = str(told.get("target", "")).partition(":")
    usage: dict[str, Any] = told.get("usage") or {}
    error: dict[str, Any] = told.get("error") or {}
    attributes: dict[str, tracing.Attribute] = {
        tracing.OPERATION: tracing.INVOKE_AGENT, tracing.AGENT: agent or kind,
        tracing.AGENT_ID: agent or kind, tracing.CONVERSATION: str(told.get("session_id", "")),
        tracing.RUN: str(told.get("run_id", "")), "actalog.run.status": str(told.get("status", "")),
        tracing.INPUT_TOKENS: int(usage.get("input_tokens", 0)),
        tracing.OUTPUT_TOKENS: int(usage.get("output_tokens", 0)),
    }  # fmt: skip
    if models := usage.get("models"):
        attributes[tracing.RESPONSE_MODEL] = str(models[-1])
    tracing.afterwards(
        f"{tracing.INVOKE_AGENT} {agent or kind}", attributes, trace=here, parent=begun,
        span_id=run_span(here.trace_id, begun), began=parse_time(told["accepted_at"]),
        ended=parse_time(told["finished_at"]), error=error.get("code"),
    )  # fmt: skip
