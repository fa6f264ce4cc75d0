"""What must be true of a cell once it is over, seen from outside."""

import asyncio
import json
import os
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.cell_model import FACTS
from tests.chaos.cell_place import Place
from tests.chaos.cell_work import WORKS, Done
from tests.chaos.cells import Cell
from tests.witness import differences

ENDS_WITHIN_S = 60
REMEMBERED_WITHIN_S = 20
WAITS_MOST_S = 25  # on a busy machine; the net below all others, a wake, is 30 s away

# A child that came later waited for nothing.
_NEXT = """
    select min(e.recorded_at) as next from events e join runs r using (run_no)
    where e.recorded_at > $1 and (r.run_id = any($2) or (r.parent_run_id = any($2) and exists (
        select from events o where o.run_no = e.run_no and o.recorded_at <= $1)))
    group by e.run_no
"""
_NOT_SUMMARISED = """
    select count(*) from runs r where run_id = any($1) and not exists (
        select from summaries s where s.tenant_id = r.tenant_id and s.session_id = r.session_id
        and s.turn >= r.turn)
"""


@dataclass
class Outcome:
    """`wrong` says what was not as it must be; empty: nothing."""

    cell: Cell
    wrong: str = ""
    runs: int = 0
    in_flight: int = 0
    lost: int = 0
    repeated: int = 0
    in_doubt: int = 0
    recovery_s: list[float] = field(default_factory=list[float])
    took_s: float = 0.0

    def write(self) -> None:
        """One line for whoever makes the table."""
        if file := os.environ.get("ACTALOG_CHAOS_RESULTS"):
            told = {
                "suite": "cells", "cell": self.cell.id, "fault": self.cell.fault, "injected": 1,
                "in_flight": self.in_flight, "runs": self.runs, "lost": self.lost,
                "repeated_effects": self.repeated, "in_doubt": self.in_doubt,
                "recovery_s": [round(one, 3) for one in self.recovery_s],
            }  # fmt: skip
            with Path(file).open("a") as out:
                out.write(json.dumps(told) + "\n")


async def happen(place: Place, cell: Cell, name: str) -> Outcome:
    """One cell, from the victim's start to the checks."""
    began = time.monotonic()
    outcome = Outcome(cell)
    place.asked.clear()
    try:
        done = await WORKS[cell.work](place, cell, name)
        outcome.runs, outcome.in_flight = len(done.runs), done.in_flight
        await ended(place, cell, done, outcome)
        await as_it_must_be(place, done)
        await place.quiet()  # what is told yet, of what remembers, too, would count as a passage
        assert max(outcome.recovery_s) < WAITS_MOST_S, f"it waited {outcome.recovery_s} s"
    except Exception:  # noqa: BLE001 - whatever it is, the other cells go on
        outcome.wrong = traceback.format_exc()
    try:
        await _alone_again(place)
    except Exception:  # noqa: BLE001
        outcome.wrong = outcome.wrong or traceback.format_exc()
    outcome.took_s = time.monotonic() - began
    outcome.write()
    return outcome


async def ended(place: Place, cell: Cell, done: Done, outcome: Outcome) -> None:
    """Every run has one end, and every effect happened as often as was declared."""
    try:
        results = await place.outside.wait_for(set(done.runs), within_s=ENDS_WITHIN_S)
        assert {one["status"] for one in results.values()} == {"completed"}, results
    finally:
        ended = {one["run_id"]: one["id"] for one in _ends(place)}
        outcome.lost = len(set(done.runs) - ended.keys())
        outcome.in_doubt = len(place.asked)
        effects = [place.journal(what, one) for one in done.runs for what in ("charge", "refund")]
        outcome.repeated = sum(max(0, len(one) - 1) for one in effects)
    await place.quiet()
    outcome.recovery_s = await _recovery_s(place, done.runs)
    ids = {(one["run_id"], one["id"]) for one in _ends(place) if one["run_id"] in set(done.runs)}
    assert len(ids) == len(done.runs), ids
    assert outcome.repeated == 0
    if cell.work == "alone":  # of many runs some may have been at a tool
        assert all([await _was_asked(place, *one) for one in place.asked.items()]), place.asked
    else:
        assert outcome.in_doubt == cell.doubts, f"{place.asked} are in doubt, not {cell.doubts}"


