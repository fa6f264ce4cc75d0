"""Fetch sessions: after each request the broker knows just what is wanted, whatever was lost."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.protocol.fetch import FetchRequest, FetchRequest_v4, FetchRequest_v8, FetchRequest_v11
from aiokafka.protocol.metadata import MetadataRequest
from hypothesis import given
from hypothesis import strategies as st

from actalog_bus.fetch_sessions import (
    BEGIN,
    LAST_EPOCH,
    NO_SESSION,
    NONE,
    UNKNOWN_SESSION,
    Ask,
    Asked,
    FetchSession,
    FetchSessions,
)

INVALID_EPOCH, BROKEN = 71, -1
ONE, OTHER = ("t", 0), ("t", 1)


class Broker:
    """What KIP-227 asks of a broker: sessions, each with what its consumer wants and the epoch of
    the next request."""

    def __init__(self) -> None:
        self.sessions: dict[int, tuple[int, Asked]] = {}
        self.made = 0

    def hear(self, ask: Ask) -> tuple[int, int, Asked]:
        """Error, session and what is fetched."""
        if ask.epoch == NO_SESSION:
            return 0, NONE, dict(ask.changed)
        if ask.epoch == BEGIN:
            self.sessions.pop(ask.id, None)
            self.made += 1
            self.sessions[self.made] = (1, dict(ask.changed))
            return 0, self.made, dict(ask.changed)
        if ask.id not in self.sessions:
            return UNKNOWN_SESSION, NONE, {}
        due, wanted = self.sessions[ask.id]
        if due != ask.epoch:
            return INVALID_EPOCH, NONE, {}
        kept = {at: asked for at, asked in wanted.items() if at not in ask.forgotten}
        self.sessions[ask.id] = (due + 1, kept | ask.changed)
        return 0, ask.id, kept | ask.changed


places = st.tuples(st.sampled_from("ab"), st.integers(0, 2))
wishes = st.dictionaries(places, st.tuples(st.integers(0, 3), st.just(1_000)))
fates = st.sampled_from(
    ["heard", "heard", "heard", "request lost", "answer lost", "evicted", "new"]
)


@given(st.lists(st.tuples(wishes, fates), max_size=30))
def test_a_broker_fetches_what_is_wanted_and_nothing_else(steps: Sequence[tuple[Asked, str]]):
    broker, session, unheard = Broker(), FetchSession(), 0
    for wanted, fate in steps:
        if fate == "evicted":
            broker.sessions.clear()
        if fate == "new":
            broker = Broker()
        ask = session.ask(wanted)
        if fate == "request lost":
            session.lost()
            continue
        error, id, fetched = broker.hear(ask)
        if fate == "answer lost":
            session.lost()
            unheard += ask.epoch == BEGIN  # of that session nobody ever learns
            continue
        session.answered(error, id)
        if error:  # then at once anew, and whole
            error, id, fetched = broker.hear(session.ask(wanted))
            session.answered(error, id)
        assert not error
        assert fetched == wanted
    assert len(broker.sessions) <= 1 + unheard  # none is left behind


def test_what_did_not_change_is_not_said_again():
    session = FetchSession()
    wanted = {ONE: (5, 100), OTHER: (7, 100)}
    assert session.ask(wanted) == Ask(NONE, BEGIN, wanted)
    session.answered(0, 3)
    assert session.ask(wanted) == Ask(3, 1, {})
    session.answered(0, 3)
    assert session.ask({ONE: (6, 100)}) == Ask(3, 2, {ONE: (6, 100)}, [OTHER])
    session.answered(0, 3)
    assert session.ask(wanted) == Ask(3, 3, wanted)


def test_a_broker_without_room_for_sessions_is_told_everything_each_time():
    session = FetchSession()
    for _ in range(3):
        assert session.ask({ONE: (5, 100)}) == Ask(NONE, BEGIN, {ONE: (5, 100)})
        session.answered(0, NONE)


def test_who_refuses_a_whole_request_is_asked_without_a_session():
    session = FetchSession()
    session.ask({ONE: (5, 100)})
    session.answered(BROKEN, NONE)
    for _ in range(2):
        assert session.ask({ONE: (5, 100)}) == Ask(NONE, NO_SESSION, {ONE: (5, 100)})
        session.answered(0, NONE)


def test_epochs_begin_again_behind_the_last_and_not_with_that_of_a_first_request():
    session = FetchSession(id=3, epoch=LAST_EPOCH)
    session.ask({})
    session.answered(0, 3)
    assert (session.id, session.epoch) == (3, 1)


# The request as it is sent.


def _request(*partitions: tuple[int, int]) -> FetchRequest:
    topics = [("t", [(partition, offset, 100) for partition, offset in partitions])]
    return FetchRequest(500, 1, 50_000_000, 1, topics, rack_id="near")


class Client:
    """Answers with what the test says, and keeps what was sent."""

    def __init__(self, version: Any = FetchRequest_v11) -> None:
        self.version, self.sent = version, list[Any]()
        self.answers: list[tuple[int, int] | BaseException] = []

    async def send(self, node_id: int, request: Any, **_: Any) -> Any:
        self.sent.append(
            request.build(self.version) if isinstance(request, FetchRequest) else request
        )
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        error, session = answer
        return SimpleNamespace(
            API_VERSION=self.version.API_VERSION, error_code=error, session_id=session
        )


def _said(request: Any) -> tuple[int, int, Any, Any]:
    return request.session_id, request.session_epoch, request.topics, request.forgotten_topics_data


@pytest.mark.parametrize("version", [FetchRequest_v8, FetchRequest_v11])
async def test_requests_say_what_changed(version: Any):
    client = Client(version)
    sessions = FetchSessions(client.send)
    client.answers = [(0, 9), (0, 9)]
    await sessions.send(1, _request((0, 5), (1, 7)))
    await sessions.send(1, _request((0, 6)))
    unknown = (-1,) if version is FetchRequest_v11 else ()
    first, second = client.sent
    whole = [(0, *unknown, 5, -1, 100), (1, *unknown, 7, -1, 100)]
    assert _said(first) == (NONE, BEGIN, [("t", whole)], [])
    assert _said(second) == (9, 1, [("t", [(0, *unknown, 6, -1, 100)])], [("t", [1])])
    assert getattr(first, "rack_id", "near") == "near"
    kept = (second.max_wait_time, second.min_bytes, second.max_bytes, second.isolation_level)
    assert kept == (500, 1, 50_000_000, 1)
    again: Any = version.decode(second.encode())
    assert again.forgotten_topics_data == [("t", [1])]


async def test_each_broker_has_a_session_of_its_own():
    client = Client()
    sessions = FetchSessions(client.send)
    client.answers = [(0, 9), (0, 4), (0, 9)]
    await sessions.send(1, _request((0, 5)))
    await sessions.send(2, _request((1, 5)))
    await sessions.send(1, _request((0, 5)))
    assert [_said(one)[:2] for one in client.sent] == [(NONE, BEGIN), (NONE, BEGIN), (9, 1)]


@pytest.mark.parametrize("error", [OSError(), asyncio.CancelledError()])
async def test_an_answer_that_did_not_come_ends_the_session(error: BaseException):
    client = Client()
    sessions = FetchSessions(client.send)
    client.answers = [(0, 9), error, (0, 10), (0, 10)]
    await sessions.send(1, _request((0, 5)))
    with pytest.raises(type(error)):
        await sessions.send(1, _request((0, 6)))
    await sessions.send(1, _request((0, 6), (1, 7)))
    await sessions.send(1, _request((0, 6), (1, 7)))
    _, _, anew, next_one = client.sent
    assert _said(anew)[:2] == (9, BEGIN)  # the broker forgets the old one
    assert anew.topics == [("t", [(0, -1, 6, -1, 100), (1, -1, 7, -1, 100)])]
    assert _said(next_one) == (10, 1, [], [])


async def test_old_brokers_and_other_requests_are_spoken_to_as_before():
    client = Client(FetchRequest_v4)
    sessions = FetchSessions(client.send)
    client.answers = [(0, 0), (0, 0)]
    await sessions.send(1, _request((0, 5)))
    other = MetadataRequest()
    await sessions.send(1, other)
    assert client.sent[0].topics == [("t", [(0, 5, 100)])]
    assert client.sent[1] is other
