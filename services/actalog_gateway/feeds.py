"""What passes through a gateway on its way to clients: items, and the bounded queues they lie in."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from actalog_contracts.streams import AnyStream, Delta, Progress

FEED_ITEMS = 1_024
FEED_BYTES = 2 * 1_048_576
RECENT_BYTES = 16 * 1_048_576
RECENT_OF_ONE = 1_048_576

_STREAM: TypeAdapter[Delta | Progress] = TypeAdapter(AnyStream)


class Dropped(Exception):
    """The client reads too slowly."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a run. `raw` is its JSON, made once for all who follow. `apart`: its payload is
    too large for the bus, and only the log has it."""

    seq: int
    type: str
    at: str
    raw: str
    payload: dict[str, Any]
    apart: bool = False


Item = Told | Delta | Progress


class Feed:
    """What came in for one client and was not taken yet: bounded, and next to nothing while the
    client waits."""

    __slots__ = (
        "_bytes", "_items", "_waiting", "closed", "deltas", "most", "most_bytes", "overflowed",
    )  # fmt: skip

    def __init__(
        self, *, most: int = FEED_ITEMS, most_bytes: int = FEED_BYTES, deltas: bool = True
    ) -> None:
        self.most, self.most_bytes, self.deltas = most, most_bytes, deltas
        self.overflowed = self.closed = False
        self._items: deque[tuple[Item, int]] | None = None  # an empty one takes 760 bytes
        self._bytes = 0
        self._waiting: asyncio.Future[None] | None = None

    def offer(self, item: Item, size: int) -> None:
        """Takes it, or drops the client."""
        if self.overflowed or self.closed or not (self.deltas or isinstance(item, Told)):
            return
        if self._items is None:
            self._items = deque()
        if len(self._items) >= self.most or self._bytes + size > self.most_bytes:
            self.overflowed, self._items = True, None
        else:
            self._items.append((item, size))
            self._bytes += size
        self._wake()

    def close(self) -> None:
        """The gateway stops."""
        self.closed = True
        self._wake()

    async def next(self, within_s: float) -> Item | None:
        """The next item; None when none came in time, or the feed is closed.

        Raises:
            Dropped: it overflowed.
        """
        if not self._items and not self.overflowed and not self.closed:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            late = loop.call_later(within_s, self._wake)
            try:
                await self._waiting
            finally:
                late.cancel()
        if self.overflowed:
            raise Dropped
        if self.closed or not self._items:
            self._items = None
            return None
        item, size = self._items.popleft()
        self._bytes -= size
        return item

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


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


def read_stream(value: bytes) -> Delta | Progress | None:
    try:
        return _STREAM.validate_json(value)
    except ValidationError:
        return None  # of a newer build


def newest(values: Sequence[bytes]) -> list[tuple[Delta | Progress, int]]:
    """What is kept of open messages, without the attempts that others have replaced."""
    read = [(item, len(value)) for value in values if (item := read_stream(value)) is not None]
    epochs: dict[str, int] = {}
    for item, _ in read:
        epochs[item.call_id] = max(item.epoch, epochs.get(item.call_id, 0))
    return [(item, size) for item, size in read if item.epoch == epochs[item.call_id]]
