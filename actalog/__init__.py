"""The front door for authors, and the command line.

Hears: what an author defines, and what a person types.
Says:  tasks, resolutions and cancels, as any other system does.
Owns:  nothing: definitions are values that the platform keeps.

Names are loaded when they are first used, so that `import actalog` costs next to nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from actalog.agent import Agent as Agent
    from actalog.app import AgentOS as AgentOS
    from actalog.app import App as App
    from actalog.client import Client as Client
    from actalog.run.agent import RunOutput as RunOutput
    from actalog.tools.function import Function as Function
    from actalog.tools.function import tool as tool
    from actalog.tools.toolkit import Toolkit as Toolkit

_WHERE = {
    "Agent": "actalog.agent",
    "AgentOS": "actalog.app",
    "App": "actalog.app",
    "Client": "actalog.client",
    "Function": "actalog.tools.function",
    "RunOutput": "actalog.run.agent",
    "Toolkit": "actalog.tools.toolkit",
    "tool": "actalog.tools.function",
}

__all__ = ["Agent", "AgentOS", "App", "Client", "Function", "RunOutput", "Toolkit", "tool"]


def __getattr__(name: str) -> object:
    if name not in _WHERE:
        raise AttributeError(f"module 'actalog' has no attribute {name!r}")
    value = getattr(import_module(_WHERE[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
