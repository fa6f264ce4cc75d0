"""What a run can hear beside the outcomes of its calls."""

from typing import Literal, TypeAlias

from actalog_contracts.calls import Outcome
from actalog_contracts.runs import (
    ModelFailed,
    ModelReplied,
    RunAccepted,
    ToolFailed,
    ToolInDoubt,
    ToolReturned,
)
from actalog_core.values import frozen


@frozen
class StartRun:
    """A task was accepted. `free`: no earlier run of the session is active (protocol 3.2)."""

    accepted: RunAccepted
    free: bool


@frozen
class TurnCame:
    """The session's turn has come."""


@frozen
class TimeIs:
    """RFC 3339 UTC, six digits: texts sort as times do."""

    now: str


@frozen
class Cancel:
    reason: str | None = None
    by: str | None = None


@frozen
class Resolve:
    """A person's answer to a requirement. `arguments` is JSON text that replaces the model's."""

    requirement_id: str
    decision: Literal["approve", "reject", "provide", "done", "not_done"]
    digest: str | None = None
    arguments: str | None = None
    result: str | None = None
    note: str | None = None
    by: str | None = None


@frozen
class Broken:
    """What was heard cannot be kept: it ends this run and no other (protocol 4.2)."""

    message: str


@frozen
class Late:
    """An outcome that the ledger refused: the call was somebody else's by then (protocol 6.5)."""

    outcome: ToolReturned | ToolFailed | ToolInDoubt | ModelReplied | ModelFailed


@frozen
class Buried:
    """A command of the run, or an answer to one, went to the dead letters. `call_id` is None
    where the message was about no call; `epoch` that of its last claim, 0 where nobody has any.
    The attempt was one behind `after_epoch`, where that is known."""

    call_id: str | None
    message: str
    epoch: int = 0
    after_epoch: int | None = None


@frozen
class Deadline:
    """A timer among what is due: nobody is asked, time has to pass."""


Heard: TypeAlias = (
    StartRun | TurnCame | TimeIs | Cancel | Resolve | Broken | Buried | Late | Outcome
)
