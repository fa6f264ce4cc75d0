"""One listener for all clients: events and deltas come once and go to whoever follows their run.

The feed is warmth: what is missing in it is read from the log, and whoever reads too slowly is
dropped with an id to come back with.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from actalog_bus.ports import Bus, Delivery, Listen, Record
from actalog_contracts import topics
from actalog_contracts.runs import ENDINGS
from actalog_contracts.streams import AnyStream, Delta, Progress
from actalog_core import metrics
from actalog_core.errors import Transient
from actalog_gateway.reader import Where, published
from actalog_log.ports import RunLog, RunRow, StoredEvent

FEED_ITEMS = 1_024
FEED_BYTES = 2 * 1_048_576
RECENT_BYTES = 16 * 1_048_576
RECENT_OF_ONE = 1_048_576
FIRST_LOOK_S = 0.05  # a run that was just accepted is in the log within milliseconds
LOOK_S = 1.0
LOOK_SELDOM_S = 8.0  # for a run where nothing happens while the bus is fine

_STREAM: TypeAdapter[Delta | Progress] = TypeAdapter(AnyStream)


class Dropped(Exception):
    """The client reads too slowly."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a run. `raw` is its JSON, made once for all who follow."""

    seq: int
    type: str
    at: str
    raw: str
    payload: dict[str, Any]


Item = Told | Delta | Progress


class Feed:
    """What came in for one client and was not taken yet: bounded."""

    def __init__(
        self, *, most: int = FEED_ITEMS, most_bytes: int = FEED_BYTES, deltas: bool = True
    ) -> None:
        self.most, self.most_bytes, self.deltas = most, most_bytes, deltas
        self.overflowed = self.closed = False
        self._items: deque[tuple[Item, int]] = deque()
        self._bytes = 0
        self._something = asyncio.Event()

    def offer(self, item: Item, size: int) -> None:
        """Takes it, or drops the client."""
        if self.overflowed or self.closed or not (self.deltas or isinstance(item, Told)):
            return
        if len(self._items) >= self.most or self._bytes + size > self.most_bytes:
            self.overflowed = True
            self._items.clear()
        else:
            self._items.append((item, size))
            self._bytes += size
        self._something.set()

    def close(self) -> None:
        """The gateway stops."""
        self.closed = True
        self._something.set()

    async def next(self, within_s: float) -> Item | None:
        """The next item; None when none came in time, or the feed is closed.

        Raises:
            Dropped: it overflowed.
        """
        if not self._items and not self.overflowed and not self.closed:
            self._something.clear()
            try:
                async with asyncio.timeout(within_s):
                    await self._something.wait()
            except TimeoutError:
                return None
        if self.overflowed:
            raise Dropped
        if self.closed or not self._items:
            return None
        item, size = self._items.popleft()
        self._bytes -= size
        return item


class Recent:
    """Deltas of messages that are being written, as they came: for clients that come late."""

    def __init__(self, most_bytes: int = RECENT_BYTES, of_one: int = RECENT_OF_ONE) -> None:
        self.most_bytes, self.of_one = most_bytes, of_one
        self.bytes = 0
        self._sessions: OrderedDict[bytes, tuple[list[bytes], int]] = OrderedDict()

    def put(self, session: bytes, value: bytes) -> None:
        """Of a session that says too much nothing is kept: a beginning is missing then."""
        values, size = self._sessions.get(session, ([], 0))
        values.append(value)
        self._sessions[session] = (values, size + len(value))
        self._sessions.move_to_end(session)
        self.bytes += len(value)
        if size + len(value) > self.of_one:
            self.forget(session)
        while self.bytes > self.most_bytes:
            self.forget(next(iter(self._sessions)))

    def forget(self, session: bytes) -> None:
        """Its message is in the log now."""
        _, size = self._sessions.pop(session, ([], 0))
        self.bytes -= size

    def of(self, session: bytes) -> list[bytes]:
        return list(self._sessions.get(session, ([], 0))[0])


