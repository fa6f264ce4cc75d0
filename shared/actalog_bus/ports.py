"""The bus as services see it. Topic names are full names (`actalog.tasks`)."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

from actalog_core.values import frozen

Headers = tuple[tuple[str, bytes], ...]


@frozen
class Record:
    """A record as it came: bytes, whatever its producer made of them. `timestamp_ms` is Kafka's."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    def header(self, name: str) -> bytes | None:
        """The last header of that name."""
        for key, value in reversed(self.headers):
            if key == name:
                return value
        return None


class Sealed(bytes):
    """The value of a record that stands for a batch from which no record can be got: its bytes as
    they came. `said`: why."""

    said: str

    def __new__(cls, batch: bytes, said: str) -> Self:
        made = super().__new__(cls, batch)
        made.said = said
        return made


Reason = Literal["refused", "permanent", "unexpected", "killed"]


@frozen
class Fault:
    """Why a record is given up, after how many hearings."""

    reason: Reason
    error: str
    attempts: int


class Delivery(Protocol):
    """One hearing of a record."""

    @property
    def record(self) -> Record: ...

    def settle(self) -> None:
        """The record counts as heard for its offset from now on, although the work goes on:
        a claim stands, so the lease recovers it (protocol 6.1)."""
        ...

    def leave(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Once this hearing has ended well the next of its lane may be heard, and the record counts
        as heard when the work is done. If the work fails the record is heard again. Once."""
        ...


@frozen
class Outgoing:
    """A record to publish."""

    topic: str
    value: bytes | None
    key: bytes | None = None
    headers: Headers = ()
    partition: int | None = None


Hear = Callable[[Delivery], Awaitable[None]]
Marking = Callable[[Mapping[tuple[str, int], int]], Awaitable[None]]
Buried = Callable[[Record, Fault], Awaitable[None]]
Lane = Callable[[Record], str]


@dataclass(frozen=True)
class Listen:
    """A subscription. Records of one lane are heard one after the other, lanes side by side.

    A Transient raised by `hear` is retried with backoff without holding up other lanes; a
    Permanent (or anything else, after some tries) sends the record to `<topic>.dlq`.
    `broadcast` reads every partition from the end, without a group (the gateway's stream).
    `assigned` is told when partitions were assigned, before any of their records is heard;
    `began_anew` when the broker has lost what it had (protocol 16.3).
    While `awaited` is there and not set, nobody waits for the records: they may be fetched some
    times a second, which costs less than one by one.
    `buried` is told of a record that is given up, behind its dead letter. What is heard as a
    broadcast has none: it is dropped, and counted.
    Who is `patient` lets others of this process go first with what came at the same moment: what a
    person waits to see is on its way before what follows from it is decided.
    `marking` is told the offsets by (topic, partition) before they are committed; what it cannot
    note is not committed.
    `counted` are topics of which a record that kills who hears it is counted elsewhere (in the
    ledger, in the inbox), or not heard again: one of this process need not have left before it is
    heard (`early`).
    `outside`: other systems publish there, too.
    """

    topics: Sequence[str]
    group: str
    hear: Hear
    lane: Lane
    limit: int = 256  # how many are heard at once
    broadcast: bool = False
    assigned: Callable[[], None] | None = None
    began_anew: Callable[[], None] | None = None
    awaited: asyncio.Event | None = None
    buried: "Buried | None" = None
    marking: Marking | None = None
    patient: bool = False
    counted: Sequence[str] = ()
    outside: bool = False


class Bus(Protocol):
    """Publishes with acknowledgement and hears at least once."""

    async def publish(
        self,
        topic: str,
        *,
        value: bytes | None,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        """Returns when the broker has acknowledged.

        Raises:
            Transient: the broker did not acknowledge in time.
            Permanent: the broker will never take it (too large).
        """
        ...

    async def publish_many(self, records: Sequence[Outgoing]) -> None:
        """Publish without waiting for one before the next is sent. In order on each partition.

        Returns when the broker has acknowledged all; raises what `publish` raises. Records behind
        one that failed on the client's side are not sent.
        """
        ...

    def listen(self, listen: Listen) -> None:
        """Declare a subscription, before `start`."""
        ...

    def partitions(self, topic: str) -> int:
        """How many partitions the topic has, after `start`."""
        ...

    def near(self, topic: str) -> bool:
        """Whether what is published there is heard in this process, and at once."""
        ...

    async def start(self) -> None:
        """Connect (waiting for a broker that is not there, 16.2) and begin to hear."""
        ...

    async def stop(self, grace_s: float = 10.0) -> None:
        """Hear nothing new, finish what is being heard within the grace, commit, disconnect."""
        ...

    def ready(self) -> str | None:
        """None when consumers are assigned and polling; else what is missing."""
        ...
