"""From what an author wrote to values: an agent's definition, and where its functions are."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from actalog.errors import BadDefinition, NotSupported
from actalog.guardrails.checks import Guardrail
from actalog.models.base import choice
from actalog.schemas import json_schema
from actalog.tool_definitions import Named, named_tools, tool_definition
from actalog_contracts.definitions import AgentDefinition, Check, Definition, Limits, Registered
from actalog_core.canonical import canonical, content_digest

if TYPE_CHECKING:
    from actalog.agent import Agent
    from actalog.tools.function import Function

DEFAULT_HISTORY_RUNS = 3  # Agno's
MARKDOWN = "Use markdown to format your answers."


class Encoded(NamedTuple):
    """A definition with its canonical bytes and their digest: what is registered."""

    digest: str
    body: bytes


def encode(definition: Definition) -> Encoded:
    """The bytes that are stored, and the digest that a run pins.

    Raises:
        BadDefinition: it has text that no JSON can carry.
    """
    try:
        body = canonical(definition.model_dump(mode="json"))
    except (TypeError, ValueError) as error:
        raise BadDefinition(f"agent {definition.id!r}: {error}") from error
    return Encoded(content_digest(body), body)


def registered(definition: Definition) -> Registered:
    """The definition under its digest."""
    return Registered(digest=encode(definition).digest, definition=definition)


def agent_definition(agent: "Agent") -> AgentDefinition:
    """An agent as a value.

    Raises:
        BadDefinition, NotSupported: see `Agent.definition`.
    """
    who = f"agent {agent.id!r}"
    try:
        made = AgentDefinition(
            id=agent.id, name=agent.name or agent.id,
            model=choice(agent.model, retries=agent.retries), instructions=_instructions(who, agent),
            description=_text(who, "description", agent.description),
            expected_output=_text(who, "expected_output", agent.expected_output),
            tools=tuple(tool_definition(one, owner=who) for one in _tools(agent)),
            input_checks=_checks(who, "input", agent.pre_hooks, agent.input_checks),
            output_checks=_checks(who, "output", agent.post_hooks, agent.output_checks),
            history_runs=_history_runs(who, agent), memories=_memories(agent),
            learn=agent.update_memory_on_run, summary=_summary(who, agent),
            show_state=agent.add_session_state_to_context,
            session_state=_json(who, "session_state", agent.session_state or {}),
            output_schema=_schema(who, agent.output_schema), limits=_limits(who, agent),
            overlap=agent.overlap,
        )  # fmt: skip
    except BadDefinition as error:
        if who in error.detail:
            raise
        raise BadDefinition(f"{who}: {error.detail}") from error
    encode(made)
    return made


def agent_callables(agent: "Agent") -> Mapping[str, Callable[..., Any]]:
    """The functions of an agent by their path in the App."""
    return {one.path: _with_declarations(one.function) for one in _tools(agent)}


def _with_declarations(function: "Function[..., Any]") -> Callable[..., Any]:
    """What the tools service reads of a Function; else the author's own, which costs less."""
    needed = function.reconciler or function.isolated
    return function if needed else function.entrypoint


def _tools(agent: "Agent") -> Sequence[Named]:
    return named_tools(agent.tools, path=f"agent:{agent.id}/tools", owner=f"agent {agent.id!r}")


def _instructions(who: str, agent: "Agent") -> tuple[str, ...]:
    given: Any = agent.instructions
    if callable(given):
        raise NotSupported(f"{who}: instructions as a function; give text, or a list of texts.")
    lines = [given] if isinstance(given, str) else list(given or ())
    for line in lines:
        _text(who, "instructions", line)
    return (*lines, MARKDOWN) if agent.markdown else tuple(lines)


def _text(who: str, name: str, given: Any) -> str:
    if given is not None and not isinstance(given, str):
        raise BadDefinition(f"{who}: {name} must be text, not {type(given).__name__}.")
    return given or ""


def _checks(who: str, stage: str, *given: Any) -> tuple[Check, ...]:
    return tuple(_check(who, stage, one) for some in given for one in some or ())


def _check(who: str, stage: str, given: Any) -> Check:
    if isinstance(given, Guardrail):
        return given.to_check()
    if getattr(given, "type", None) in ("pii", "prompt_injection", "length", "format"):
        return given
    hook = "pre_hooks" if stage == "input" else "post_hooks"
    raise NotSupported(
        f"{who}: {given!r} among its {hook}; give guardrails of actalog.guardrails, "
        "not functions or guardrails of your own."
    )


def _history_runs(who: str, agent: "Agent") -> int:
    if not agent.add_history_to_context:
        return 0
    return _positive(who, "num_history_runs", agent.num_history_runs, DEFAULT_HISTORY_RUNS)


def _memories(agent: "Agent") -> bool:
    """Shown where they are made, unless somebody said otherwise."""
    told = agent.add_memories_to_context
    return agent.update_memory_on_run if told is None else told


def _summary(who: str, agent: "Agent") -> bool:
    told = agent.add_session_summary_to_context
    if told is not None and told != agent.enable_session_summaries:
        raise NotSupported(
            f"{who}: enable_session_summaries={agent.enable_session_summaries} with "
            f"add_session_summary_to_context={told}; a summary is made and shown, or neither."
        )
    return agent.enable_session_summaries


def _schema(who: str, given: Any) -> str | None:
    if given is None:
        return None
    return _json(who, "output_schema", json_schema(given, name=f"{who}: output_schema"))


def _json(who: str, name: str, given: Any) -> str:
    try:
        return json.dumps(given, allow_nan=False, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadDefinition(f"{who}: {name} is not JSON: {error}.") from error


def _limits(who: str, agent: "Agent") -> Limits:
    usual = Limits()
    deadline_ms = usual.deadline_ms if agent.timeout is None else round(agent.timeout * 1000)
    return Limits(
        turns=_positive(who, "turn_limit", agent.turn_limit, usual.turns),
        tool_calls=_positive(who, "tool_call_limit", agent.tool_call_limit, usual.tool_calls),
        deadline_ms=_positive(who, "timeout", deadline_ms, usual.deadline_ms),
    )


def _positive(who: str, name: str, given: Any, usual: int) -> int:
    if given is None:
        return usual
    if not isinstance(given, int) or isinstance(given, bool) or given <= 0:
        raise BadDefinition(f"{who}: {name}={given!r}; give a positive number.")
    return given
