"""A message of a conversation, as a run's output shows it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Message:
    """`role` is user, assistant or tool; `tool_calls` are in OpenAI's shape."""

    role: str
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    tool_call_id: str | None = None
    tool_name: str | None = None
    tool_call_error: bool | None = None
