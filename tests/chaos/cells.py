"""The cells: which process dies where, and at which passage; and what has no such place, and why.

The letters are those of a consumer's life: (a) after poll, before work; (b) during the external
call; (c) after the effect or the decision, before it stands; (d) after it stands, before that is
known; (e) after the commit, before what follows is published; (f) after that, before the offset
is committed; (g) in a rebalance; (h) in a graceful shutdown.
"""

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from actalog_core.crashpoints import POINTS, Point

Work = Literal[
    "run",  # one run: a check, four model calls, three tools, then memory
    "stands",  # a run that stands still at a tool
    "turns",  # three runs of one session, which take turns
    "joins",  # a run in flight, and a second copy that joins
    "drains",  # a run in flight, and SIGTERM
    "alone",  # a second copy is alive, and nobody is restarted
    "begun",  # the run begins with one process and goes on with the next, which dies
    "inbox",  # a row that nobody picked up
    "untold",  # an answer that lies in the ledger, and whoever gave it is dead
    "posted", "approved", "streamed",  # over HTTP
    "command",
]  # fmt: skip
LETTERS = "abcdefgh"
DOUBTFUL = 2  # of a run's tools the second declares nothing


@dataclass(frozen=True, slots=True)
class Cell:
    """`n` is the passage since the process started at which it dies; `victim` its service."""

    service: str
    letter: str
    point: Point
    n: int = 1
    work: Work = "run"
    doubts: int = 0  # calls that a person has to be asked about

    @property
    def id(self) -> str:
        how = "" if self.work == "run" else f"-{self.work}"
        return f"{self.service}-{self.letter}-{self.point}-{self.n}{how}"

    @property
    def victim(self) -> str:
        return "conductor" if self.service == "supervisor" else self.service

    @property
    def fault(self) -> str:
        return f"{self.service}: {POINTS[self.point]}"


def _at(service: str, letter: str, point: Point, *passages: int, work: Work = "run") -> list[Cell]:
    return [Cell(service, letter, point, n, work) for n in passages]


def _group(service: str, held: Work = "stands") -> list[Cell]:
    """What every member of a consumer group can die of. Its first rebalance is its own start."""
    return [
        *_at(service, "f", "bus.committing", 1, work=held),
        *_at(service, "g", "bus.revoked", 2, work="joins"),
        *_at(service, "g", "bus.assigned", 2, work="joins"),
        *_at(service, "h", "bus.draining", 1, work="drains"),
        *_at(service, "h", "bus.drained", 1, work="drains"),
    ]  # fmt: skip


CONDUCTOR = [
    *_at("conductor", "a", "bus.hearing", 1, 5, 10),
    *_at("conductor", "b", "log.reading", 1, work="begun"),
    *_at("conductor", "c", "log.appending", 1, 5, 10),
    *_at("conductor", "d", "log.committed", 1, 5, 10),
    *_at("conductor", "e", "tell.sending", 1, 5, 10),
    *_at("conductor", "e", "reply.sending", 1, work="turns"),
    *_at("conductor", "f", "tell.sent", 1, 5, 10), 
    *_at("conductor", "f", "marks.writing", 1, 2, work="stands"),
    *_at("conductor", "f", "reply.sent", 1, work="turns"),
    *_group("conductor"),
    *_at("conductor", "d", "log.committed", 3, work="alone"),
]  # fmt: skip
SUPERVISOR = [
    *_at("supervisor", "a", "supervisor.found", 1, work="inbox"),
    *_at("supervisor", "c", "supervisor.counted", 1, work="inbox"),
    *_at("supervisor", "d", "supervisor.heard", 1, work="untold"),
    *_at("supervisor", "e", "tell.sending", 1, work="inbox"),
    *_at("supervisor", "e", "tell.sending", 1, work="untold"),
    *_at("supervisor", "f", "tell.sent", 1, work="inbox"),
]  # fmt: skip
GUARDRAILS = [
    *_at("guardrails", "a", "bus.hearing", 1, 3, 5),
    *_at("guardrails", "b", "log.reading", 1, 5),
    *_at("guardrails", "c", "reply.sending", 1, 3, 5),
    *_at("guardrails", "f", "reply.sent", 1, 3, 4),
    *_group("guardrails"), *_at("guardrails", "c", "reply.sending", 1, work="alone"),
]  # fmt: skip
CONTEXT = [
    *_at("context", "a", "bus.hearing", 1, 2, 3, work="turns"),
    *_at("context", "b", "log.reading", 1, 3, work="turns"),
    *_at("context", "c", "reply.sending", 1, 2, 3, work="turns"),
    *_at("context", "f", "reply.sent", 1, 2, 3, work="turns"),
    *_group("context"),
]  # fmt: skip
LLM = [
    *_at("llm", "a", "bus.hearing", 1, 2, 4),
    *_at("llm", "b", "calls.claimed", 1), *_at("llm", "b", "model.streaming", 1, 5, 15),
    *_at("llm", "c", "calls.worked", 1, 2, 4),
    *_at("llm", "d", "calls.settled", 1, 2, 4),
    *_at("llm", "e", "reply.sending", 1, 2, 4), *_at("llm", "f", "reply.sent", 1, 2, 3),
    *_group("llm"), *_at("llm", "c", "calls.worked", 1, work="alone"),
]  # fmt: skip
TOOLS = [
    *_at("tools", "a", "bus.hearing", 1, 2, 3),
    *_at("tools", "b", "calls.claimed", 1, 2, 3), *_at("tools", "b", "tool.running", 1, 2, 3),
    *_at("tools", "c", "calls.worked", 1, 2, 3),
    *_at("tools", "d", "calls.settled", 1, 2, 3),
    *_at("tools", "e", "reply.sending", 1, 2, 3), *_at("tools", "f", "reply.sent", 1, 2, 3),
    *_group("tools"), *_at("tools", "c", "calls.worked", 1, work="alone"),
]  # fmt: skip
MEMORY = [
    *_at("memory", "a", "bus.hearing", 1, 2, 4), *_at("memory", "b", "log.reading", 1, 2),
    *_at("memory", "c", "reply.sending", 1, 2, 4), *_at("memory", "c", "memory.applying", 1, 2),
    *_at("memory", "d", "memory.applied", 1), *_at("memory", "f", "reply.sent", 1, 2, 3),
    *_group("memory", held="run"),  # it is asked when its run has ended
]  # fmt: skip
_ACCEPTING: Sequence[tuple[str, Point]] = (
    ("c", "gateway.accepting"), ("d", "gateway.accepted"), ("e", "gateway.sending"),
    ("f", "gateway.sent"),
)  # fmt: skip
GATEWAY = [
    *_at("gateway", "a", "gateway.hearing", 1, work="posted"),
    *_at("gateway", "b", "gateway.streaming", 1, 4, 8, work="streamed"),
    *(
        cell
        for work in ("posted", "approved")
        for letter, point in _ACCEPTING
        for cell in _at("gateway", letter, point, 1, work=work)
    ),
    *_at("gateway", "h", "bus.draining", 1, work="drains"),
    *_at("gateway", "h", "bus.drained", 1, work="drains"),
]  # fmt: skip
COMMANDS = [
    *_at("migrate", "d", "migrate.applied", 1, 3, work="command"),
    *_at("deploy", "d", "deploy.registered", 1, 2, work="command"),
    *_at("recover", "c", "recover.brought", 1, work="command"),
    *_at("recover", "d", "recover.written", 1, work="command"),
]  # fmt: skip


