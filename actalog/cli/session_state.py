"""A session from the log: its runs in order, and its state folded from operations (protocol 10)."""

import json
from typing import Any

from actalog.beside_chain import of_session
from actalog.rebuilding import Recorded, recorded
from actalog_contracts.runs import (
    InputChecked,
    ModelReplied,
    OutputReviewed,
    RunAccepted,
    RunCompleted,
)  # fmt: skip
from actalog_core.session_state import apply, read_ops
from actalog_log.ports import RunLog


async def session_of(log: RunLog, tenant: str, session: str) -> dict[str, Any]:
    """Runs, oldest first, and the state after the last operation. `differs`: where what stands
    beside the events is not what they made."""
    operations = await log.session_ops(tenant, session)
    found = list(await log.session_runs(tenant, session))
    runs = [await recorded(log, one) for one in reversed(found)]
    version, state = 0, _initial(runs)
    for one in operations:
        version = one.state_version
        for op in read_ops(one.ops):
            apply(state, op)
    return {
        "session_id": session, "tenant_id": tenant, "state": state, "state_version": version,
        "runs": [_told(run) for run in runs],
        "differs": await of_session(log, runs, operations),
    }  # fmt: skip


def _initial(runs: list[Recorded]) -> dict[str, Any]:
    """What the newest run's definition begins with; what tasks brought is among the operations."""
    return json.loads(runs[-1].definition.session_state) if runs else {}


def _told(run: Recorded) -> dict[str, Any]:
    row = run.found.row
    asked = answer = None
    for event in run.events:
        match event:
            case RunAccepted():
                asked = event.input
            case InputChecked(text=str(text)):
                asked = text
            case ModelReplied(purpose="answer", text=str(text)) | OutputReviewed(text=str(text)):
                answer = text
            case RunCompleted(output=str(text)):
                answer = text
            case _:
                pass
    return {
        "turn": row.turn, "run_id": row.run_id, "target": row.target,
        "state": type(run.state()).__name__, "events": len(run.events), "input": asked,
        "answer": answer,
    }  # fmt: skip
