"""What a reconciler says: it knows the outside, and is asked whether a call has acted."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from actalog_tools.results import text_of

DONE = "done:"


@dataclass(frozen=True, slots=True)
class Done:
    """The call has acted, and this is what it returned."""

    result: Any = None


class Unsettled(Enum):
    """The call has not acted: it is run. Or nobody knows: a person is asked."""

    NOT_DONE = "not_done"
    UNKNOWN = "unknown"


NOT_DONE: Literal[Unsettled.NOT_DONE] = Unsettled.NOT_DONE
UNKNOWN: Literal[Unsettled.UNKNOWN] = Unsettled.UNKNOWN
Said = Done | Unsettled


class NoAnswer(TypeError):
    """A reconciler returns Done(result), NOT_DONE or UNKNOWN, not"""

    def __str__(self) -> str:
        return f"{type(self).__doc__} {self.args[0]}"


def asking(reconciler: Callable[..., Any]) -> Callable[..., Any]:
    """The reconciler as a callable that says in text what it knows (`understood` reads it)."""

    def ask(**known: Any) -> Any:
        said = reconciler(**known)
        return _later(said) if inspect.isawaitable(said) else _text(said)

    return ask


async def _later(said: Awaitable[Any]) -> str:
    return _text(await said)


def _text(said: object) -> str:
    match said:
        case Done(result=result):
            return DONE + text_of(result)
        case Unsettled():
            return said.value
        case _:
            raise NoAnswer(type(said).__name__)


def understood(text: str) -> str | Unsettled:
    """What the call returned, or what a reconciler said instead."""
    return text.removeprefix(DONE) if text.startswith(DONE) else Unsettled(text)
