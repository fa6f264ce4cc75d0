"""What the hash chain does not cover, compared with what it does: whose a run is, which run it is a
child of, and the operations on a session's state, which stand in a table beside their events."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from actalog.rebuilding import Recorded
from actalog_contracts.runs import RunAccepted, RunEvent, StateOp, ToolReturned
from actalog_core.events import decode
from actalog_core.session_state import read_ops
from actalog_log.ports import RunLog, SessionOp

Made = tuple[int, int]  # (run_no, seq) of the event


async def of_run(log: RunLog, run: Recorded) -> list[str]:
    """What is otherwise in a run's row than its first event, or its parent, says."""
    row, first = run.found.row, run.events[0] if run.events else None
    if row.parent_run_no is None:
        return []
    about = first.about if isinstance(first, RunAccepted) else None
    parent = await log.find_run_no(row.parent_run_no)
    if (about and about.run_no != row.parent_run_no) or (
        parent is not None and parent.row.run_id != row.parent_run_id
    ):
        return [f"run {row.run_id}: parent_run_no {row.parent_run_no} is not its parent's"]
    if parent is not None and parent.row.user_id != row.user_id:
        return [f"run {row.run_id}: its user is not its parent's"]
    return []


async def of_session(log: RunLog, runs: Sequence[Recorded], ops: Sequence[SessionOp]) -> list[str]:
    """What is otherwise in a session's rows than the events of its runs say. `ops`, as they stand in
    their table, were read before the runs: an operation comes with its event."""
    wrong = [
        f"run {one.found.row.run_id}: its user is not the session's"
        for one in runs
        if one.found.row.user_id != runs[0].found.row.user_id
    ]
    known = {one.found.row.run_no: one for one in runs}
    made: dict[Made, Sequence[StateOp]] = {
        (run_no, seq): told
        for run_no, one in known.items()
        for seq, event in enumerate(one.events, 1)
        if (told := operations(event))
    }
    for op in ops:
        if op.run_no not in known:  # older than those that were read
            made |= await _made(log, op)
        if _plain(read_ops(op.ops)) != _plain(made.pop((op.run_no, op.seq), ())):
            where = f"run_no {op.run_no}, event {op.seq}"
            wrong.append(f"state version {op.state_version} is not as {where} made it")
    if made:  # or they were made in the meantime
        row = runs[0].found.row
        now = await log.session_ops(row.tenant_id, row.session_id)
        there = {(op.run_no, op.seq) for op in now}
        wrong += (
            f"run {known[run_no].found.row.run_id}: the operations of event {seq} are missing"
            for run_no, seq in made
            if (run_no, seq) not in there
        )
    return wrong


async def _made(log: RunLog, op: SessionOp) -> Mapping[Made, Sequence[StateOp]]:
    found = await log.find_run_no(op.run_no)
    if found is None or found.row.session_id != op.session_id:
        return {}
    told = await log.read(op.run_no, after=op.seq - 1, upto=op.seq)
    return {(op.run_no, one.seq): operations(decode(one.type, one.payload)) for one in told}


def operations(event: RunEvent) -> Sequence[StateOp]:
    """What an event does to its session's state (protocol 10)."""
    match event:
        case RunAccepted(session_state=state):
            told: dict[str, Any] = json.loads(state)
            return [StateOp(op="set", key=key, value=json.dumps(one)) for key, one in told.items()]
        case ToolReturned(state_ops=ops):
            return ops
        case _:
            return ()


def _plain(ops: Sequence[StateOp]) -> list[tuple[str, str, Any]]:
    """Values as values: they are written in more than one way."""
    return [(one.op, one.key, None if one.value is None else json.loads(one.value)) for one in ops]
