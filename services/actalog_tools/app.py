"""Topic to handler."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from actalog_bus.envelope import Postman
from actalog_bus.ports import Bus, Listen, Record
from actalog_calls.claims import Claims
from actalog_contracts import topics
from actalog_core.clock import Clock, Monotonic, system_clock
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_log.call_ports import Calls
from actalog_log.ports import RunLog
from actalog_tools.handlers import ToolHandlers
from actalog_tools.isolated.pool import Isolated
from actalog_tools.offered import Offered
from actalog_tools.running import Runner
from actalog_tools.threads import Threads

LIMIT = 512  # commands at once: two turns of the most calls that a run may make


class ThreadsPart:
    """Threads as a part of the service: they end with it."""

    def __init__(self, threads: Threads) -> None:
        self.threads = threads

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self.threads.stop()

    def ready(self) -> str | None:
        return self.threads.missing()


def build_app(
    *,
    bus: Bus,
    log: RunLog,
    calls: Calls,
    settings: Settings,
    holder: str,
    callables: Mapping[str, Callable[..., Any]],
    clock: Clock = system_clock,
    monotonic: Monotonic = time.monotonic,
    threads: Threads | None = None,
) -> Service:
    """The tools service over the author's callables, by their path in the App.

    Raises:
        BadFunction: a callable that cannot be described; the message names its parameter.
    """
    prefix = settings.topic_prefix
    claims = Claims(calls, holder=holder, lease_ms=settings.lease_ms, clock=monotonic, wall=clock)
    threads = threads or Threads()
    isolated = Isolated(most=settings.isolated_workers)
    handlers = ToolHandlers(
        tools=Offered(callables, app=settings.app),
        log=log,
        claims=claims,
        postman=Postman(bus, prefix=prefix, service="tools"),
        runner=Runner(threads, monotonic),
        isolated=isolated,
        clock=claims.sure,
    )
    bus.listen(
        Listen(
            topics=[topics.full_name(topics.TOOLS, prefix)],
            group=f"{prefix}.tools",
            hear=handlers.run_tool,
            lane=lane,
            limit=LIMIT,
            assigned=handlers.since.assigned,
            began_anew=handlers.since.assigned,
            counted=[topics.full_name(topics.TOOLS, prefix)],
        )
    )
    return Service("tools", [claims, ThreadsPart(threads), isolated])


def lane(record: Record) -> str:
    """A call, by the record's key; call ids repeat between tenants, which costs nothing here."""
    return (record.key or b"").decode("utf-8", "replace") or f"{record.partition}/{record.offset}"
