"""What an agent's run can be: a closed union. Together these states are the flow."""

from collections.abc import Mapping
from dataclasses import field
from typing import Literal, TypeAlias

from actalog_contracts.base import Error, TextRef, Usage
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import ModelReplied, RunAccepted, ToolCalled
from actalog_core.values import frozen

Status: TypeAlias = Literal["completed", "failed", "blocked", "cancelled"]


@frozen
class Identity:
    """Which run this is."""

    tenant_id: str
    run_no: int
    run_id: str
    session_id: str
    turn: int | None
    user_id: str | None = None


@frozen
class Facts:
    """What every state of an accepted run knows. `seq` is that of its last event."""

    run: Identity
    definition: AgentDefinition
    accepted: RunAccepted
    seq: int
    turn: int = 1  # of the model
    tool_calls: int = 0
    usage: Usage = field(default_factory=Usage)
    said: str | None = None  # the text of the model's last message, as it may be used
    cut: bool = False  # that message ends at a limit of tokens
    voided: Mapping[str, int] = field(default_factory=dict[str, int])
    """Of a call that a person sent again: its outcomes up to this epoch mean nothing."""
    recorded: frozenset[tuple[str, int]] = frozenset()
    """(call, epoch) of what a model's calls came to, and of what was refused: their cost stands."""


@frozen
class NotStarted:
    run: Identity
    definition: AgentDefinition


@frozen
class Waiting:
    """For the session's turn (protocol 3.2)."""

    facts: Facts


@frozen
class Checking:
    """The input, by the rules of the definition."""

    facts: Facts


@frozen
class Gathering:
    """What the model shall see beside the input."""

    facts: Facts


@frozen
class Thinking:
    """The model is asked."""

    facts: Facts


@frozen
class Reviewing:
    """A text of the model waits beside the log until it was checked (protocol 9)."""

    facts: Facts
    reply: ModelReplied
    held: TextRef


@frozen
class Doubt:
    """Nobody knows whether a call has acted, up to this epoch of it."""

    called: ToolCalled
    epoch: int


@frozen
class Acting:
    """Tools run. `awaiting` are calls that a person must confirm."""

    facts: Facts
    running: Mapping[str, ToolCalled]
    awaiting: Mapping[str, ToolCalled]
    doubts: Mapping[str, Doubt] = field(default_factory=dict[str, Doubt])


@frozen
class Paused:
    """Nothing is left but what a person must confirm or know. `usage` is that of when it paused:
    what is told of that does not change with what comes late."""

    facts: Facts
    awaiting: Mapping[str, ToolCalled]
    doubts: Mapping[str, Doubt] = field(default_factory=dict[str, Doubt])
    usage: Usage = field(default_factory=Usage)


@frozen
class Finished:
    """`unsettled` are calls whose late outcome is still recorded with its cost (protocol 6.5);
    of those in `doubted` a doubt is recorded already, and only an outcome settles it."""

    facts: Facts
    status: Status
    usage: Usage  # at the end: what is settled later changes no result
    error: Error | None = None
    output: str | None = None
    output_is_json: bool = False
    truncated: bool = False
    unsettled: frozenset[str] = frozenset()
    doubted: frozenset[str] = frozenset()


Unfinished: TypeAlias = Waiting | Checking | Gathering | Thinking | Reviewing | Acting | Paused
State: TypeAlias = NotStarted | Unfinished | Finished
