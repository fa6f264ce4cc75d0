"""A message that is refused: whoever sent it hears about it, and it ends no run."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import orjson

from actalog_bus.envelope import body, headers, stable_id
from actalog_bus.ports import Bus, Fault, Outgoing, Record
from actalog_contracts import topics
from actalog_contracts.base import MAX_ID
from actalog_contracts.tasks import MessageRefused, RefusalCode, RefusalError
from actalog_core.errors import ActalogError, Permanent


class MessageWasRefused(Permanent):
    """The message was refused, and its sender was told."""

    reason = "refused"


class Refused(Exception):
    """A message is refused: whoever sent it hears about it."""

    def __init__(
        self, code: RefusalCode, message: str, *, field: str | None = None,
        run_id: str | None = None, winner: str | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.code: RefusalCode = code
        self.message, self.field, self.run_id, self.winner = message, field, run_id, winner


class Refusals:
    """Tells of refusals."""

    def __init__(self, bus: Bus, *, prefix: str) -> None:
        self.bus, self.prefix = bus, prefix

    async def tell(
        self, record: Record, refused: Refused, readable: Mapping[str, str],
        *, reply_to: str | None = None,
    ) -> None:  # fmt: skip
        """A repeat of the same record has the same id."""
        said = self.refusal(record, refused, readable)
        try:
            await self.bus.publish_many([replace(said, topic=reply_to or said.topic)])
        except ActalogError:
            if reply_to is None:
                raise
            await self.bus.publish_many([said])

    def buried(self, record: Record, fault: Fault) -> list[Outgoing]:
        """Whoever sent what was given up hears about it, where an id can be read. What was
        refused was told already; word of replies is sent by the bus."""
        if fault.reason == "refused" or not record.topic.endswith(f".{topics.TASKS.name}"):
            return []
        said = "it could not be decided; it is kept among the dead letters"
        return [self.refusal(record, Refused("internal", said), readable_ids(record.value))]

    def refusal(self, record: Record, refused: Refused, readable: Mapping[str, str]) -> Outgoing:
        """The record that tells of it."""
        where = (record.topic, record.partition, record.offset, record.timestamp_ms)
        said = MessageRefused(
            id=stable_id("refused", *where), refused_type=readable.get("type"),
            message_id=(record.header("ce_id") or b"")[:MAX_ID].decode("utf-8", "replace") or None,
            run_id=refused.run_id or readable.get("run_id"),
            correlation_id=readable.get("correlation_id"), winner=refused.winner,
            error=RefusalError(code=refused.code, message=refused.message, field=refused.field),
        )  # fmt: skip
        told = headers(
            type=said.type, id=said.id, tenant_id=readable.get("tenant_id", "default"),
            run_id=said.run_id, correlation_id=said.correlation_id,
        )  # fmt: skip
        results = topics.full_name(topics.RESULTS, self.prefix)
        return Outgoing(results, body(said), record.key, told)


def readable_ids(value: bytes | None) -> dict[str, str]:
    """What names a message, as far as it can be read."""
    try:
        told: Any = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return {}
    found = cast("dict[str, Any]", told) if isinstance(told, dict) else {}
    names = ("type", "run_id", "tenant_id", "correlation_id")
    told = {name: found[name] for name in names if isinstance(found.get(name), str)}
    return {name: text for name, text in told.items() if len(text) <= MAX_ID}
