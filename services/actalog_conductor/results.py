"""A run's result, from its state alone."""

from dataclasses import dataclass
from typing import Any

import orjson

from actalog_conductor import acting
from actalog_conductor.agent_states import Doubt, Finished, Paused
from actalog_conductor.live import Live
from actalog_contracts.runs import ToolCalled
from actalog_contracts.tasks import Requirement, RequirementCall, RunResult
from actalog_core.canonical import keyed_digest
from actalog_core.clock import rfc3339
from actalog_core.foreign import read_or_text

SHOWN_BYTES = 10_000  # of a call's arguments, where all of them are too many
LIMIT_BYTES = 900_000  # of a value; brokers take 1 MiB with key, headers and framing


def result_of(live: Live) -> RunResult:
    """What a run that paused or ended says. Late outcomes change nothing in it."""
    row, state = live.row, live.state
    assert isinstance(state, (Finished, Paused))
    accepted = state.facts.accepted
    said = _paused(live, state) if isinstance(state, Paused) else _ended(state)
    return RunResult(
        id=f"{row.run_id}:{live.told_seq}", seq=live.told_seq, run_id=row.run_id,
        session_id=row.session_id, user_id=row.user_id, tenant_id=row.tenant_id,
        target=row.target, correlation_id=accepted.correlation_id,
        metadata=orjson.loads(accepted.metadata), events=live.told_seq,
        accepted_at=accepted.accepted_at, finished_at=rfc3339(live.told_at), **said,
    )  # fmt: skip


def _paused(live: Live, state: Paused) -> dict[str, Any]:
    run_id = live.row.run_id
    until = state.facts.accepted.deadline
    asked = tuple(
        _requirement(run_id, id, about, until) for id, about in acting.asked(state).items()
    )
    return {"status": "paused", "requirements": asked, "usage": state.usage}


def _ended(state: Finished) -> dict[str, Any]:
    output: Any = state.output
    if output is not None and state.output_is_json:
        output = read_or_text(output)
    return {
        "status": state.status, "output": output, "truncated": state.truncated or None,
        "error": state.error, "usage": state.usage,
    }  # fmt: skip


def _requirement(run_id: str, id: str, about: ToolCalled | Doubt, until: str) -> Requirement:
    doubt = isinstance(about, Doubt)
    called = about.called if doubt else about
    call = RequirementCall(
        id=called.call_id, name=called.name, arguments=read_or_text(called.arguments or "{}"),
        digest=called.arguments_digest,
    )  # fmt: skip
    kind = "in_doubt" if doubt else "confirmation"
    return Requirement(id=id, run_id=run_id, kind=kind, tool_call=call, expires_at=until)


def shortened(asked: Requirement) -> Requirement:
    """Without large arguments: what they are is in the run's log, and the digest is theirs."""
    call = asked.tool_call
    size = len(orjson.dumps(call.arguments)) if call is not None else 0
    if call is None or size <= SHOWN_BYTES:
        return asked
    said = f"{size} bytes, too many to be shown here: /v1/runs/{asked.run_id}/log has them"
    call = call.model_copy(update={"arguments": said})
    return asked.model_copy(update={"tool_call": call})


@dataclass(frozen=True, slots=True)
class StoredOutput:
    """An output that travels by reference."""

    id: str
    digest: str
    media_type: str
    data: bytes


def stored_output(said: RunResult, key: bytes) -> StoredOutput:
    """The blob of an output. Its digest is keyed: it leaves the tenant (protocol 1.3)."""
    text = isinstance(said.output, str)
    data = said.output.encode() if text else orjson.dumps(said.output)
    digest = keyed_digest(key, data)
    media_type = "text/plain; charset=utf-8" if text else "application/json"
    return StoredOutput(digest.removeprefix("hmac:"), digest, media_type, data)