def _doubtful(cell: Cell) -> bool:
    """What declares nothing, was claimed, and died before its outcome stood."""
    points = ("calls.claimed", "tool.running", "calls.worked")
    return (cell.service, cell.n, cell.work) == ("tools", DOUBTFUL, "run") and cell.point in points


CELLS: Sequence[Cell] = [
    Cell(one.service, one.letter, one.point, one.n, one.work, doubts=int(_doubtful(one)))
    for one in (
        *CONDUCTOR, *SUPERVISOR, *GUARDRAILS, *CONTEXT, *LLM, *TOOLS, *MEMORY, *GATEWAY, *COMMANDS,
    )
]  # fmt: skip

_PURE = "its answers are functions of the command: it stores nothing"
_ONCE = "a command runs once, by hand, and its steps stand or do not: there is no other place"
NOT_APPLICABLE: dict[tuple[str, str], str] = {
    ("supervisor", "b"): "it calls nobody outside; it reads the log as the conductor does",
    ("supervisor", "g"): "it is in no consumer group: rows are shared by locks",
    ("supervisor", "h"): "it ends with the conductor, and holds nothing",
    ("guardrails", "d"): _PURE, ("guardrails", "e"): f"{_PURE}; (c) is before it publishes",
    ("context", "d"): _PURE, ("context", "e"): f"{_PURE}; (c) is before it publishes",
    ("memory", "e"): "nothing is published after its projection; (c) is before it answers",
    ("gateway", "g"): "it is in no consumer group: every gateway hears everything",
    **{(name, letter): _ONCE for name in ("migrate", "deploy") for letter in "abcefgh"},
    **{("recover", letter): _ONCE for letter in "abefgh"},
}  # fmt: skip


def chosen(env: "os._Environ[str] | dict[str, str]" = os.environ) -> Sequence[Cell]:
    """All; or those of a short form: `ACTALOG_CHAOS_CELLS` of them, spread over the services, by
    the seed `ACTALOG_CHAOS_SEED`."""
    most = int(env.get("ACTALOG_CHAOS_CELLS") or 0)
    if not most:
        return CELLS
    among = _shuffled(random.Random(int(env.get("ACTALOG_CHAOS_SEED") or 0)))
    picked = {next(among).id for _ in range(min(most, len(CELLS)))}
    return [cell for cell in CELLS if cell.id in picked]


def _shuffled(chance: random.Random) -> Iterator[Cell]:
    """One of each service in turn, in an order that chance has made."""
    left = {one.service: list[Cell]() for one in CELLS}
    for cell in CELLS:
        left[cell.service].append(cell)
    for cells in left.values():
        chance.shuffle(cells)
    while left := {name: cells for name, cells in left.items() if cells}:
        for cells in left.values():
            yield cells.pop()
