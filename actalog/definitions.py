"""From what an author wrote to values: an agent's definition, and where its functions are."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from actalog.errors import BadDefinition, NotSupported
from actalog.given import flag, listed, milliseconds, positive, text
from actalog.guardrails.checks import Guardrail
from actalog.models.base import choice
from actalog.schemas import json_schema
from actalog.tool_definitions import Named, named_tools, tool_definition
from actalog_contracts.base import MAX_ID
from actalog_contracts.definitions import AgentDefinition, Check, Definition, Limits, Registered
from actalog_core.canonical import canonical, content_digest

if TYPE_CHECKING:
    from actalog.agent import Agent
    from actalog.tools.function import Function

DEFAULT_HISTORY_RUNS = 3  # Agno's
FLAGS = (
    "add_history_to_context", "add_memories_to_context", "add_session_state_to_context",
    "add_session_summary_to_context", "enable_session_summaries", "markdown", "overlap",
    "update_memory_on_run",
)  # fmt: skip
# AgentOS's clients write an id into their addresses as it is, and with these parts they lead elsewhere.
NOWHERE = re.compile(r"(^|/)(\.{0,2}|(?<=/)(runs|sessions))(/|$)")
LONGEST_ID = MAX_ID - len("agent:")  # a task's target is of an id's length
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
    id = _id(agent)
    who = f"agent {id!r}"
    _check_flags(who, agent)
    try:
        made = AgentDefinition(
            id=id, name=agent.name or id,
            model=choice(agent.model, retries=agent.retries, who=who), instructions=_instructions(who, agent),
            description=_text(who, "description", agent.description),
            expected_output=_text(who, "expected_output", agent.expected_output),
            tools=tuple(tool_definition(one, owner=who) for one in _tools(agent)),
            input_checks=_checks(who, "input", agent),
            output_checks=_checks(who, "output", agent),
            history_runs=_history_runs(who, agent), memories=_memories(agent),
            learn=agent.update_memory_on_run, summary=_summary(who, agent),
            show_state=agent.add_session_state_to_context,
            session_state=_state(who, agent.session_state),
            output_schema=_schema(who, agent.output_schema), limits=_limits(who, agent),
            overlap=agent.overlap,
        )  # fmt: skip
    except BadDefinition as error:
        if who in error.detail:
            raise
        raise BadDefinition(f"{who}: {error.detail}") from error.__cause__
    encode(made)
    return made


def agent_callables(agent: "Agent") -> Mapping[str, Callable[..., Any]]:
    """The functions of an agent by their path in the App."""
    return {one.path: _with_declarations(one.function) for one in _tools(agent)}


def _with_declarations(function: "Function[..., Any]") -> Callable[..., Any]:
    """What the tools service reads of a Function; else the author's own, which costs less."""
    needed = function.reconciler or function.isolated
    return function if needed else function.entrypoint


def _id(agent: "Agent") -> str:
    for name, given in (("id", agent._id), ("name", agent.name)):
        if given is not None:
            text("an agent", name, given)
    id = agent.id
    if not id.strip() or not id.isprintable() or NOWHERE.search(id):
        raise BadDefinition(f"an agent cannot be called {id!r}; give it another name or id.")
    if len(id) > LONGEST_ID:
        said = f"{id[:20]!r}... has {len(id)} characters, and {LONGEST_ID} are the most"
        raise BadDefinition(f"an agent's id {said}; give it another name or id.")
    return id


def _tools(agent: "Agent") -> Sequence[Named]:
    id = _id(agent)
    return named_tools(agent.tools, path=f"agent:{id}/tools", owner=f"agent {id!r}")


def _check_flags(who: str, agent: "Agent") -> None:
    for name in FLAGS:
        given = getattr(agent, name)
        if given is not None:
            flag(who, name, given)


def _instructions(who: str, agent: "Agent") -> tuple[str, ...]:
    given: Any = agent.instructions
    if callable(given):
        raise NotSupported(f"{who}: instructions as a function; give text, or a list of texts.")
    lines = [given] if isinstance(given, str) else listed(who, "instructions", given)
    told = tuple(text(who, "instructions", line) for line in lines)
    return (*told, MARKDOWN) if agent.markdown else told


def _text(who: str, name: str, given: Any) -> str:
    return "" if given is None else text(who, name, given)


def _checks(who: str, stage: str, agent: "Agent") -> tuple[Check, ...]:
    hook = "pre_hooks" if stage == "input" else "post_hooks"
    return tuple(
        _check(who, hook, one)
        for name in (hook, f"{stage}_checks")
        for one in listed(who, name, getattr(agent, name))
    )


def _check(who: str, hook: str, given: Any) -> Check:
    if isinstance(given, Guardrail):
        return given.to_check()
    if getattr(given, "type", None) in ("pii", "prompt_injection", "length", "format"):
        return given
    raise NotSupported(
        f"{who}: {given!r} among its {hook}; give guardrails of actalog.guardrails, "
        "not functions or guardrails of your own."
    )


def _history_runs(who: str, agent: "Agent") -> int:
    if not agent.add_history_to_context:
        return 0
    return positive(who, "num_history_runs", agent.num_history_runs, DEFAULT_HISTORY_RUNS)


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


def _state(who: str, given: Any) -> str:
    if given is not None and not isinstance(given, Mapping):
        raise BadDefinition(f"{who}: session_state must be a dict, not {given!r}.")
    return _json(who, "session_state", dict(given or {}))  # pyright: ignore[reportUnknownArgumentType]


def _limits(who: str, agent: "Agent") -> Limits:
    usual = Limits()
    return Limits(
        turns=positive(who, "turn_limit", agent.turn_limit, usual.turns),
        tool_calls=positive(who, "tool_call_limit", agent.tool_call_limit, usual.tool_calls),
        deadline_ms=milliseconds(who, "timeout", agent.timeout, usual.deadline_ms),
    )
