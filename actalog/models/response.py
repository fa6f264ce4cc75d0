"""A tool call of a run, as its author sees it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class ToolExecution:
    """What was asked, and what came of it. `tool_args` is what the model wrote, where it is JSON;
    `digest` is that of its text, and stands for what a person saw when they confirm."""

    tool_call_id: str
    tool_name: str
    tool_args: dict[str, Any] = field(default_factory=dict[str, Any])
    result: str | None = None
    tool_call_error: bool | None = None
    requires_confirmation: bool | None = None
    confirmed: bool | None = None
    confirmation_note: str | None = None
    created_at: int = 0
    duration: float | None = None
    digest: str | None = None

    @property
    def is_paused(self) -> bool:
        """A person must confirm it."""
        return bool(self.requires_confirmation) and self.confirmed is None and self.result is None
