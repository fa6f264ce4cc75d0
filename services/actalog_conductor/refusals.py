"""A message that is refused: whoever sent it hears about it, and it ends no run."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import orjson

from actalog_bus.envelope import body, headers, stable_id
from actalog_bus.ports import Bus, Fault, Outgoing, Record
from actalog_conductor.addresses import Addresses, correlation, reply_partition
from actalog_conductor.refused import Refused
from actalog_contracts import topics
from actalog_contracts.base import MAX_ID
from actalog_contracts.strict_json import readable
from actalog_contracts.tasks import MessageRefused, RefusalError
from actalog_core.errors import ActalogError


class Refusals:
    """Tells of refusals."""

    def __init__(self, bus: Bus, addresses: Addresses, *, prefix: str) -> None:
        self.bus, self.addresses, self.prefix = bus, addresses, prefix

    async def tell(self, record: Record, refused: Refused, readable: Mapping[str, str]) -> None:
        """Where the message wants its answer, if it may; a repeat of the record has the same id."""
        said = self.refusal(record, refused, readable)
        topic = self.addresses.refusal_topic(record, readable.get("reply_to"))
        try:
            at = reply_partition(record.headers) if topic != said.topic else said.partition
            await self.bus.publish_many([replace(said, topic=topic, partition=at)])
        except ActalogError:
            if topic == said.topic:
                raise
            await self.bus.publish_many([said])

    async def buried(self, record: Record, fault: Fault) -> None:
        """Whoever sent what was given up hears about it, where it waits for its answer. What was
        refused was told already; word of replies is sent by the bus."""
        if fault.reason == "refused" or not record.topic.endswith(f".{topics.TASKS.name}"):
            return
        said = "it could not be decided; it is kept among the dead letters"
        await self.tell(record, Refused("internal", said), readable_ids(record.value))

    def refusal(self, record: Record, refused: Refused, readable: Mapping[str, str]) -> Outgoing:
        """The record that tells of it."""
        where = (record.topic, record.partition, record.offset, record.timestamp_ms)
        id = (record.header("ce_id") or b"")[:MAX_ID].decode("utf-8", "replace") or None
        said = MessageRefused(
            id=stable_id("refused", *where), refused_type=readable.get("type"),
            message_id=readable.get("message_id") or id,
            run_id=refused.run_id or readable.get("run_id"),
            correlation_id=readable.get("correlation_id") or correlation(record.headers),
            winner=refused.winner,
            error=RefusalError(code=refused.code, message=refused.message, field=refused.field),
        )  # fmt: skip
        told = headers(
            type=said.type, id=said.id, tenant_id=readable.get("tenant_id", "default"),
            run_id=said.run_id, correlation_id=said.correlation_id, causation_id=said.message_id,
        )  # fmt: skip
        results = topics.full_name(topics.RESULTS, self.prefix)
        echo = self.addresses.echo(record.headers)
        return Outgoing(results, body(said), record.key, (*told, *echo))


def readable_ids(value: bytes | None) -> dict[str, str]:
    """What names a message, as far as it can be read."""
    try:
        told: Any = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return {}
    return readable(cast("dict[str, Any]", told)) if isinstance(told, dict) else {}
