"""Fetch sessions (KIP-227): a consumer tells the broker what changed, and not each partition again.

aiokafka names every partition with each fetch, and is answered for every partition, also for those
of which there is nothing new. Of a run alone that is a quarter of the CPU time. With a session the broker
remembers what was asked: a request has what changed since, an answer what there is. Who keeps no
sessions says so by 0, and is asked as before.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiokafka.protocol.fetch import FetchRequest

Topics: TypeAlias = Sequence[
    tuple[str, Sequence[tuple[int, int, int]]]
]  # (partition, offset, bytes)
Place: TypeAlias = tuple[str, int]
Asked: TypeAlias = dict[Place, tuple[int, int]]  # from which offset, and how many bytes at most

NONE, BEGIN, NO_SESSION = (
    0,
    0,
    -1,
)  # the id of no session; epochs: of a first request, of no session
SESSIONS_SINCE, LEADER_EPOCH_SINCE, RACK_SINCE = 7, 9, 11  # versions of the request
LAST_EPOCH = 2**31 - 1
UNKNOWN_SESSION = 70  # FETCH_SESSION_ID_NOT_FOUND

# Every client of aiokafka's sends a request to a node so.
Send: TypeAlias = Callable[..., Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request says of its session: what is new or changed, and what to forget."""

    id: int
    epoch: int
    changed: Asked
    forgotten: list[Place] = field(default_factory=list[Place])


@dataclass(slots=True)
class FetchSession:
    """What one broker remembers of one consumer."""

    id: int = NONE
    epoch: int = BEGIN
    known: Asked = field(default_factory=dict[Place, tuple[int, int]])
    refused: bool = False  # a whole request was: this broker is asked without a session

    def ask(self, wanted: Asked) -> Ask:
        """The next request for these partitions."""
        if self.refused:
            return Ask(NONE, NO_SESSION, wanted)
        known, self.known = self.known, wanted
        if self.epoch == BEGIN:
            return Ask(self.id, BEGIN, wanted)
        changed = {at: asked for at, asked in wanted.items() if known.get(at) != asked}
        return Ask(self.id, self.epoch, changed, [at for at in known if at not in wanted])

    def answered(self, error: int, session: int) -> None:
        """The broker's answer to what was asked last."""
        if error:
            self.refused = self.epoch == BEGIN
            self.lost()
            if error == UNKNOWN_SESSION:
                self.id = NONE
        elif session == NONE:
            self.id, self.epoch = NONE, BEGIN
        else:
            self.id, self.epoch = session, self.epoch % LAST_EPOCH + 1

    def lost(self) -> None:
        """Nobody knows whether the broker heard what was asked last: a new session takes this one's
        place."""
        self.epoch = BEGIN


class _InSession(FetchRequest):
    """A fetch of aiokafka's, said to a broker that remembers."""

    def __init__(self, plain: Any, session: FetchSession) -> None:
        self._plain, self._session = plain, session

    def build(self, request_struct_class: Any) -> Any:
        plain, version = self._plain, request_struct_class.API_VERSION
        if version < SESSIONS_SINCE:
            return plain.build(request_struct_class)
        topics: Topics = plain.topics
        ask = self._session.ask(
            {(topic, p): (at, most) for topic, ps in topics for p, at, most in ps}
        )
        epoch = (-1,) if version >= LEADER_EPOCH_SINCE else ()  # of leaders, not known
        changed: dict[str, list[tuple[int, ...]]] = {}
        for (topic, partition), (offset, most) in ask.changed.items():
            changed.setdefault(topic, []).append((partition, *epoch, offset, -1, most))
        forgotten: dict[str, list[int]] = {}
        for topic, partition in ask.forgotten:
            forgotten.setdefault(topic, []).append(partition)
        return request_struct_class(
            -1,  # no replica
            plain._max_wait_ms, plain._min_bytes, plain._max_bytes, plain._isolation_level,
            ask.id, ask.epoch, list(changed.items()), list(forgotten.items()),
            *((plain._rack_id,) if version >= RACK_SINCE else ()),
        )  # fmt: skip


class FetchSessions:
    """The sessions of one consumer, one for each broker."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.of: dict[int, FetchSession] = {}

    async def send(self, node_id: int, request: Any, **how: Any) -> Any:
        """As `AIOKafkaClient.send`; what is no fetch goes as it is."""
        if not isinstance(request, FetchRequest):
            return await self._send(node_id, request, **how)
        session = self.of.setdefault(node_id, FetchSession())
        try:
            answer = await self._send(node_id, _InSession(request, session), **how)
        except BaseException:  # cancelled, too
            session.lost()
            raise
        if answer.API_VERSION >= SESSIONS_SINCE:
            session.answered(answer.error_code, answer.session_id)
        return answer


def keep_sessions(consumer: Any) -> FetchSessions:
    """From its next fetch on."""
    client = consumer._client
    sessions = FetchSessions(client.send)
    client.send = sessions.send
    return sessions
