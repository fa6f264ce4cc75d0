"""What must hold of everything that was ever published, judged by the log."""

from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from actalog_bus.ports import Record
from actalog_contracts.runs import ModelReplied
from tests.simulation.outside import PRIVATE
from tests.simulation.told import Told
from tests.simulation.world import ENDS, World


def in_order(world: World, runs: Sequence[Told]) -> Iterator[str]:
    """Every event was published, and none before the one before it."""
    seen: dict[str, int] = {}
    ids: dict[tuple[str, int], bytes] = {}
    for record in _of(world, "actalog.events"):
        told = orjson.loads(record.value or b"")
        run_id, seq = told["run_id"], told["seq"]
        if seq > seen.get(run_id, 0) + 1:
            yield f"I8: event {seq} of {run_id} came after {seen.get(run_id, 0)}"
        seen[run_id] = max(seq, seen.get(run_id, 0))
        hash = told["hash"].encode() + (record.header("ce_id") or b"")
        if ids.setdefault((run_id, seq), hash) != hash:
            yield f"I8: event {seq} of {run_id} was published with two faces"
    for one in runs:
        last, published = one.found.head.seq, seen.get(one.found.row.run_id, 0)
        if published != last:
            yield f"I8: {one.name} has {last} events, {published} were published: {one.types}"


def _of(world: World, topic: str) -> list[Record]:
    return [one for one in world.broker.history if one.topic == topic]


def results(world: World, runs: Sequence[Told]) -> Iterator[str]:
    """A result for every pause and end of a run that a task started, and no other."""
    told: dict[str, dict[int, Any]] = {}
    for record in _of(world, "actalog.results"):
        said = orjson.loads(record.value or b"")
        if said["type"] != "run.result.v1":
            continue
        mine = told.setdefault(said["run_id"], {})
        if mine.setdefault(said["seq"], said) != said:
            yield f"I8: result {said['id']} was told in two ways"
    for one in runs:
        row = one.found.row
        speaks = [
            seq for seq, kind in enumerate(one.types, 1) if kind in ENDS or kind == "run.paused.v1"
        ] if row.turn is not None else []  # fmt: skip
        have = told.get(row.run_id, {})
        if set(have) - set(speaks):
            yield f"I8: {one.name} has results at {sorted(have)}, its log at {speaks}"
        if speaks and speaks[-1] not in have:
            yield f"I8: {one.name} has no result of its end ({speaks}, told {sorted(have)})"


def reviewed(world: World, runs: Sequence[Told]) -> Iterator[str]:
    """What a model says to remember is masked where answers are reviewed, in the log and wherever
    else it is told."""
    checked = {one.found.row.run_id: one for one in runs if one.run.definition.output_checks}
    for one in checked.values():
        if any(PRIVATE.encode() in event.payload for event in one.run.stored):
            yield f"9.1: the log of {one.name} has what nobody reviewed"
    for record in world.broker.history:
        value = record.value or b""
        if PRIVATE.encode() in value and orjson.loads(value).get("run_id") in checked:
            yield f"9.1: {record.topic} has what nobody reviewed"


def refused_cancels(world: World) -> set[str]:
    """Runs of which somebody was told that a cancel came too late, and which event stands."""
    told = [orjson.loads(one.value or b"") for one in _of(world, "actalog.results")]
    return {
        said["run_id"] for said in told
        if said["type"] == "message.refused.v1" and said.get("refused_type") == "run.cancel.v1"
        and said.get("winner")
    }  # fmt: skip


def stream(world: World, runs: Sequence[Told]) -> Iterator[str]:
    """What was shown of a message's last epoch is what the log has."""
    shown: dict[tuple[str, int], dict[int, str]] = {}
    for record in _of(world, "actalog.stream"):
        said = orjson.loads(record.value or b"")
        if said["type"] == "stream.delta.v1" and said.get("kind", "text") == "text":
            parts = shown.setdefault((said["call_id"], said["epoch"]), {})
            if parts.setdefault(said["offset"], said["text"]) != said["text"]:
                yield f"I9: {said['call_id']} was shown in two ways in epoch {said['epoch']}"
    for one in runs:
        for event in one.run.events:
            if not isinstance(event, ModelReplied):
                continue
            whole = "".join(
                t for _, t in sorted(shown.get((event.call_id, event.epoch), {}).items())
            )
            if whole and event.text is None:
                yield f"I9: {event.call_id} was shown although it is held"
            elif whole and not (event.text or "").startswith(whole) and not _gap(shown, event):
                yield f"I9: {event.call_id} was shown as {whole!r}, the log has {event.text!r}"


def _gap(shown: dict[tuple[str, int], dict[int, str]], event: ModelReplied) -> bool:
    """Deltas may get lost: then what is there must still be at its place."""
    parts = shown[event.call_id, event.epoch]
    return all((event.text or "")[at : at + len(text)] == text for at, text in parts.items())
