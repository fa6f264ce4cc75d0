"""Decisions are pure: `decide`, `evolve`, `due`. No clock, no randomness, no I/O inside."""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Protocol, TypeVar

from actalog_core.values import frozen

S = TypeVar("S")
M_contra = TypeVar("M_contra", contravariant=True)
E = TypeVar("E")


@frozen
class Due:
    """What a run waits for: a command, not before a time (RFC 3339; None: now)."""

    command: object
    not_before: str | None = None


class Decider(Protocol[S, M_contra, E]):
    """A kind of run: a module with these names satisfies it."""

    def initial(self) -> S: ...
    def decide(self, state: S, message: M_contra, /) -> Sequence[E]: ...
    def evolve(self, state: S, event: E, /) -> S: ...
    def due(self, state: S, /) -> Sequence[Due]: ...


def fold(decider: Decider[S, M_contra, E], events: Iterable[E], state: S | None = None) -> S:
    """The state after these events."""
    return reduce(decider.evolve, events, decider.initial() if state is None else state)
