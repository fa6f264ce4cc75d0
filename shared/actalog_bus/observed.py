"""A bus that counts what passes, carries traces on, and names the run that log lines are about.

Whoever assembles a service puts it around the bus; services do not know of it.
"""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from actalog_bus import traced
from actalog_bus.dead import was_redriven
from actalog_bus.ports import Bus, Delivery, Headers, Hear, Listen, Outgoing, Record
from actalog_contracts import topics
from actalog_core import logging, metrics
from actalog_core.errors import Permanent, Transient

# The audit feed has every event once, so that counting it counts what happened.
_MODEL, _TOOL = metrics.MODEL_CALLS, metrics.TOOL_CALLS
COUNTS = {
    "run.accepted.v1": metrics.RUNS_ACCEPTED,
    "run.completed.v1": metrics.RUNS_ENDED.labels("completed"),
    "run.failed.v1": metrics.RUNS_ENDED.labels("failed"),
    "run.blocked.v1": metrics.RUNS_ENDED.labels("blocked"),
    "run.cancelled.v1": metrics.RUNS_ENDED.labels("cancelled"),
    "run.paused.v1": metrics.RUNS_PAUSED,
    "message.refused.v1": metrics.REFUSED,
    "model.replied.v1": _MODEL.labels("replied"),
    "model.failed.v1": _MODEL.labels("failed"),
    "tool.returned.v1": _TOOL.labels("returned"),
    "tool.failed.v1": _TOOL.labels("failed"),
    "tool.in_doubt.v1": _TOOL.labels("in_doubt"),
    "input.checked.v1": metrics.CHECKS.labels("input"),
    "output.reviewed.v1": metrics.CHECKS.labels("output"),
}
ELSEWHERE = "elsewhere"
_SESSION = re.compile(rb'"session_id":\s*"([^"\\]{1,200})"')


class ObservedBus:
    """`Bus` around another one. `traced`: spans are wanted (they cost some microseconds each).
    `prefix`: topics of other names, which tasks made up for their results, are counted as one."""

    def __init__(self, bus: Bus, *, traced: bool = False, prefix: str | None = None) -> None:
        self.inner, self.traced = bus, traced
        self.own = None if prefix is None else topics.own_names(prefix)

    async def publish(
        self,
        topic: str,
        *,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        """See `Bus.publish`. A message of no trace belongs to the one that is open here."""
        await self.publish_many([Outgoing(topic, value, key, headers, partition)])

    async def publish_many(self, records: Sequence[Outgoing]) -> None:
        """See `Bus.publish_many`."""
        if self.traced:
            records = traced.publishing(records)
        began = time.perf_counter()
        await self.inner.publish_many(records)
        took_s = time.perf_counter() - began
        kinds: dict[tuple[str, bytes], int] = {}
        for one in records:
            own = self.own is None or one.topic in self.own
            kind = one.topic if own else ELSEWHERE, _type_of(one)
            kinds[kind] = kinds.get(kind, 0) + 1
        for (name, kind), count in kinds.items():
            _counters(name, kind)(count)
        for name in {name for name, _ in kinds}:
            _seconds(name)(took_s)

    def listen(self, listen: Listen) -> None:
        """See `Bus.listen`."""
        hear = traced.hearing(listen) if self.traced else listen.hear
        self.inner.listen(replace(listen, hear=_named(_counted(hear, listen.group))))

    def partitions(self, topic: str) -> int:
        """See `Bus.partitions`."""
        return self.inner.partitions(topic)

    def near(self, topic: str) -> bool:
        """See `Bus.near`."""
        return self.inner.near(topic)

    async def start(self) -> None:
        """See `Bus.start`."""
        await self.inner.start()

    async def stop(self, grace_s: float = 10.0) -> None:
        """See `Bus.stop`."""
        await self.inner.stop(grace_s)

    def ready(self) -> str | None:
        """See `Bus.ready`."""
        return self.inner.ready()


def _type_of(record: Outgoing) -> bytes:
    for name, value in record.headers:
        if name == "ce_type":
            return value
    return b""


@lru_cache(maxsize=1_024)
def _counters(topic: str, kind: bytes) -> Callable[[int], None]:
    """What counts records of this kind: looked up once, because every record is counted."""
    name = kind.decode("ascii", "replace")
    published, happened = metrics.PUBLISHED.labels(topic, name).inc, COUNTS.get(name)

    def count(records: int) -> None:
        published(records)
        if happened is not None:
            happened.inc(records)

    return count


@lru_cache(maxsize=1_024)
def _seconds(topic: str) -> Callable[[float], None]:
    return metrics.PUBLISH_SECONDS.labels(topic).observe


def subject(record: Record) -> Mapping[str, str]:
    """The run and session that a record is about, as far as it says so."""
    run, session = record.header("ce_subject"), _SESSION.search(record.value or b"")
    found = {
        "run_id": run.decode("utf-8", "replace") if run else "",
        "session_id": session.group(1).decode("utf-8", "replace") if session else "",
    }
    return {name: value for name, value in found.items() if value}


def _named(hear: Hear) -> Hear:
    async def named(delivery: Delivery) -> None:
        with logging.about(lambda: subject(delivery.record)):
            await hear(delivery)

    return named


def _counted(hear: Hear, group: str) -> Hear:
    heard, seconds = metrics.HEARD.labels(group), metrics.HEARING_SECONDS.labels(group)
    now, redriven = metrics.HEARING.labels(group), metrics.REDRIVEN.labels(group)

    async def counted(delivery: Delivery) -> None:
        began = time.perf_counter()
        now.inc()
        if was_redriven(delivery.record):
            redriven.inc()
        try:
            await hear(delivery)
        except Exception as error:
            metrics.HEARING_FAILED.labels(group, _kind(error)).inc()
            raise
        else:
            heard.inc()
            seconds.observe(time.perf_counter() - began)
        finally:
            now.dec()

    return counted


def _kind(error: Exception) -> str:
    if isinstance(error, Transient):
        return "transient"
    return "permanent" if isinstance(error, Permanent) else "unexpected"
