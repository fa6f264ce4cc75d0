"""AgentOS's JSON: agents, tool executions, run outputs, as Agno's own clients read them. Pure."""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

from actalog_contracts.base import Usage
from actalog_contracts.definitions import AgentDefinition
from actalog_contracts.strict_json import MAX_INTEGER
from actalog_core.clock import parse_time
from actalog_gateway.story import Story, ToolStory, loads
from actalog_log.ports import RunRow

DB_ID = "actalog"  # agent-ui shows no history of agents without one
STATUS = {
    "accepted": "PENDING", "running": "RUNNING", "paused": "PAUSED", "completed": "COMPLETED",
    "failed": "ERROR", "blocked": "ERROR", "cancelled": "CANCELLED",
    "tampered": "ERROR",
}  # fmt: skip
PROVIDERS = {"openai": "OpenAI", "anthropic": "Anthropic"}
NO_TOOL_FIELDS = (
    "child_run_id", "requires_user_input", "user_input_schema", "user_feedback_schema",
    "answered", "external_execution_required", "external_execution_silent", "approval_type",
    "approval_id", "parent_tool_call_id",
)  # fmt: skip
CONFIRMATION = "I have tools to execute, but I need confirmation."


def epoch(at: str | None) -> int:
    """Seconds, as `created_at` of runs and events is."""
    return int(parse_time(at).timestamp()) if at else 0


def iso(at: str) -> str:
    """Times in lists: whole seconds, with Z."""
    return at[:19] + "Z"


def provider(definition: AgentDefinition) -> str:
    return PROVIDERS.get(definition.model.provider, definition.model.provider)


def without_none(content: Mapping[str, Any]) -> dict[str, Any]:
    """Nulls are absent in events and run outputs."""
    return {name: value for name, value in content.items() if value is not None}


def summary(definition: AgentDefinition) -> dict[str, Any]:
    """An agent in `/config`."""
    return without_none({
        "id": definition.id, "name": definition.name,
        "description": definition.description or None, "db_id": DB_ID,
        "model": {"id": definition.model.id, "provider": provider(definition)},
        "sandboxed": False,
    })  # fmt: skip


def agent(definition: AgentDefinition) -> dict[str, Any]:
    """An agent in `/agents`."""
    model = definition.model
    tools = [
        {"name": one.name, "description": one.description, "parameters": loads(one.parameters),
         "requires_confirmation": one.requires_confirmation}
        for one in definition.tools
    ]  # fmt: skip
    return without_none({
        "id": definition.id, "name": definition.name, "db_id": DB_ID,
        "description": definition.description or None,
        "model": {"name": provider(definition), "model": model.id,
                  "provider": provider(definition)},
        "tools": {"tools": tools} if tools else None,
        "sessions": {"add_history_to_context": True,
                     "num_history_runs": definition.history_runs}
        if definition.history_runs else None,
        "memory": {"update_memory_on_run": True} if definition.learn else None,
        "system_message": {"instructions": list(definition.instructions)}
        if definition.instructions else None,
        "is_factory": False, "is_component": False, "filesystem": False, "sandboxed": False,
    })  # fmt: skip


def tool(one: ToolStory) -> dict[str, Any]:
    """A ToolExecution: always all of its keys. A call in doubt asks for a confirmation, too: that
    it was made."""
    done = one.status not in ("running", "awaiting", "in_doubt")
    began = parse_time(one.started_at).timestamp() if one.started_at else 0.0
    arguments = _for_every_reader(loads(one.call.arguments))
    metrics = {
        "start_time": began, "end_time": began + one.duration_ms / 1_000,
        "duration": one.duration_ms / 1_000,
    }  # fmt: skip
    return {
        "tool_call_id": one.call.call_id, "tool_name": one.call.name,
        "tool_args": arguments if isinstance(arguments, dict) else {"": arguments},
        "tool_call_error": one.status != "returned" if done else None,
        "result": one.content if done else None, "metrics": metrics if done else None,
        "stop_after_tool_call": False, "created_at": epoch(one.started_at),
        "requires_confirmation": one.call.requires_confirmation or one.status == "in_doubt" or None,
        "confirmed": None if one.status == "in_doubt" else one.confirmed,
        "confirmation_note": one.note,
        **dict.fromkeys(NO_TOOL_FIELDS),
    }  # fmt: skip


def _for_every_reader(value: Any) -> Any:
    """With integers as text where readers of JSON disagree about them: clients send arguments back
    as they have read them, and a person must have seen the very number."""
    match value:
        case dict():
            told: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
            return {name: _for_every_reader(one) for name, one in told.items()}
        case list():
            listed: list[Any] = value  # pyright: ignore[reportUnknownVariableType]
            return [_for_every_reader(one) for one in listed]
        case int() if abs(value) > MAX_INTEGER:
            return str(value)
        case _:
            return value


