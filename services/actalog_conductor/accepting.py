"""What a task says, as the first event of its run. No I/O."""

from datetime import datetime, timedelta
from typing import Any

import orjson

from actalog_conductor.addresses import Address
from actalog_conductor.refused import Refused
from actalog_contracts.base import TextRef
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import RunAccepted, StateOp
from actalog_contracts.tasks import TaskSubmit
from actalog_core.canonical import keyed_digest
from actalog_core.clock import parse_time, rfc3339
from actalog_log.ports import RunRow


def accepted_event(
    task: TaskSubmit, row: RunRow, address: Address, *, held: str | None, deadline: str, key: bytes
) -> RunAccepted:
    """seq 1. `held`: the row that has the input until it was checked (protocol 9)."""
    text = input_text(task)
    ref = TextRef(held=held, digest=keyed_digest(key, text.encode())) if held else None
    schema = _json(task.output_schema) if task.output_schema else None
    return RunAccepted(
        kind="agent", target=row.target, definition=row.definition, held_input=ref,
        input=None if ref else text, input_is_json=not isinstance(task.input, str),
        media=_json([one.model_dump(mode="json") for one in task.media]),
        session_state=_json(task.session_state), dependencies=_json(task.dependencies),
        metadata=_json(task.metadata), output_schema=schema, body_digest=row.body_digest,
        accepted_at=rfc3339(row.accepted_at), deadline=deadline, priority=task.priority,
        reply_to=address.reply_to, correlation_id=address.correlation_id,
        echo_headers=address.echo,
    )  # fmt: skip


def input_text(task: TaskSubmit) -> str:
    return task.input if isinstance(task.input, str) else _json(task.input)


def initial_ops(task: TaskSubmit) -> tuple[StateOp, ...]:
    """A task's session state as operations, in its own order (protocol 10)."""
    return tuple(
        StateOp(op="set", key=name, value=_json(value))
        for name, value in task.session_state.items()
    )


def deadline_of(
    task: TaskSubmit, definition: AgentDefinition, *, sure: datetime, latest: datetime
) -> tuple[str, bool]:
    """(the earlier of the task's and the definition's, whether it has passed). It is between `sure`
    and `latest` now.

    Raises:
        Refused: it is no time.
    """
    limit = latest + timedelta(milliseconds=definition.limits.deadline_ms)
    if task.deadline is None:
        return rfc3339(limit), False
    try:
        wanted = parse_time(task.deadline)
    except (ValueError, OverflowError) as error:
        said = f"no RFC 3339 time: {error}"
        raise Refused("bad_input", said, field="deadline", run_id=task.run_id) from error
    return rfc3339(min(limit, wanted)), wanted <= sure


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()
