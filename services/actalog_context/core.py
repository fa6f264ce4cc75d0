"""From what was found to the event: pure."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import ContextBuilt, HistoryRun, MemoryNote
from actalog_core import session_state
from actalog_log.ports import SessionOp


@dataclass(frozen=True, slots=True)
class Found:
    """What the stores had. None: not asked for."""

    history: Sequence[tuple[int, str, int]] | None = None  # newest first
    memories: Sequence[MemoryNote] | None = None
    summary: str | None = None
    operations: Sequence[SessionOp] | None = None


def built(call_id: str, definition: AgentDefinition, found: Found) -> ContextBuilt:
    """The context, and one reason for each choice."""
    history = tuple(
        HistoryRun(run_no=run_no, run_id=run_id, seq=seq)
        for run_no, run_id, seq in reversed(found.history or ())
    )
    state, version = _state(definition, found.operations)
    return ContextBuilt(
        call_id=call_id, history=history, memories=tuple(found.memories or ()),
        summary=found.summary, session_state=state, state_version=version,
        reasons=tuple(_reasons(definition, found)),
    )  # fmt: skip


def _state(
    definition: AgentDefinition, operations: Sequence[SessionOp] | None
) -> tuple[str | None, int]:
    """The state as JSON text, folded from operations in their order (protocol 10)."""
    if operations is None:
        return None, 0
    state = json.loads(definition.session_state)
    for one in operations:
        for op in session_state.read_ops(one.ops):
            session_state.apply(state, op)
    return json.dumps(state, ensure_ascii=False), (
        operations[-1].state_version if operations else 0
    )


def _reasons(definition: AgentDefinition, found: Found) -> Iterable[str]:
    if found.history is not None:
        yield (
            f"history: {len(found.history)} of the last {definition.history_runs} completed runs;"
            " paused, failed, cancelled and blocked ones are left out"
        )
    if definition.memories:
        if found.memories is None:
            yield "memories: none, the run has no user"
        else:
            yield f"memories: {len(found.memories)} of the user"
    if definition.summary:
        yield "summary: the session's" if found.summary else "summary: the session has none yet"
    if found.operations is not None:
        yield f"session state: folded from {len(found.operations)} changes"
