"""What a callable may ask for by name: its run, the session's state, the key and the fence."""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from actalog_bus.envelope import stable_id
from actalog_contracts.calls import RunTool
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import RunAccepted, StateOp
from actalog_core.errors import Permanent
from actalog_core.events import decode
from actalog_core.session_state import apply, changes, read_ops
from actalog_log.ports import RunLog

MOST_STATE = 200_000  # code points of state operations in one reply


class StateTooLarge(Exception):
    """it put more into the session's state than a message carries."""

    def __str__(self) -> str:
        return str(type(self).__doc__)


@dataclass
class RunContext:
    """The run a callable is part of. Changes of `session_state` are kept when it returns."""

    run_id: str
    session_id: str
    user_id: str | None
    session_state: dict[str, Any]
    dependencies: dict[str, Any]
    metadata: dict[str, Any]
    tenant_id: str = "default"


@dataclass(frozen=True)
class Special:
    """The values for one call, and the state before it."""

    values: Mapping[str, Any]
    before: Mapping[str, Any]

    def fenced(self, epoch: int) -> "Special":
        """With the token of one attempt: later attempts have higher ones. Who keeps the highest
        that it has seen, and refuses lower ones, is not surprised by a worker that was taken for
        dead (https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html)."""
        return replace(self, values={**self.values, "fencing_token": epoch})

    def changed(self) -> tuple[StateOp, ...]:
        """What the callable did to the session's state.

        Raises:
            TypeError: it left a value there that has no JSON form.
            StateTooLarge: see there.
        """
        state = self.values.get("session_state")
        ops = () if state is None else changes(self.before, state)
        if sum(len(op.key) + len(op.value or "") for op in ops) > MOST_STATE:
            raise StateTooLarge
        return ops


def idempotency_key(command: RunTool) -> str:
    """The same for every attempt of one call, and for no other."""
    return stable_id("tool", command.tenant_id, command.run_no, command.call_id)


async def special(command: RunTool, wanted: frozenset[str], log: RunLog) -> Special:
    """What the callable asked for; the log is read only where it must be.

    Raises:
        Transient: the log was not reached.
    """
    key = idempotency_key(command)
    if not wanted - {"idempotency_key", "fencing_token"}:
        return Special({"idempotency_key": key}, {})
    state = await _state(log, command)
    values: dict[str, Any] = {"idempotency_key": key, "session_state": state}
    if "run_context" in wanted:
        accepted = await _accepted(log, command.run_no)
        values["run_context"] = RunContext(
            run_id=command.run_id, session_id=command.session_id, user_id=command.user_id,
            session_state=state, dependencies=json.loads(accepted.dependencies),
            metadata=json.loads(accepted.metadata), tenant_id=command.tenant_id,
        )  # fmt: skip
    return Special(values, copy.deepcopy(state))


async def _accepted(log: RunLog, run_no: int) -> RunAccepted:
    stored = await log.read(run_no, upto=1)
    event = decode(stored[0].type, stored[0].payload) if stored else None
    if not isinstance(event, RunAccepted):
        raise Permanent(f"run_no {run_no} is not in the log")
    return event


async def _state(log: RunLog, command: RunTool) -> dict[str, Any]:
    """The definition's initial state and the operations since; what tasks brought is among them."""
    definition = await log.get_definition(command.definition)
    initial = AgentDefinition.model_validate_json(definition).session_state if definition else "{}"
    state: dict[str, Any] = json.loads(initial)
    for one in await log.session_ops(command.tenant_id, command.session_id):
        for op in read_ops(one.ops):
            apply(state, op)
    return state
