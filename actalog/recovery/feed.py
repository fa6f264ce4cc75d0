"""What the topics tell of the time that a restored database does not know: events and answers."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from actalog_bus.envelope import body
from actalog_bus.ports import Record
from actalog_contracts.calls import (
    AnyReply,
    CallAnswered,
    CallBuried,
    CallStored,
    TimePassed,
    TurnFree,
)
from actalog_contracts.tasks import PublishedEvent
from actalog_log.call_ports import ledger_key

T = TypeVar("T")
RunKey = tuple[str, str]  # tenant, run id
_EVENT: TypeAdapter[PublishedEvent] = TypeAdapter(PublishedEvent)
_REPLY: TypeAdapter[CallAnswered | CallStored | TurnFree | TimePassed | CallBuried] = TypeAdapter(
    AnyReply
)


@dataclass
class Feed:
    """`runs`: what was published of each run, by seq; of one seq the first that came.
    `answers`: by ledger key, as the ledger keeps them; large ones lay there only and are gone. `highest`: the highest run number that was seen."""

    runs: dict[RunKey, dict[int, PublishedEvent]] = field(
        default_factory=dict[RunKey, dict[int, PublishedEvent]]
    )
    answers: dict[str, bytes] = field(default_factory=dict[str, bytes])
    highest: int = 0
    unreadable: int = 0

    async def take_events(self, found: AsyncIterable[Record]) -> None:
        """Read the audit feed."""
        async for event in self._read(_EVENT, found):
            key = (event.tenant_id, event.run_id)
            self.runs.setdefault(key, {}).setdefault(event.seq, event)
            self.highest = max(self.highest, event.run_no or 0)

    async def take_replies(self, found: AsyncIterable[Record]) -> None:
        """Read the answers of services."""
        async for reply in self._read(_REPLY, found):
            self.highest = max(self.highest, reply.run_no)
            if isinstance(reply, CallAnswered) and reply.outcome.call_id is not None:
                key = ledger_key(reply.run_no, reply.outcome.call_id)
                self.answers.setdefault(key, body(reply))

    async def _read(self, shape: TypeAdapter[T], found: AsyncIterable[Record]) -> AsyncIterator[T]:
        """What cannot be read is counted."""
        async for record in found:
            try:
                yield shape.validate_json(record.value or b"")
            except ValidationError:
                self.unreadable += 1