class Hub:
    """The fan-out. A part of the service."""

    def __init__(self, *, bus: Bus, log: RunLog, prefix: str) -> None:
        self.bus, self.log = bus, log
        self.recent = Recent()
        self._runs: dict[str, list[tuple[Where, Feed]]] = {}
        self._sessions: dict[bytes, list[tuple[Where, Feed]]] = {}
        self._followed = asyncio.Event()  # without a client, what passes is of no hurry
        for topic, hear in ((topics.EVENTS, self.hear_event), (topics.STREAM, self.hear_stream)):
            bus.listen(
                Listen(
                    topics=[topics.full_name(topic, prefix)], group=f"{prefix}.gateway",
                    hear=hear, lane=_lane, broadcast=True, awaited=self._followed,
                )
            )  # fmt: skip

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self.close()

    def close(self) -> None:
        """End all streams: their clients come back to another gateway."""
        for feeds in self._runs.values():
            for _, feed in feeds:
                feed.close()

    def ready(self) -> str | None:
        return None

    @property
    def followers(self) -> int:
        return sum(map(len, self._runs.values()))

    @contextmanager
    def feed(self, where: Where, feed: Feed | None = None) -> Generator[Feed]:
        """What comes for a run from now on, and the open message from as early as is known."""
        one = (where, feed or Feed())
        session = where.session_id.encode()
        self._runs.setdefault(where.run_id, []).append(one)
        self._sessions.setdefault(session, []).append(one)
        self._followed.set()
        metrics.SSE_CLIENTS.inc()
        for value in self.recent.of(session):
            _offer(one, value)
        try:
            yield one[1]
        finally:
            metrics.SSE_CLIENTS.dec()
            _leave(self._runs, where.run_id, one)
            _leave(self._sessions, session, one)
            if not self._runs:
                self._followed.clear()

    async def hear_event(self, delivery: Delivery) -> None:
        """Most events are of runs that nobody follows: their JSON is not read."""
        record = delivery.record
        if record.header("ce_type") == b"model.replied.v1" and record.key:
            self.recent.forget(record.key)
        run_id = (record.header("ce_subject") or b"").decode("utf-8", "replace")
        followers = self._runs.get(run_id)
        if not followers or not record.value:
            return
        content = orjson.loads(record.value)
        told = Told(
            content["seq"], content["type"], content["recorded_at"], record.value.decode(),
            content["payload"],
        )  # fmt: skip
        for where, feed in followers:
            if where.tenant_id == content["tenant_id"]:
                feed.offer(told, len(record.value))

    async def hear_stream(self, delivery: Delivery) -> None:
        """Deltas are kept for a moment, for whoever comes late."""
        record = delivery.record
        if record.key is None or not record.value:
            return
        self.recent.put(record.key, record.value)
        for one in self._sessions.get(record.key, ()):
            _offer(one, record.value)

    async def story(self, where: Where, feed: Feed) -> AsyncGenerator[Item]:
        """A run from its first event on: each event once and in order, deltas as they come. Ends
        behind the run's last event, or when the gateway stops.

        Raises:
            Dropped: the client reads too slowly.
        """
        seq, ended, wait = 0, False, FIRST_LOOK_S
        row: RunRow | None = None
        while True:
            row, stored = await self._look(where, row, seq)
            for event in stored:
                seq, ended, wait = event.seq, ended or event.type in ENDINGS, LOOK_S
                assert row is not None
                yield _told(row, event)
            while not ended:
                item = await feed.next(wait)
                if isinstance(item, (Delta, Progress)):
                    yield item
                    continue
                if item is None or item.seq > seq + 1:
                    wait = min(wait * 2, LOOK_SELDOM_S if self.bus.ready() is None else LOOK_S)
                    break
                if item.seq == seq + 1:
                    seq, ended, wait = item.seq, item.type in ENDINGS, LOOK_S
                    yield item
            if ended or feed.closed:
                return

    async def _look(
        self, where: Where, row: RunRow | None, seq: int
    ) -> tuple[RunRow | None, list[StoredEvent]]:
        """What the log has behind `seq`. While it cannot be reached, the bus goes on telling."""
        try:
            if row is None:
                found = await self.log.find_run(where.tenant_id, where.run_id)
                if found is None:
                    return None, []
                row = found.row
            elif await self.log.last_seq(row.run_no) <= seq:
                return row, []
            return row, list(await self.log.read(row.run_no, after=seq))
        except Transient:
            return row, []


def _lane(record: Record) -> str:
    return (record.key or b"").decode("utf-8", "replace")


def _told(row: RunRow, event: StoredEvent) -> Told:
    said = published(row, event, position=False)
    raw = said.model_dump_json(exclude_none=True)
    return Told(event.seq, event.type, said.recorded_at, raw, said.payload)


def _offer(one: tuple[Where, Feed], value: bytes) -> None:
    """A delta, if it is of the run that is followed: sessions have several."""
    where, feed = one
    try:
        item = _STREAM.validate_json(value)
    except ValidationError:
        return  # of a newer build
    if (item.tenant_id, item.run_id) == (where.tenant_id, where.run_id):
        feed.offer(item, len(value))


def _leave(
    among: "dict[Any, list[tuple[Where, Feed]]]", key: object, one: tuple[Where, Feed]
) -> None:
    left = [other for other in among[key] if other is not one]
    if left:
        among[key] = left
    else:
        del among[key]
