"""One listener for all clients: events and deltas come once and go to whoever follows their run.

The feed is warmth: what is missing in it is read from the log, and whoever reads too slowly is
dropped with an id to come back with.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import orjson

from actalog_bus.ports import Bus, Delivery, Listen, Record
from actalog_contracts import topics
from actalog_contracts.runs import ENDINGS
from actalog_contracts.streams import Delta, Progress
from actalog_core import metrics
from actalog_core.errors import Transient
from actalog_gateway.feeds import Feed, Item, Recent, Told, newest, read_stream
from actalog_gateway.reader import Where, published
from actalog_log.ports import RunLog, RunRow, StoredEvent

FIRST_LOOK_S = 0.05  # a run that was just accepted is in the log within milliseconds
UNDECIDED_S = 0.2  # after that it is worth a question whether a run is still to come
LOOK_S = 1.0
LOOK_SELDOM_S = 8.0  # for a run where nothing happens while the bus is fine


class Refused(Exception):
    """What was accepted was refused when it was heard: it has become no run."""

    message = "the task was refused; actalog.results says why"


class Following:
    """One client of a run, as long as it is entered."""

    __slots__ = ("feed", "hub", "where")

    def __init__(self, hub: "Hub", where: Where, feed: Feed) -> None:
        self.hub, self.where, self.feed = hub, where, feed

    def __enter__(self) -> Feed:
        self.hub.join(self)
        return self.feed

    def __exit__(self, *_: object) -> None:
        self.hub.leave(self)

    def offer(self, item: Delta | Progress, size: int) -> None:
        """If it is of the run that is followed: sessions have several."""
        if (item.tenant_id, item.run_id) == (self.where.tenant_id, self.where.run_id):
            self.feed.offer(item, size)


class Hub:
    """The fan-out. A part of the service."""

    def __init__(self, *, bus: Bus, log: RunLog, prefix: str) -> None:
        self.bus, self.log = bus, log
        self.recent = Recent()
        self._runs: dict[str, list[Following]] = {}
        self._sessions: dict[bytes, list[Following]] = {}
        self._followed = asyncio.Event()  # without a client, what passes is of no hurry
        for topic, hear in ((topics.EVENTS, self.hear_event), (topics.STREAM, self.hear_stream)):
            bus.listen(
                Listen(
                    topics=[topics.full_name(topic, prefix)], group=f"{prefix}.gateway",
                    hear=hear, lane=_lane, broadcast=True, awaited=self._followed,
                    counted=[topics.full_name(topics.STREAM, prefix)],
                )
            )  # fmt: skip

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self.close()

    def close(self) -> None:
        """End all streams: their clients come back to another gateway."""
        for following in self._runs.values():
            for one in following:
                one.feed.close()

    def ready(self) -> str | None:
        return None

    @property
    def followers(self) -> int:
        return sum(map(len, self._runs.values()))

    def feed(self, where: Where, feed: Feed | None = None) -> "Following":
        """What comes for a run from now on, and the open message from as early as is known."""
        return Following(self, where, feed or Feed())

    def join(self, one: "Following") -> None:
        session = one.where.session_id.encode()
        self._runs.setdefault(one.where.run_id, []).append(one)
        self._sessions.setdefault(session, []).append(one)
        self._followed.set()
        metrics.SSE_CLIENTS.inc()
        for item, size in newest(self.recent.of(session)):
            one.offer(item, size)

    def leave(self, one: "Following") -> None:
        metrics.SSE_CLIENTS.dec()
        _leave(self._runs, one.where.run_id, one)
        _leave(self._sessions, one.where.session_id.encode(), one)
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
            content["payload"], apart=content.get("payload_ref") is not None,
        )  # fmt: skip
        for one in followers:
            if one.where.tenant_id == content["tenant_id"]:
                one.feed.offer(told, len(record.value))

    async def hear_stream(self, delivery: Delivery) -> None:
        """Deltas are kept for a moment, for whoever comes late."""
        record = delivery.record
        if record.key is None or not record.value:
            return
        self.recent.put(record.key, record.value)
        followers = self._sessions.get(record.key)
        if followers and (item := read_stream(record.value)) is not None:
            for one in followers:
                one.offer(item, len(record.value))

    async def story(
        self, where: Where, feed: Feed, row: RunRow | None = None, *, after: int = 0,
        fresh: bool = False,
    ) -> AsyncGenerator[Item]:  # fmt: skip
        """A run behind the event `after`: each event once and in order, deltas as they come. Ends
        behind the run's last event, or when the gateway stops. `row`: if it was read just now.
        `fresh`: it was accepted just now, and the log has nothing of it yet.

        Raises:
            Dropped: the client reads too slowly.
            Refused: there will be no such run.
        """
        seq, ended, wait = after, False, FIRST_LOOK_S
        run_no, stored = where.run_no, ()
        while True:
            if not fresh:
                row, stored = await self._look(where, run_no, seq, row)
            fresh = False
            if not seq and not stored and wait > UNDECIDED_S:
                await self._undecided(where)
            for event in stored:
                seq, ended, wait = event.seq, ended or event.type in ENDINGS, LOOK_S
                assert row is not None
                run_no = row.run_no
                yield _told(row, event)
                del event
            row, stored = None, ()  # who waits for hours holds nothing that was told long ago
            while not ended:
                item = await feed.next(wait)
                if isinstance(item, (Delta, Progress)):
                    yield item
                    continue
                if item is None or item.seq > seq + (0 if item.apart else 1):
                    wait = min(wait * 2, LOOK_SELDOM_S if self.bus.ready() is None else LOOK_S)
                    break
                if item.seq == seq + 1:
                    seq, ended, wait = item.seq, item.type in ENDINGS, LOOK_S
                    yield item
                del item
            if ended or feed.closed:
                return

    async def _look(
        self, where: Where, run_no: int | None, seq: int, row: RunRow | None
    ) -> tuple[RunRow | None, Sequence[StoredEvent]]:
        """What the log has behind `seq`. While it cannot be reached, the bus goes on telling."""
        try:
            if seq and run_no is not None and await self.log.last_seq(run_no) <= seq:
                return None, ()
            if row is None:
                found = await self.log.find_run(where.tenant_id, where.run_id)
                if found is None:
                    return None, ()
                row = found.row
            return row, await self.log.read(row.run_no, after=seq)
        except Transient:
            return None, ()

    async def _undecided(self, where: Where) -> None:
        """Raises Refused where neither inbox nor log has it."""
        with contextlib.suppress(Transient):
            if await self.log.get_inbox(where.tenant_id, where.run_id) is not None:
                return
            if await self.log.find_run(where.tenant_id, where.run_id) is None:
                raise Refused


def _lane(record: Record) -> str:
    return (record.key or b"").decode("utf-8", "replace")


def _told(row: RunRow, event: StoredEvent) -> Told:
    said = published(row, event, position=False)
    raw = said.model_dump_json(exclude_none=True)
    return Told(event.seq, event.type, said.recorded_at, raw, said.payload)


def _leave(among: "dict[Any, list[Following]]", key: object, one: Following) -> None:
    left = [other for other in among[key] if other is not one]
    if left:
        among[key] = left
    else:
        del among[key]
