"""Each service over what it is given. Imported one by one: an image has only its own extra."""

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from actalog.extras import installed
from actalog.names import Name
from actalog_bus.ports import Bus
from actalog_core.clock import Clock, system_clock
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_log.call_ports import Calls
from actalog_log.memories import MemoryStore
from actalog_log.ports import RunLog


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What services stand on. `callables` is the author's code, by its path in the App."""

    bus: Bus
    log: RunLog
    calls: Calls
    memories: MemoryStore
    settings: Settings
    callables: Mapping[str, Callable[..., Any]] = field(
        default_factory=dict[str, Callable[..., Any]]
    )
    clock: Clock = system_clock
    holder: str = field(default_factory=lambda: _holder())


def _holder() -> str:
    """Who holds leases: unlike anybody else, also after a restart (protocol 6.1)."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


def _conductor(on: Ground) -> Service:
    from actalog_conductor.app import build_app

    return build_app(bus=on.bus, log=on.log, settings=on.settings, clock=on.clock)


def _guardrails(on: Ground) -> Service:
    from actalog_guardrails.app import build_app

    return build_app(bus=on.bus, log=on.log, settings=on.settings)


def _context(on: Ground) -> Service:
    from actalog_context.app import build_app

    return build_app(bus=on.bus, log=on.log, memories=on.memories, settings=on.settings)


def _llm(on: Ground) -> Service:
    from actalog_llm.app import build_app

    return build_app(
        bus=on.bus, log=on.log, calls=on.calls, settings=on.settings, holder=f"llm@{on.holder}"
    )


def _tools(on: Ground) -> Service:
    from actalog_tools.app import build_app

    return build_app(
        bus=on.bus, log=on.log, calls=on.calls, settings=on.settings,
        holder=f"tools@{on.holder}", callables=on.callables,
    )  # fmt: skip


def _memory(on: Ground) -> Service:
    from actalog_memory.app import build_app

    return build_app(bus=on.bus, log=on.log, memories=on.memories, settings=on.settings)


def _gateway(on: Ground) -> Service:
    from actalog_gateway.app import build_app

    return build_app(bus=on.bus, log=on.log, settings=on.settings)


_BUILD: Mapping[Name, Callable[[Ground], Service]] = {
    "conductor": _conductor, "guardrails": _guardrails, "context": _context, "llm": _llm,
    "tools": _tools, "memory": _memory, "gateway": _gateway,
}  # fmt: skip


def build(name: Name, on: Ground) -> Service:
    """One service; its parts are not started and its subscriptions are declared.

    Raises:
        SettingMissing: its extra is not installed.
    """
    installed(name)
    return _BUILD[name](on)
