from dataclasses import replace
from datetime import UTC, datetime

import pytest

from actalog_core.canonical import sha256_parts
from actalog_core.errors import ChainBroken, NewerBuild
from actalog_log import chain
from actalog_log.ports import Head, NewEvent, RunRow, StoredEvent

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ROW = RunRow(
    run_no=7, tenant_id="t", run_id="r", session_id="s", turn=1, kind="agent", target="agent:a",
    definition="d", body_digest="b", accepted_at=NOW, user_id="u",
)  # fmt: skip
START = Head(0, chain.row_digest(ROW))


def three() -> list[StoredEvent]:
    new = [NewEvent(f"e{n}", b"{}", NOW) for n in range(3)]
    return chain.link(7, START, new)


def test_a_chain_that_was_linked_verifies():
    told = chain.verified(three(), START.hash)
    assert [event.payload for event in told] == [b"{}"] * 3


@pytest.mark.parametrize("previous", [b"", START.hash])
@pytest.mark.parametrize("cause", [None, "", "call-1"])
def test_an_event_hashes_as_its_length_prefixed_parts(previous: bytes, cause: str | None):
    (event, *_) = chain.link(7, Head(41, previous), [NewEvent("e.v1", b"[1]", NOW, cause, 2)])
    told = b"\x00" if cause is None else b"\x01" + cause.encode()
    assert event.hash == sha256_parts(
        previous, b"42", b"e.v1", b"2", b"\x01\0\0\0\0[1]", told, b"2026-11-24T00:00:00.000000Z"
    )


@pytest.mark.parametrize(
    "change",
    [
        {"payload": chain.seal(b"[]")}, {"type": "x"}, {"seq": 9}, {"rules_version": 2},
        {"causation_id": ""}, {"recorded_at": NOW.replace(year=2025)}, {"hash": b""},
    ],
)  # fmt: skip
def test_any_change_of_an_event_breaks_the_chain_at_its_row(change: dict[str, object]):
    events = three()
    events[1] = events[1]._replace(**change)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ChainBroken, match="run_no 7, seq"):
        chain.verified(events, START.hash)


def test_events_that_were_swapped_or_left_out_break_the_chain():
    one, two, three_ = three()
    for tampered in ([two, one, three_], [one, three_], [two, three_]):
        with pytest.raises(ChainBroken):
            chain.verified(tampered, START.hash)


@pytest.mark.parametrize(
    "change",
    [
        {"tenant_id": "x"}, {"session_id": "x"}, {"turn": None}, {"parent_run_id": "p"},
        {"fork_hash": b"\x01" * 32},
    ],
)  # fmt: skip
def test_the_row_is_part_of_the_chain(change: dict[str, object]):
    other = replace(ROW, **change)  # pyright: ignore[reportArgumentType]
    assert chain.row_digest(other) != chain.row_digest(ROW)


def test_the_number_and_the_user_are_not_part_of_the_chain():
    assert chain.row_digest(replace(ROW, run_no=8, user_id=None)) == chain.row_digest(ROW)


def test_an_envelope_of_a_newer_build_is_not_guessed_at():
    with pytest.raises(NewerBuild, match="ff"):
        chain.unseal(b"\xff....")
