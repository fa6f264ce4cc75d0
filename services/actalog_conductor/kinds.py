"""The kinds of runs: each is a decider."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from actalog_conductor import agent_run, memory_run
from actalog_conductor.agent_states import (
    Checking,
    Finished,
    Identity,
    Paused,
    Reviewing,
    Waiting,
)  # fmt: skip
from actalog_conductor.agent_states import State as AgentState
from actalog_conductor.heard import Heard
from actalog_contracts.calls import Command
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import RunEvent
from actalog_core.decider import Due
from actalog_log.ports import Standing

State: TypeAlias = AgentState | memory_run.State


@dataclass(frozen=True)
class Kind:
    """A decider. What it takes for a state is what it made (`Any` to the other kinds)."""

    initial: Callable[[Identity, AgentDefinition], State]
    decide: Callable[[Any, Heard], Sequence[RunEvent]]
    evolve: Callable[[Any, RunEvent], State]
    due: Callable[[Any], Sequence[Due]]


KINDS: Mapping[str, Kind] = {
    "agent": Kind(agent_run.initial, agent_run.decide, agent_run.evolve, agent_run.due),
    "memory": Kind(memory_run.initial, memory_run.decide, memory_run.evolve, memory_run.due),
}


def standing(state: State) -> Standing:
    """How a run of any kind stands towards its session's turn (protocol 3.2)."""
    match state:
        case Waiting():
            return "waiting"
        case Paused():
            return "paused"
        case Finished():
            return "ended"
        case _:
            return "active"


def held(state: State) -> str | None:
    """The row of unchecked text that the run still needs (protocol 9)."""
    match state:
        case Waiting(facts=facts) | Checking(facts=facts) if facts.accepted.held_input:
            return facts.accepted.held_input.held
        case Reviewing(held=waits) | memory_run.Reviewing(held=waits):
            return waits.held
        case _:
            return None


def commands(due: Sequence[Due]) -> list[Command]:
    """What a run asks of the services."""
    return [one.command for one in due if isinstance(one.command, Command)]


def next_look(due: Sequence[Due]) -> str | None:
    """The earliest time that a run waits for (RFC 3339)."""
    return min((one.not_before for one in due if one.not_before), default=None)
