"""The services' names; nothing is imported to know them."""

from typing import Literal, get_args

Name = Literal["conductor", "guardrails", "context", "llm", "tools", "memory", "gateway"]
NAMES: tuple[Name, ...] = get_args(Name)
