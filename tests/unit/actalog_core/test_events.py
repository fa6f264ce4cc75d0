from typing import get_args

import pytest

from actalog_contracts.runs import ContextBuilt, Event, RunCancelled, RunEvent, ToolReturned
from actalog_core import events
from actalog_core.errors import NewerBuild, Undecodable


def test_an_event_survives_the_log():
    event = ToolReturned(call_id="r:t1.0", content="é\n", truncated=True)
    assert events.decode(*events.encode(event)) == event


def test_a_field_that_is_none_leaves_no_bytes():
    assert b'"reason"' not in events.encode(RunCancelled())[1]


def test_an_unknown_field_of_a_newer_build_is_ignored():
    assert events.decode("run.started.v1", b'{"later":1}').type == "run.started.v1"


def test_an_event_of_a_newer_build_is_waited_for():
    with pytest.raises(NewerBuild, match=r"run\.flown\.v9"):
        events.decode("run.flown.v9", b"{}")
    assert events.written_by_newer("run.flown.v9")
    assert not events.written_by_newer("run.started.v1")


def test_an_old_version_is_read_as_the_next_ones(monkeypatch: pytest.MonkeyPatch):
    upcasters: dict[str, events.Upcaster] = {
        "run.stopped.v1": lambda told: ("run.stopped.v2", {"why": told["text"]}),
        "run.stopped.v2": lambda told: ("run.cancelled.v1", {"reason": told["why"]}),
    }
    monkeypatch.setattr(events, "UPCASTERS", upcasters)
    assert events.decode("run.stopped.v1", b'{"text":"enough"}') == RunCancelled(reason="enough")
    assert not events.written_by_newer("run.stopped.v1")


@pytest.mark.parametrize(("kind", "payload"), [("tool.returned.v1", b"{}"), ("x", b"{")])
def test_what_this_build_cannot_read_is_not_guessed_at(kind: str, payload: bytes):
    with pytest.raises(Undecodable, match=kind):
        events.decode(kind, payload)


@pytest.mark.parametrize("kind", get_args(RunEvent))
def test_a_field_that_may_be_none_may_also_be_left_out(kind: type[Event]):
    # `encode` leaves None out, so such a field without a default could not be read again.
    for name, field in kind.model_fields.items():
        assert not (type(None) in get_args(field.annotation) and field.is_required()), name


def test_an_event_that_is_the_same_in_all_runs_is_encoded_as_every_other_one():
    one = events.same(ContextBuilt(reasons=("nothing",)))
    told = events.encode(one)
    assert told == events.encode(ContextBuilt(reasons=("nothing",)))
    assert events.encode(one) is told
