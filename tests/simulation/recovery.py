"""How long runs stand still although somebody could go on with them (I14).

A run stands still while it has no new event, no living process asks a model or a tool for it, no
earlier turn of its session is active, and nobody waits for a person. What was taken from a client
(a task, an answer, a cancel) counts from then on.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.simulation.loop import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

# When no fault is left: sessions of dead members or leases have to run out, a supervisor has to look.
BOUND_S = 7.0
NET_S = 38.0  # where what was asked is gone and nobody can know: the supervisor's net, and a look
ENDS = ("run.completed.v1", "run.failed.v1", "run.blocked.v1", "run.cancelled.v1")
PAUSED, SETTLED = "run.paused.v1", "call.settled.v1"


@dataclass(eq=False)
class Work:
    """A request to a model or a tool, by whom, for whom; `spans` while its sender lived."""

    owner: Process
    tokens: frozenset[str]
    spans: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    since: float | None = None


@dataclass(frozen=True, slots=True)
class Still:
    """A run stood still. The last fault before it went on began `faulty_from`, and none was left
    `faulty_until`."""

    run: str
    since: float
    until: float
    faulty_from: float
    faulty_until: float
    next: str  # the event that ended it

    @property
    def recovery_s(self) -> float:
        """Seconds from when nothing was wrong any more."""
        return max(0.0, self.until - max(self.since, self.faulty_until))

    @property
    def from_begin_s(self) -> float:
        """Seconds from when something began to be wrong: what is left alive has to go on alone."""
        return self.until - max(self.since, self.faulty_from) if self.faulty_until else 0.0

    def __str__(self) -> str:
        told = f"{self.run} stood still from {self.since:.1f} to {self.until:.1f} s"
        return f"{told}, faults until {self.faulty_until:.1f} s, then {self.next}"


class Watch:
    """Notes when what happened."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.events: defaultdict[int, list[tuple[float, str, str]]] = defaultdict(list)
        self.works: list[Work] = []
        self.taken: list[tuple[float, str, str]] = []  # (when, run id, what)

    # What happens.

    def appended(self, run_no: int, types: Sequence[tuple[str, str]]) -> None:
        """(type, the requirement it settles)."""
        now = self.world.loop.now
        self.events[run_no] += [(now, type, about) for type, about in types]

    def begins(self, owner: Process, tokens: Sequence[str]) -> Work:
        work = Work(owner, frozenset(tokens), since=self.world.loop.now)
        self.works.append(work)
        if owner.state != "up":
            self._close(work)
        return work

    def ends(self, work: Work) -> None:
        self._close(work)

    def stopped(self, owner: Process) -> None:
        """It died, or sleeps."""
        for work in self.works:
            if work.owner is owner:
                self._close(work, over=False)

    def goes_on(self, owner: Process) -> None:
        for work in self.works:
            if work.owner is owner and work.spans and work.since is None:
                work.since = self.world.loop.now

    def _close(self, work: Work, *, over: bool = True) -> None:
        if work.since is not None:
            work.spans.append((work.since, self.world.loop.now))
            work.since = None
        if over and work in self.works[-200:]:
            work.owner = _NOBODY

    def took(self, run_id: str | None, what: str) -> None:
        """A client was told that the platform has it."""
        if run_id is not None:
            self.taken.append((self.world.loop.now, run_id, what))

    # What it comes to.

    def stills(self) -> list[Still]:
        """All times that a run stood still for more than a moment."""
        hits = [(hit.at, hit.at + hit.fault.for_s) for hit in self.world.faults.hits]
        found: list[Still] = []
        for run_no, since, until, after in self._gaps():
            if until - since < 0.2:
                continue
            before = [hit for hit in hits if hit[0] <= until]
            began = max((at for at, _ in before), default=0.0)
            faulty = min(until, max((end for _, end in before), default=0.0))
            name = self.world.database.log.runs[run_no].run_id
            found.append(Still(name, since, until, began, faulty, after))
        return found

    def _gaps(self) -> Iterator[tuple[int, float, float, str]]:
        log = self.world.database.log
        for run_no, events in self.events.items():
            row = log.runs[run_no]
            tokens = self._tokens(run_no)
            began = self._taken(row.run_id, "task")
            if began is not None and began < events[0][0]:
                yield run_no, began, events[0][0], events[0][1]
            stands = "waiting"
            for (at, type, _), (until, after, about) in pairwise(events):
                stands = _standing(stands, type)
                if stands == "ended":
                    break
                since = at
                if stands == "waiting" and row.turn is not None:
                    since = max(at, self._freed(run_no, until))
                elif stands == "paused":
                    told = self._taken(row.run_id, about or after)
                    if told is None:
                        continue
                    since = max(at, told)
                for a, b in _without(since, until, self._spans(tokens)):
                    yield run_no, a, b, after

    def _tokens(self, run_no: int) -> frozenset[str]:
        """What a run's requests name: a memory run's name the runs that it looks at."""
        row = self.world.database.log.runs[run_no]
        number = row.parent_run_no if row.turn is None and row.parent_run_no else run_no
        wanted = self.world.database.log.runs[number].run_id
        return frozenset(
            token for token, person in self.world.submitted.items() if person.run_id == wanted
        )

    def _spans(self, tokens: frozenset[str]) -> list[tuple[float, float]]:
        now = self.world.loop.now
        return sorted(
            span for work in self.works if work.tokens & tokens
            for span in [*work.spans, *([(work.since, now)] if work.since is not None else [])]
        )  # fmt: skip

    def _taken(self, run_id: str, what: str) -> float | None:
        return min(
            (at for at, run, said in self.taken if (run, said) == (run_id, what)), default=None
        )

    def _freed(self, run_no: int, until: float) -> float:
        """When the last of the earlier turns let go, before the run began."""
        log = self.world.database.log
        row = log.runs[run_no]
        turns = log.turns[row.tenant_id, row.session_id]
        let_go = [
            at for turn, number in turns.items() if turn < (row.turn or 0)
            for at, type, _ in self.events[number] if type in (*ENDS, PAUSED) and at <= until
        ]  # fmt: skip
        return max(let_go, default=0.0)


_NOBODY = Process("nobody")


def _standing(before: str, type: str) -> str:
    if type in ENDS:
        return "ended"
    if type == PAUSED:
        return "paused"
    if type == SETTLED:
        return before
    return "waiting" if type == "run.accepted.v1" else "active"


def _without(
    since: float, until: float, spans: Sequence[tuple[float, float]]
) -> Iterator[tuple[float, float]]:
    """What is left of a time when spans are taken out of it."""
    at = since
    for a, b in spans:
        if a >= until:
            break
        if a > at:
            yield at, a
        at = max(at, b)
    if at < until:
        yield at, until
