"""What must hold whatever went wrong: judged by the log, what was published, and the journal of
what tools did. Numbers are those of the invariants."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from actalog.rebuilding import Recorded, recorded
from actalog_contracts.runs import (
    RequirementResolved,
    RunAccepted,
    ToolCalled,
    ToolInDoubt,
    ToolReturned,
)  # fmt: skip
from actalog_core.errors import ChainBroken
from actalog_log.postgres import PostgresLog
from tests.chaos.load import Load, Sent
from tests.chaos.person import effects
from tests.chaos.stage import Stage
from tests.simulation.world import ENDS
from tests.witness import differences

SETTLED = "call.settled.v1"


@dataclass
class Verdict:
    """`wrong` is empty when everything holds."""

    runs: dict[str, Recorded] = field(default_factory=dict[str, Recorded])
    wrong: list[str] = field(default_factory=list[str])
    lost: int = 0
    repeated: int = 0
    doubts: dict[str, float] = field(default_factory=dict[str, float])  # (run, call): when

    def add(self, said: Iterator[str]) -> int:
        """How many."""
        found = list(said)
        self.wrong += found
        return len(found)


async def children_ended(log: PostgresLog, load: Load, within_s: float) -> None:
    """What remembers, runs on after its parent's end."""
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        open = await log.pool.fetchval(
            "select count(*) from open_runs o join runs r using (run_no)"
            " where coalesce(r.parent_run_id, r.run_id) like $1 and o.standing <> 'ended'",
            f"{load.name}-%",
        )
        if not open:
            return
        await asyncio.sleep(0.2)


async def judged(stage: Stage, load: Load, *, wiped: bool) -> Verdict:
    """Look at everything that the load has asked for."""
    log = PostgresLog(stage.database.dsn, connections=4)
    await log.start()
    try:
        await children_ended(log, load, 30)
        verdict = Verdict()
        rows = await log.pool.fetch(
            "select run_no from runs where coalesce(parent_run_id, run_id) like $1 order by run_no",
            f"{load.name}-%",
        )
        for row in rows:
            await _read(log, row["run_no"], verdict)
    finally:
        await log.stop()
    done = [one for one in effects(stage.journal) if one["token"].startswith(f"{load.name}-")]
    verdict.lost = verdict.add(_lost(load, verdict.runs))
    verdict.add(_phantoms(load, verdict.runs))
    verdict.add(_ends(verdict.runs))
    verdict.add(_answers(load, verdict.runs))
    verdict.repeated = verdict.add(_repeated(done))
    verdict.add(_intended(done, verdict))
    verdict.add(_published(load, verdict.runs, wiped=wiped))
    return verdict


async def _read(log: PostgresLog, run_no: int, verdict: Verdict) -> None:
    found = await log.find_run_no(run_no)
    assert found is not None
    try:
        run = await recorded(log, found)
    except ChainBroken as error:
        verdict.wrong.append(f"I4: {error}")
        return
    verdict.runs[found.row.run_id] = run
    verdict.wrong += [f"I7: {one}" for one in await differences(log, found)]
    for stored, event in zip(run.stored, run.events, strict=True):
        if isinstance(event, ToolInDoubt):
            key = f"{found.row.run_id} {event.call_id} {event.epoch}"
            verdict.doubts[key] = stored.recorded_at.timestamp()


def _types(run: Recorded) -> list[str]:
    return [one.type for one in run.stored]


def _lost(load: Load, runs: dict[str, Recorded]) -> Iterator[str]:
    for sent in load.sent.values():
        run = runs.get(sent.task.run_id)
        if sent.accepted_at is None:
            continue
        if run is None:
            yield f"I1: {sent.task.run_id} was accepted and is nowhere"
        elif not set(_types(run)) & set(ENDS):
            yield f"I1: {sent.task.run_id} has no end: {_types(run)}"


def _phantoms(load: Load, runs: dict[str, Recorded]) -> Iterator[str]:
    for run_id, run in runs.items():
        parent = run.found.row.parent_run_id
        if parent is None and run_id not in load.sent:
            yield f"I2: nobody asked for {run_id}"
        if parent is not None and not set(_types(run)) & set(ENDS):
            yield f"I1: {run_id}, which {parent} started, has no end"
    children = Counter(run.found.row.parent_run_id for run in runs.values())
    yield from (f"I2: {one} has {n} children" for one, n in children.items() if one and n > 1)


