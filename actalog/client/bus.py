"""A client on the bus, as any other system is one."""

import asyncio
import uuid
from collections import OrderedDict, defaultdict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeAlias, TypeVar

import structlog
from pydantic import TypeAdapter, ValidationError

from actalog.client.transport import Followed, Refused, written
from actalog_bus.envelope import headers
from actalog_bus.ports import Bus, Delivery, Listen, Record
from actalog_contracts import topics
from actalog_contracts.streams import AnyStream, Delta, Progress
from actalog_contracts.tasks import (
    Inbound,
    KnowledgeIngest,
    MessageRefused,
    PublishedEvent,
    RunResult,
    TaskSubmit,
)  # fmt: skip
from actalog_core import homes
from actalog_core.misfits import misfit

Heard: TypeAlias = PublishedEvent | Delta | RunResult | MessageRefused
Box: TypeAlias = "asyncio.Queue[Heard]"
V = TypeVar("V")
BEHIND_S = 1.0  # events come beside their result; those that have not come by then were told before
KEPT = 10_000  # runs whose last result is kept, and messages whose refusal is recognised

log = structlog.get_logger()
_STREAM: TypeAdapter[Delta | Progress] = TypeAdapter(AnyStream)
_RESULTS: TypeAdapter[RunResult | MessageRefused] = TypeAdapter(RunResult | MessageRefused)


class BusTransport:
    """Hears what is published from its start on, and hands it to whoever watches the run."""

    def __init__(self, bus: Bus, *, prefix: str = "actalog") -> None:
        self.bus, self.prefix = bus, prefix
        self._boxes: dict[str, set[Box]] = defaultdict(set)
        self._mine: OrderedDict[str, RunResult | MessageRefused | None] = OrderedDict()
        self._sent: OrderedDict[str, str | None] = OrderedDict()  # message -> its run
        self._floors: OrderedDict[str, int] = OrderedDict()
        self._topics = {
            topics.full_name(topic, prefix): topic
            for topic in (topics.RESULTS, topics.EVENTS, topics.STREAM)
        }
        for name in self._topics:
            bus.listen(
                Listen(
                    topics=[name], group=f"{prefix}.client", hear=self._hear,
                    lane=lambda record: record.topic, broadcast=True,
                )
            )  # fmt: skip

    async def start(self) -> None:
        """See `Transport.start`."""
        await self.bus.start()

    async def stop(self) -> None:
        """See `Transport.stop`."""
        await self.bus.stop(1.0)

    async def send(self, message: Inbound) -> None:
        """See `Transport.send`. A task goes to its session's home."""
        topic, id = topics.full_name(topics.TASKS, self.prefix), str(uuid.uuid4())
        session = None
        if isinstance(message, TaskSubmit):
            session = message.session_id or message.run_id
            _keep(self._mine, message.run_id or "", None)
        elif not isinstance(message, KnowledgeIngest):
            self._expect_another(message.run_id)
        run_id = None if isinstance(message, KnowledgeIngest) else message.run_id
        _keep(self._sent, id, run_id)
        await self.bus.publish(
            topic, value=written(message),
            key=session.encode() if session else None,
            partition=homes.home(session, self.bus.partitions(topic)) if session else None,
            headers=headers(
                type=message.type, id=id, tenant_id=message.tenant_id or "default",
                run_id=run_id, service="client",
            ),
        )  # fmt: skip

    @asynccontextmanager
    async def watch(
        self, run_id: str, *, after: int = 0
    ) -> AsyncGenerator[AsyncIterator[Followed]]:
        """See `Transport.watch`."""
        box = self._open(run_id)
        try:
            yield _told(box, after)
        finally:
            self._close(run_id, box)

    async def result(self, run_id: str) -> RunResult:
        """See `Transport.result`."""
        box = self._open(run_id)
        try:
            known = self._mine.get(run_id)
            while not isinstance(known, RunResult):
                if isinstance(known, MessageRefused):
                    raise Refused(known.error, known)
                heard = await box.get()
                known = heard if isinstance(heard, RunResult | MessageRefused) else None
            return known
        finally:
            self._close(run_id, box)

    def _expect_another(self, run_id: str) -> None:
        """What is known now is not the result any more: a later one will come."""
        known = self._mine.pop(run_id, None)
        if isinstance(known, RunResult):
            _keep(self._floors, run_id, known.seq)
        _keep(self._mine, run_id, None)

    def _stale(self, heard: Heard) -> bool:
        """A repeat of what was known before, or a refusal of somebody else's message."""
        match heard:
            case RunResult(run_id=run_id, seq=seq):
                return seq <= self._floors.get(run_id, 0)
            case MessageRefused(message_id=message_id):
                return message_id not in self._sent
            case _:
                return False

    def _open(self, run_id: str) -> Box:
        box: Box = asyncio.Queue()
        self._boxes[run_id].add(box)
        return box

    def _close(self, run_id: str, box: Box) -> None:
        self._boxes[run_id].discard(box)
        if not self._boxes[run_id]:
            del self._boxes[run_id]

    async def _hear(self, delivery: Delivery) -> None:
        heard = self._read(delivery.record)
        run_id = None if heard is None else heard.run_id
        if isinstance(heard, MessageRefused):  # its run may be what could not be read
            run_id = run_id or self._sent.get(heard.message_id or "")
        if heard is None or run_id is None or self._stale(heard):
            return
        if isinstance(heard, RunResult | MessageRefused) and run_id in self._mine:
            self._mine[run_id] = _later(self._mine[run_id], heard)
        for box in self._boxes.get(run_id, ()):
            box.put_nowait(heard)

    def _read(self, record: Record) -> Heard | None:
        """The message; None where it is of a kind that a newer build may send."""
        value = record.value or b""
        try:
            match self._topics[record.topic]:
                case topics.EVENTS:
                    return PublishedEvent.model_validate_json(value)
                case topics.RESULTS:
                    return _RESULTS.validate_json(value)
                case _:
                    said = _STREAM.validate_json(value)
                    return said if isinstance(said, Delta) else None
        except ValidationError as error:
            log.warning("not understood", topic=record.topic, error=str(misfit("message", error)))
            return None


def _later(
    known: RunResult | MessageRefused | None, heard: RunResult | MessageRefused
) -> RunResult | MessageRefused:
    """A result that is published again does not take a later one's place."""
    if isinstance(known, RunResult) and not (
        isinstance(heard, RunResult) and heard.seq > known.seq
    ):
        return known
    return heard


async def _told(box: Box, seq: int) -> AsyncIterator[Followed]:
    """What comes after event `seq`, and a result whose events do not come."""
    ahead: RunResult | None = None
    while True:
        try:
            async with asyncio.timeout(None if ahead is None else BEHIND_S):
                heard = await box.get()
        except TimeoutError:
            if ahead is not None:
                seq = ahead.seq
                yield ahead
            ahead = None
            continue
        match heard:
            case MessageRefused() as refusal:
                raise Refused(refusal.error, refusal)
            case PublishedEvent() as event if event.seq > seq:
                seq = event.seq
                yield event
            case RunResult() as result if result.seq > seq:
                ahead = result
            case Delta() as delta:
                yield delta
            case _:
                continue
        if ahead is not None and ahead.seq <= seq:
            ahead = None


def _keep(kept: "OrderedDict[str, V]", key: str, value: V) -> None:
    kept[key] = value
    while len(kept) > KEPT:
        kept.popitem(last=False)
