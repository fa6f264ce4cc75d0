"""Topic to handler."""

from actalog_bus.envelope import Postman
from actalog_bus.ports import Bus, Listen, Record
from actalog_contracts import topics
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_guardrails.handlers import GuardrailHandlers
from actalog_log.ports import RunLog


def build_app(*, bus: Bus, log: RunLog, settings: Settings) -> Service:
    """The guardrails over a bus and a log; whoever runs it starts the bus last."""
    prefix = settings.topic_prefix
    handlers = GuardrailHandlers(log, Postman(bus, prefix=prefix, service="guardrails"))
    bus.listen(
        Listen(
            topics=[topics.full_name(topics.GUARDRAILS, prefix)], group=f"{prefix}.guardrails",
            hear=handlers.check, lane=lane,
        )
    )  # fmt: skip
    return Service("guardrails", [])


def lane(record: Record) -> str:
    """Checks of a run one after the other; without a key, each alone."""
    return (record.key or str(record.offset).encode()).decode("utf-8", "replace")