def _ends(runs: dict[str, Recorded]) -> Iterator[str]:
    for run_id, run in runs.items():
        types = _types(run)
        ends = [at for at, kind in enumerate(types) if kind in ENDS]
        if len(ends) > 1:
            yield f"I3: {run_id} ended {len(ends)} times: {types}"
        elif ends and set(types[ends[0] + 1 :]) - {SETTLED}:
            yield f"I3: {run_id} went on after its end: {types}"
        if [one.seq for one in run.stored] != list(range(1, len(types) + 1)):
            yield f"I4: {run_id} has gaps"
        accepted = sum(isinstance(event, RunAccepted) for event in run.events)
        if accepted > 1:
            yield f"I2: {run_id} was accepted {accepted} times"


def _answers(load: Load, runs: dict[str, Recorded]) -> Iterator[str]:
    """Every answer is the one of a world without faults."""
    for sent in load.ended:
        told = sent.result
        if told is None:
            continue
        if told["status"] != "completed" or told.get("output") != sent.task.output:
            said = told.get("error") or told.get("output")
            yield f"I15: {sent.task.run_id} {told['status']}: {said!r}"


def _repeated(done: Sequence[dict[str, Any]]) -> Iterator[str]:
    by_token: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for one in done:
        by_token[one["token"]].append(one)
    for token, lines in by_token.items():
        name = lines[0]["tool"]
        if len({one["key"] for one in lines}) > 1:
            yield f"I5: {name} {token} had several keys"
        elif len(lines) > 1 and name in ("pay", "wire"):
            yield f"I5: {name} {token} happened {len(lines)} times: {lines}"


def _intended(done: Sequence[dict[str, Any]], verdict: Verdict) -> Iterator[str]:
    """No effect without intent; none taken for done that was not; none hidden."""
    called: dict[str, tuple[Recorded, ToolCalled]] = {}
    for run in verdict.runs.values():
        for event in run.events:
            if isinstance(event, ToolCalled):
                called[str(orjson.loads(event.arguments)["token"])] = (run, event)
    happened = {one["token"] for one in done}
    yield from (f"I2: {token} happened and nobody asked" for token in happened - called.keys())
    for token, (run, call) in called.items():
        mine = [one for one in run.events if getattr(one, "call_id", None) == call.call_id]
        answered = [
            one for one in run.events
            if isinstance(one, RequirementResolved) and one.requirement_id.startswith(call.call_id)
        ]  # fmt: skip
        returned = any(isinstance(one, ToolReturned) for one in mine)
        if returned and token not in happened:
            yield f"I5: {call.name} {token} returned and never happened"
        if token in happened and not (returned or answered):
            yield f"I5: {call.name} {token} happened and the log does not tell: {_types(run)}"


def _published(load: Load, runs: dict[str, Recorded], *, wiped: bool) -> Iterator[str]:
    """In order, none missing, and one result of each end. What was published before a wipe and
    not read then is gone."""
    for sent in load.sent.values():
        run = runs.get(sent.task.run_id)
        if run is None:
            continue
        seen: set[int] = set()
        hashes: dict[int, str] = {}
        for life in load.published.lives:
            highest = 0
            for seq, hash in life.events.get(sent.task.run_id, ()):
                if seq > highest + 1 and not wiped:
                    yield f"I8: event {seq} of {sent.task.run_id} came after {highest}"
                if hashes.setdefault(seq, hash) != hash:
                    yield f"I8: event {seq} of {sent.task.run_id} was published with two faces"
                highest = max(highest, seq)
                seen.add(seq)
        missing = set(range(1, len(run.stored) + 1)) - seen
        if missing and not wiped:
            yield f"I8: events {sorted(missing)} of {sent.task.run_id} were not published"
        yield from _results(load, sent, run, wiped=wiped)


def _results(load: Load, sent: Sent, run: Recorded, *, wiped: bool) -> Iterator[str]:
    told = [one for life in load.published.lives for one in life.results[sent.task.run_id]]
    ends = {one["id"] for one in told if one["status"] != "paused"}
    at = [seq for seq, kind in enumerate(_types(run), 1) if kind in ENDS]
    wanted = {f"{sent.task.run_id}:{seq}" for seq in at}
    if ends - wanted or (wanted - ends and not wiped):
        yield f"I8: results {sorted(ends)} of {sent.task.run_id}, its log has {sorted(wanted)}"
    for life in load.published.lives:
        seqs = [one["seq"] for one in life.results[sent.task.run_id]]
        first = list(dict.fromkeys(seqs))
        if first != sorted(first):
            yield f"I8: results of {sent.task.run_id} out of order: {seqs}"
