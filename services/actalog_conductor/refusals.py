"""A message that is refused: whoever sent it hears about it, and it ends no run."""

from collections.abc import Mapping

from actalog_bus.envelope import body, headers, stable_id
from actalog_bus.ports import Bus, Outgoing, Record
from actalog_contracts import topics
from actalog_contracts.tasks import MessageRefused, RefusalCode, RefusalError
from actalog_core.errors import ActalogError, Permanent


class MessageWasRefused(Permanent):
    """The message was refused, and its sender was told."""


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
        where = (record.topic, record.partition, record.offset, record.timestamp_ms)
        said = MessageRefused(
            id=stable_id("refused", *where), refused_type=readable.get("type"),
            message_id=(record.header("ce_id") or b"").decode("utf-8", "replace") or None,
            run_id=refused.run_id or readable.get("run_id"),
            correlation_id=readable.get("correlation_id"), winner=refused.winner,
            error=RefusalError(code=refused.code, message=refused.message, field=refused.field),
        )  # fmt: skip
        told = headers(
            type=said.type, id=said.id, tenant_id=readable.get("tenant_id", "default"),
            run_id=said.run_id, correlation_id=said.correlation_id,
        )  # fmt: skip
        results = topics.full_name(topics.RESULTS, self.prefix)
        try:
            await self.bus.publish_many(
                [Outgoing(reply_to or results, body(said), record.key, told)]
            )
        except ActalogError:
            if reply_to is None:
                raise
            await self.bus.publish_many([Outgoing(results, body(said), record.key, told)])