async def _was_asked(place: Place, requirement_id: str, run_id: str) -> bool:
    """Whether the call that is in doubt was asked for when the victim died."""
    call_id = requirement_id.rpartition(":doubt")[0]
    found = await place.log.find_run("default", run_id)
    assert found is not None
    at = datetime.fromtimestamp(place.died_at, UTC)
    return any(
        one.type == "tool.called.v1" and one.recorded_at <= at
        and json.loads(one.payload)["call_id"] == call_id
        for one in await place.log.read(found.row.run_no)
    )  # fmt: skip


def _ends(place: Place) -> list[dict[str, str]]:
    return [
        one for one in place.outside.results
        if one["type"] == "run.result.v1" and one["status"] != "paused"
    ]  # fmt: skip


async def _recovery_s(place: Place, runs: Sequence[str]) -> list[float]:
    """From the death to the next event of the run that waited longest for one, be it one that
    remembers; to its result, where that alone was missing."""
    at = datetime.fromtimestamp(place.died_at, UTC)
    rows = await place.database.fetch(_NEXT, at, runs)
    waited = [(row["next"] - at).total_seconds() for row in rows]
    if not waited:
        results = [record.timestamp / 1_000 for record in place.outside.records["results"]]
        waited = [one - place.died_at for one in results if one > place.died_at][:1]
    return [max(waited)] if waited else []


async def as_it_must_be(place: Place, done: Done) -> None:
    for run_id in done.runs:
        if done.agent == "asks":
            assert len(place.journal("refund", run_id)) == 1
        else:
            order = await _order(place, run_id)
            assert len(place.journal("charge", order)) == 1
            assert len(set(place.journal("book", order))) == 1
        await _told_in_order(place, run_id)
    await _replays(place, done.runs)
    if done.agent == "clerk":
        await _remembered(place, done.runs)


async def _order(place: Place, run_id: str) -> str:
    """What the run was about: its own id, where the client gave it one."""
    session = await place.database.fetchval("select session_id from runs where run_id = $1", run_id)
    return session if place.service == "gateway" else run_id


async def _told_in_order(place: Place, run_id: str) -> None:
    """Every event was published, in order; repeats have the same id."""
    last = await place.database.fetchval(
        "select max(seq) from events join runs using (run_no) where run_id = $1", run_id
    )
    await place.until(
        lambda: max(place.outside.in_order().get(run_id, [0])) >= last, "events are published"
    )
    assert list(place.outside.in_order()[run_id]) == list(range(1, last + 1))


async def _replays(place: Place, runs: Sequence[str]) -> None:
    """The chain holds and today's code decides the same, for the runs and those that remember."""
    rows = await place.database.fetch(
        "select run_no from runs where run_id = any($1) or parent_run_id = any($1)", runs
    )
    for row in rows:
        found = await place.log.find_run_no(row["run_no"])
        assert found is not None
        assert await differences(place.log, found) == []


async def _remembered(place: Place, runs: Sequence[str]) -> None:
    """What each run added to what is known of its user is there once, all of it."""
    users = await place.database.fetch(
        "select subject, count(*) as runs from runs where run_id = any($1) group by 1", runs
    )
    want = {row["subject"]: sorted(FACTS * row["runs"]) for row in users}
    until = time.monotonic() + REMEMBERED_WITHIN_S
    while True:
        rows = await place.database.fetch(
            "select subject, array_agg(text order by text) as told from memories"
            " where subject = any($1) group by 1", list(want),
        )  # fmt: skip
        found = {row["subject"]: row["told"] for row in rows}
        unread = await place.database.fetchval(_NOT_SUMMARISED, runs)
        if found == want and not unread:
            return
        assert time.monotonic() < until, (found, want, unread)
        await asyncio.sleep(0.1)


async def _alone_again(place: Place) -> None:
    """The successor has started; a second copy leaves, and the group settles."""
    process = place.fleet.running.get(place.each)
    if process is not None and process.poll() is not None:  # it died where it should not
        del place.fleet.running[place.each]
    elif process is not None:
        await place.fleet.ready(place.each)
    other = f"{place.service}-1"
    if other in place.fleet.running:
        await place.leave(other)
        await asyncio.sleep(1)
