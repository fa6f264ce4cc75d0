"""Ids of calls are functions of the run, so a repeat is recognised; and the commands they name."""

from typing import Any, Literal, TypeAlias

import orjson

from actalog_conductor.agent_states import Facts
from actalog_contracts import calls
from actalog_contracts.base import TextRef
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.runs import ToolCalled

Step: TypeAlias = Literal["memories", "summary"]
# The seq up to which a run's first prompt goes, where nothing is checked or gathered.
FIRST_CALL = 3
MOST_CARRIED = 2_000  # code points; below, reading them costs more than carrying them again
MOST_ARGUMENTS = 800_000  # bytes as they travel; a record has 1,000,000 with all that is around
KEEP_DEFAULTS = (60_000, 262_144)  # timeout in ms, output limit in code points


def input_check(facts: Facts) -> str:
    return f"{facts.run.run_id}:ci"


def gather(facts: Facts) -> str:
    return f"{facts.run.run_id}:g"


def model(facts: Facts) -> str:
    return f"{facts.run.run_id}:m{facts.turn}"


def review(facts: Facts) -> str:
    return f"{facts.run.run_id}:o{facts.turn}"


def tool(facts: Facts, at: int) -> str:
    return f"{facts.run.run_id}:t{facts.turn}.{at}"


def remembering(facts: Facts, step: Step, asked: int) -> str:
    return f"{facts.run.run_id}:{step}{asked}"


def requirement(call_id: str) -> str:
    return f"{call_id}:confirm"


def doubt(call_id: str, epoch: int) -> str:
    """A doubt of its own for each epoch: what was answered once may be in doubt again."""
    return f"{call_id}:doubt{epoch}"


def of_requirement(requirement_id: str) -> str:
    """The call that a requirement is about."""
    return requirement_id.rpartition(":")[0]


def check_input(facts: Facts) -> calls.CheckText:
    return calls.CheckText(
        **_about(facts, input_check(facts)), stage="input", text=facts.accepted.input,
        held=facts.accepted.held_input,
    )  # fmt: skip


def check_output(facts: Facts, held: TextRef, *, purpose: str | None = None) -> calls.CheckText:
    return calls.CheckText(
        **_about(facts, review(facts)), stage="output", held=held, purpose=purpose
    )


def gather_context(facts: Facts) -> calls.GatherContext:
    return calls.GatherContext(**_about(facts, gather(facts)), turn=facts.run.turn or 0)


def call_model(facts: Facts, purpose: str = "answer") -> calls.CallModel:
    # Where a review may block, no delta may leave; what is no answer is shown to nobody.
    stream = purpose == "answer" and not facts.definition.output_checks
    return calls.CallModel(
        **_about(facts, model(facts)), purpose=purpose, seq=facts.seq, stream=stream,
        begun=_begun(facts) if purpose == "answer" else None,
    )  # fmt: skip


def gathers(definition: AgentDefinition) -> bool:
    """Whether the model is to see anything beside the input."""
    wants = definition.memories or definition.summary or definition.show_state
    return wants or definition.history_runs > 0


def _begun(facts: Facts) -> calls.Begun | None:
    """Where accepted, started, and a context of nothing are all that happened, and it is short."""
    text, schema = facts.accepted.input, facts.accepted.output_schema
    if text is None or facts.seq != FIRST_CALL or gathers(facts.definition):
        return None
    if len(text) + len(schema or "") > MOST_CARRIED or facts.accepted.media != "[]":
        return None
    return calls.Begun(input=text, output_schema=schema)


def size(arguments: str) -> int:
    """Bytes of arguments in a command, where JSON text is a text in JSON."""
    return len(orjson.dumps(arguments))


def remember(
    facts: Facts, step: Step, asked: int, *, continuation: str | None, reply: str | None
) -> calls.Remember:
    about = facts.accepted.about
    assert about is not None
    return calls.Remember(
        **_about(facts, remembering(facts, step, asked)), step=step, about_run_no=about.run_no,
        about_seq=about.seq, continuation=continuation, reply=reply,
    )  # fmt: skip


def run_tool(facts: Facts, called: ToolCalled) -> calls.RunTool:
    known = {one.name: one for one in facts.definition.tools}.get(called.name)
    timeout_ms, output_limit = (known.timeout_ms, known.output_limit) if known else KEEP_DEFAULTS
    return calls.RunTool(
        **_about(facts, called.call_id), name=called.name, path=called.path or "",
        arguments=called.arguments, effect=called.effect, timeout_ms=timeout_ms,
        output_limit=output_limit, after_epoch=facts.voided.get(called.call_id),
    )  # fmt: skip


def _about(facts: Facts, call_id: str) -> dict[str, Any]:
    return {
        "tenant_id": facts.run.tenant_id, "run_no": facts.run.run_no, "run_id": facts.run.run_id,
        "session_id": facts.run.session_id, "user_id": facts.run.user_id, "call_id": call_id,
        "definition": facts.accepted.definition, "deadline": facts.accepted.deadline,
        "priority": facts.accepted.priority or None,
    }  # fmt: skip
