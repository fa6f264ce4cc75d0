"""What the audit feed adds to a restored log, and what nobody can have again."""

from collections.abc import Sequence
from datetime import UTC, datetime

import orjson
import pytest

from actalog.recovery.bringing import follows
from actalog_conductor.publish import event_record
from actalog_contracts.runs import RunAccepted, RunEvent, RunStarted
from actalog_contracts.tasks import OutputRef, PublishedEvent
from actalog_core.clock import rfc3339
from actalog_core.events import encode
from actalog_log import chain
from actalog_log.ports import FoundRun, Head, NewEvent, RunRow

NOW = datetime(2026, 11, 24, 16, 0, 0, 123456, tzinfo=UTC)
ROW = RunRow(
    run_no=7, tenant_id="default", run_id="r", session_id="s", turn=3, kind="agent",
    target="agent:a", definition="sha256:d", body_digest="hmac:b", accepted_at=NOW, user_id="u",
)  # fmt: skip
ACCEPTED = RunAccepted(
    kind="agent", target="agent:a", definition="sha256:d", body_digest="hmac:b", input="héllo",
    accepted_at=rfc3339(NOW), deadline=rfc3339(NOW),
)  # fmt: skip


def published(events: Sequence[RunEvent], row: RunRow = ROW) -> dict[int, PublishedEvent]:
    """As the conductor publishes them."""
    made = [NewEvent(*encode(event), NOW, causation_id="c") for event in events]
    linked = chain.link(row.run_no, Head(0, chain.row_digest(row)), made)
    told = [event_record(row, one, new.payload)[1] for one, new in zip(linked, made, strict=True)]
    return {one.seq: one for one in map(PublishedEvent.model_validate_json, told)}


FEED = published([ACCEPTED, RunStarted(), RunStarted(), RunStarted()])


def found(seq: int) -> FoundRun:
    head = Head(seq, bytes.fromhex(FEED[seq].hash))
    return FoundRun(ROW, head, "active", seq)


def test_a_run_that_the_log_does_not_know_comes_back_with_its_row():
    brought = follows(None, FEED)
    assert brought is not None
    assert (brought.row, brought.new, brought.lost_from) == (ROW, True, None)
    assert [one.hash.hex() for one in brought.events] == [FEED[n].hash for n in (1, 2, 3, 4)]


def test_a_known_run_gets_what_follows_its_head_and_no_more():
    brought = follows(found(2), FEED)
    assert brought is not None
    assert [one.seq for one in brought.events] == [3, 4]
    assert not brought.new


def test_a_run_that_the_log_has_whole_is_let_alone():
    assert follows(found(4), FEED) is None
    assert follows(found(4), {2: FEED[2]}) is None


@pytest.mark.parametrize("change", [
    {"hash": "00" * 32}, {"rules_version": None}, {"causation_id": "other"}, {"rules_version": 2},
    {"payload_ref": OutputRef(digest="d", bytes=1, url="u")}, {"payload": {"x": 1}},
])  # fmt: skip
def test_a_run_ends_before_what_cannot_be_had_again(change: dict[str, object]):
    brought = follows(found(1), {**FEED, 3: FEED[3].model_copy(update=change)})
    assert brought is not None
    assert [one.seq for one in brought.events] == [2]
    assert brought.lost_from == 3
    assert brought.why


def test_a_gap_ends_a_run_as_well():
    brought = follows(found(1), {n: FEED[n] for n in (1, 2, 4)})
    assert brought is not None
    assert (len(brought.events), brought.lost_from) == (1, 3)


def test_a_log_that_went_another_way_is_told():
    other = FoundRun(ROW, Head(2, b"x" * 32), "active", 2)
    brought = follows(other, FEED)
    assert brought is not None
    assert (brought.events, brought.lost_from) == ((), 2)


@pytest.mark.parametrize("feed", [
    {2: FEED[2]},
    {1: FEED[1].model_copy(update={"run_no": None})},
    {1: FEED[1].model_copy(update={"turn": 9})},
    {1: FEED[1].model_copy(update={"type": "run.started.v1"})},
])  # fmt: skip
def test_a_row_that_cannot_be_made_again_is_not_guessed(feed: dict[int, PublishedEvent]):
    with pytest.raises(ValueError, match="its first event"):
        follows(None, feed)


def test_content_is_carried_byte_for_byte():
    brought = follows(None, FEED)
    assert brought is not None
    assert orjson.loads(chain.unseal(brought.events[0].payload))["input"] == "héllo"
