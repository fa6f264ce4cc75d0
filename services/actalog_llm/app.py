"""Topic to handler."""

from dataclasses import replace

from actalog_bus.envelope import Postman
from actalog_bus.ports import Bus, Listen, Record
from actalog_calls.claims import Claims
from actalog_contracts import topics
from actalog_core.service import Service
from actalog_core.settings import Settings
from actalog_llm.adapters.clients import Clients
from actalog_llm.adapters.loading import Adapters
from actalog_llm.attempts import Patience
from actalog_llm.handlers import LlmHandlers
from actalog_llm.prompt.cache import PromptCache
from actalog_log.call_ports import Calls
from actalog_log.ports import RunLog

MOST_AT_ONCE = 512  # calls wait for their model, not for us


def build_app(
    *,
    bus: Bus,
    log: RunLog,
    calls: Calls,
    settings: Settings,
    holder: str,
    clients: Clients | None = None,
    patience: Patience | None = None,
) -> Service:
    """The llm service over a bus and a log; whoever runs it starts the bus last."""
    prefix = settings.topic_prefix
    patience = patience or Patience()
    claims = Claims(
        calls, holder=holder, lease_ms=settings.lease_ms, clock=patience.monotonic,
        wall=patience.clock,
    )  # fmt: skip
    patience = replace(patience, clock=claims.sure)
    adapters = Adapters(clients or Clients(), log)
    handlers = LlmHandlers(
        log=log, prompts=PromptCache(log), adapters=adapters, claims=claims,
        postman=Postman(bus, prefix=prefix, service="llm"), settings=settings,
        patience=patience,
    )  # fmt: skip
    bus.listen(
        Listen(
            topics=[topics.full_name(topics.LLM, prefix)], group=f"{prefix}.llm",
            hear=handlers.call_model, lane=lane, limit=MOST_AT_ONCE, assigned=handlers.since.assigned,
            began_anew=handlers.since.assigned,
            counted=[topics.full_name(topics.LLM, prefix)],
        )
    )  # fmt: skip
    return Service("llm", [adapters, claims])


def lane(record: Record) -> str:
    """Calls of one run follow each other: the worker that has its prompt is warm."""
    return (record.key or b"").decode("utf-8", "replace")
