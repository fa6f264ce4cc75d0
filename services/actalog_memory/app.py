"""Topic to handler."""

from actalog_bus.envelope import Postman
from actalog_bus.ports import Bus, Listen, Record
from actalog_contracts import topics
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_log.memories import MemoryStore
from actalog_log.ports import RunLog
from actalog_memory.handlers import MemoryHandlers
from actalog_memory.projector import Projector


def build_app(*, bus: Bus, log: RunLog, memories: MemoryStore, settings: Settings) -> Service:
    """The memory service over a bus, a log and its projection."""
    prefix = settings.topic_prefix
    handlers = MemoryHandlers(log, memories, Postman(bus, prefix=prefix, service="memory"))
    bus.listen(
        Listen(
            topics=[topics.full_name(topics.MEMORY, prefix)], group=f"{prefix}.memory",
            hear=handlers.remember, lane=lane,
        )
    )  # fmt: skip
    return Service("memory", [Projector(memories)])


def lane(record: Record) -> str:
    """A run's commands one after the other; without a key, each alone."""
    return (record.key or str(record.offset).encode()).decode("utf-8", "replace")
