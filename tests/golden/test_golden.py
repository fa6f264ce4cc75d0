"""Logs that older builds wrote are read, rebuilt and replayed by every later one, for ever.

A log fails here when an event's shape, a decider or the rendering of prompts changed. Then the old
type gets an upcaster, and the new one a log of its own; the kept logs stay as they are.
"""

from pathlib import Path

import pytest

from actalog.rebuilding import recorded
from actalog.replaying import EventsDiffer, replay
from actalog_conductor.kinds import KINDS
from actalog_conductor.live import Live, identity, last_told, new
from actalog_conductor.results import result_of
from actalog_core.events import RULES_VERSION, UPCASTERS, decode, known_types
from actalog_log import chain
from actalog_log.memory import MemoryLog
from actalog_log.ports import Append, Decision, Head
from tests.golden.kept import Kept, digest, paths, read, seals

EVERY = pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
FORMAT_1 = b"\x01\x00\x00\x00\x00"  # how payloads were sealed then


def sealed(run: Kept) -> list[bytes]:
    return [FORMAT_1 + event.payload for event in run.events]


async def loaded(runs: list[Kept]) -> MemoryLog:
    log = MemoryLog()
    for run in runs:
        body = run.definition.model_dump_json().encode()
        await log.put_definition(run.row.definition, "agent", run.definition.id, body)
        linked = tuple(
            event._replace(payload=payload)
            for event, payload in zip(run.events, sealed(run), strict=True)
        )
        head = Head(0, chain.row_digest(run.row))
        await log.append(
            Decision(
                (Append(run.row.run_no, head, (), row=run.row, linked=linked, standing="ended"),)
            )
        )
    return log


def test_no_log_was_changed_or_lost():
    assert {path.name: digest(path) for path in paths()} == seals()


def test_every_event_that_was_ever_written_has_a_log():
    kept = {event.type for path in paths() for run in read(path) for event in run.events}
    assert kept == known_types() | set(UPCASTERS)


@EVERY
async def test_a_kept_log_has_its_chain_and_is_read(path: Path):
    runs = read(path)
    log = await loaded(runs)
    for run in runs:
        told = await log.read(run.row.run_no)  # verified on the way
        assert [event.hash for event in told] == [event.hash for event in run.events]


@EVERY
def test_a_kept_log_gives_the_result_that_was_told_then(path: Path):
    for run in read(path):
        kind = KINDS[run.row.kind]
        state = kind.initial(identity(run.row), run.definition)
        for event in run.events:
            state = kind.evolve(state, decode(event.type, event.payload))
        if run.result is not None:
            began = new(run.row, state)
            last = run.events[-1]
            live = Live(
                run.row, state, Head(last.seq, last.hash), last.seq, *last_told(began, run.events)
            )
            told = result_of(live).model_dump(mode="json", exclude_none=True)
            assert told == run.result


# Since these rules, the event at this seq is followed by another.
MEANT = {"tool-in-doubt": (2, 6, "run.paused.v1")}


@EVERY
async def test_a_kept_log_is_replayed_without_a_difference_that_is_not_meant(path: Path):
    runs = read(path)
    log = await loaded(runs)
    for run in runs:
        found = await log.find_run_no(run.row.run_no)
        assert found is not None
        differs = await replay(log, await recorded(log, found))
        if path.stem not in MEANT:
            assert differs is None
            continue
        since, seq, today = MEANT[path.stem]
        assert isinstance(differs, EventsDiffer)
        assert (differs.seq, differs.today[-1].type) == (seq, today)
        assert all(one.rules_version < since <= RULES_VERSION for one in run.events)
