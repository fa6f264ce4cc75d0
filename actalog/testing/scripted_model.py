"""A model that says what its script has, in order."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self, TypeAlias

import orjson

from actalog.models.base import Model
from actalog_testing.scripted import Answer, Fault, Reply, Request, ToolUse

Line: TypeAlias = str | Reply | Fault | ToolUse | Sequence[ToolUse]
Script: TypeAlias = Sequence[Line] | Callable[[Request], Line | None]

_NUMBERS = itertools.count(1)


def call(name: str, **arguments: Any) -> ToolUse:
    """A tool call of the model."""
    return ToolUse(name, orjson.dumps(arguments).decode())


class ScriptedModel(Model):
    """Give it to an Agent, and the App to `isolated_platform`.

    A line of the script is the text of an answer, a tool call (`call(...)`) or several at once,
    a `Reply`, or a `Fault`. A function of the request may take the list's place. When the script
    is used up, the model fails and says so. A `Fault` ends the run, unless the agent's `retries`
    let it be tried again.

    Elsewhere it is refused: `Agent.run` and `actalog up` do not have the script.
    """

    provider: ClassVar[str] = "openai"
    in_tests: ClassVar[bool] = True

    def __new__(cls, *args: Any, **given: Any) -> Self:
        return object.__new__(cls)

    def __init__(self, script: Script) -> None:
        super().__init__(f"scripted-{next(_NUMBERS)}", retries=0)
        self._function = script if callable(script) else None
        self._lines = [] if callable(script) else list(script)
        self.requests: list[Request] = []

    @property
    def left(self) -> int:
        """How many lines of the list were not said."""
        return len(self._lines)

    def answer(self, request: Request) -> Answer:
        """The next line."""
        self.requests.append(request)
        line = self._function(request) if self._function else None
        if self._lines:
            line = self._lines.pop(0)
        if line is None:
            said = f"the script of {self.id} is used up after {len(self.requests) - 1} answers"
            return Fault(status=400, message=said)
        return _answer(line)


def _answer(line: Line) -> Answer:
    match line:
        case str():
            return Reply(line)
        case Reply() | Fault():
            return line
        case ToolUse():
            return Reply(tool_calls=(line,))
        case _:
            return Reply(tool_calls=tuple(line))
