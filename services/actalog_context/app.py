"""Topic to handler."""

from actalog_bus.envelope import Postman
from actalog_bus.ports import Bus, Listen, Record
from actalog_context.handlers import ContextHandlers
from actalog_contracts import topics
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_log.memories import MemoryStore
from actalog_log.ports import RunLog


def build_app(*, bus: Bus, log: RunLog, memories: MemoryStore, settings: Settings) -> Service:
    """The context service over a bus, a log and what was remembered."""
    prefix = settings.topic_prefix
    handlers = ContextHandlers(log, memories, Postman(bus, prefix=prefix, service="context"))
    bus.listen(
        Listen(
            topics=[topics.full_name(topics.CONTEXT, prefix)], group=f"{prefix}.context",
            hear=handlers.gather, lane=lane,
        )
    )  # fmt: skip
    return Service("context", [])


def lane(record: Record) -> str:
    """A run's commands one after the other; without a key, each alone."""
    return (record.key or str(record.offset).encode()).decode("utf-8", "replace")