def requirements(story: Story) -> list[dict[str, Any]]:
    """What a paused run waits for."""
    return [
        {"id": one.id, "created_at": story.tools[one.tool_call.id].started_at,
         "tool_execution": tool(story.tools[one.tool_call.id])}
        for one in story.requirements() if one.tool_call is not None
    ]  # fmt: skip


def tokens(usages: Iterable[Usage]) -> dict[str, Any]:
    """What was used, together."""
    usage = reduce(Usage.plus, usages, Usage())
    told = {
        "input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }  # fmt: skip
    return told | ({"reasoning_tokens": usage.reasoning_tokens} if usage.reasoning_tokens else {})


def metadata(story: Story) -> dict[str, Any] | None:
    """What the sender gave along."""
    return loads(story.accepted.metadata) or None if story.accepted else None


def metrics(story: Story, definition: AgentDefinition) -> dict[str, Any]:
    """Usage in Agno's words; seconds."""
    used = tokens([story.usage])
    first = story.replies[0].first_token_ms if story.replies else None
    model = {**used, "id": definition.model.id, "provider": provider(definition)}
    return without_none({
        **used, "time_to_first_token": first / 1_000 if first is not None else None,
        "duration": _seconds(story), "details": {"model": [model]},
    })  # fmt: skip


def _seconds(story: Story) -> float | None:
    if story.accepted is None or story.finished_at is None:
        return None
    began = parse_time(story.accepted.accepted_at)
    return (parse_time(story.finished_at) - began).total_seconds()


def structured_type(story: Story, definition: AgentDefinition | None) -> str:
    """Agno names the class of a structured answer: that is its schema's title."""
    asked = story.accepted.output_schema if story.accepted else None
    schema = loads(asked or (definition.output_schema if definition else None))
    title = schema.get("title") if isinstance(schema, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return title if isinstance(title, str) and title else "dict"


def content(story: Story, definition: AgentDefinition | None = None) -> tuple[Any, str]:
    """What a run came to, and its type: text, the object asked for, or what went wrong."""
    if story.error is not None and story.status != "cancelled":
        return story.error.message, "str"
    if story.structured:
        return story.output, structured_type(story, definition)
    if story.status == "paused":
        return CONFIRMATION, "str"
    return story.said, "str"


def output(
    row: RunRow, story: Story, definition: AgentDefinition, state: Mapping[str, Any]
) -> dict[str, Any]:
    """A RunOutput: the answer without streaming, and of a poll."""
    said, kind = content(story, definition)
    paused = story.status == "paused"
    return without_none({
        "run_id": row.run_id, "agent_id": definition.id, "agent_name": definition.name,
        "session_id": row.session_id, "user_id": row.user_id, "content": said,
        "content_type": kind, "reasoning_content": story.reasoning or None,
        "model": definition.model.id,
        "model_provider": provider(definition), "session_state": dict(state),
        "created_at": int(row.accepted_at.timestamp()), "status": STATUS[story.status],
        "metrics": metrics(story, definition), "messages": messages(row, story),
        "tools": [tool(one) for one in story.tools.values()],
        "requirements": requirements(story) if paused else None,
        "input": {"input_content": story.input} if story.input is not None else None,
        "metadata": metadata(story),
    })  # fmt: skip


def messages(row: RunRow, story: Story) -> list[dict[str, Any]]:
    """The conversation of one run."""
    at = int(row.accepted_at.timestamp())
    return [
        {"id": f"{row.run_id}:message:{number}", "from_history": False,
         "stop_after_tool_call": False, "created_at": at, **_message(story, one)}
        for number, one in enumerate(story.messages)
    ]  # fmt: skip


def _message(story: Story, one: Mapping[str, Any]) -> dict[str, Any]:
    """Calls as OpenAI has them, answers with the call that they are of."""
    said = {name: value for name, value in one.items() if name != "reasoning"}
    if asked := said.get("tool_calls"):
        said["tool_calls"] = [
            {"id": call["id"], "type": "function",
             "function": {"name": call["name"], "arguments": call["arguments"]}}
            for call in asked
        ]  # fmt: skip
    if (made := story.tools.get(said.get("tool_call_id", ""))) is not None:
        known = tool(made)
        said |= {name: known[name] for name in ("tool_name", "tool_args", "tool_call_error")}
    return without_none({**said, "reasoning_content": one.get("reasoning")})
