"""A tool as a value: its schema from the signature, its effect from what the author declared."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from actalog.errors import BadDefinition, NotSupported
from actalog.given import flag, listed, milliseconds, positive, text
from actalog.tools.function import Function, as_function
from actalog.tools.toolkit import Toolkit
from actalog_contracts.definitions import ToolDefinition

if TYPE_CHECKING:
    from actalog_tools.functions import FunctionSpec


NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")  # what every provider takes; OpenAI's is the narrowest


class Named(NamedTuple):
    """A tool under its name and its path in the App."""

    name: str
    path: str
    function: Function[..., Any]


def named_tools(given: Any, *, path: str, owner: str) -> Sequence[Named]:
    """The tools of an agent, toolkits opened.

    Raises:
        BadDefinition: two of one name, or something that is no tool.
        NotSupported: a list that is made at run time.
    """
    if callable(given):
        raise NotSupported(f"{owner}: tools as a function; give a list.")
    found: dict[str, Named] = {}
    for function in _opened(listed(owner, "tools", given), owner):
        name = function.name or getattr(function.entrypoint, "__name__", "")
        if not NAME.fullmatch(text(f"{owner}, a tool", "name", name)):
            raise BadDefinition(
                f"{owner}: a tool cannot be called {name!r}; give it a name= of at most 64 letters "
                "from a to z, digits, _ and -."
            )
        if name in found:
            raise BadDefinition(f"{owner} has two tools called {name!r}; give one of them a name=.")
        found[name] = Named(name, f"{path}/{name}", function)
    return list(found.values())


def _opened(given: Iterable[Any], owner: str) -> Iterator[Function[..., Any]]:
    for one in given:
        if isinstance(one, Function):
            yield one
        elif isinstance(one, Toolkit):
            yield from one.functions()
        elif isinstance(one, type) or not callable(one):
            raise BadDefinition(f"{owner}: {one!r} is no tool; give functions or toolkits.")
        else:
            yield as_function(one)


def tool_definition(tool: Named, *, owner: str) -> ToolDefinition:
    """A tool as a value.

    Raises:
        BadDefinition: a parameter has no annotation, or one without a JSON Schema; the message
            names tool and parameter.
    """
    function, who = tool.function, f"{owner}, tool {tool.name!r}"
    try:
        spec = _described(function.entrypoint)
    except (TypeError, ValueError) as error:
        said = str(error).removeprefix(f"{tool.name}: ").removesuffix(".")
        raise BadDefinition(f"{who}: {said}.") from None
    usual = ToolDefinition.model_fields
    return ToolDefinition(
        name=tool.name, description=text(who, "description", function.description or spec.description),
        parameters=spec.parameters, path=tool.path, fingerprint=spec.fingerprint,
        effect=function.effect,
        requires_confirmation=flag(who, "requires_confirmation", function.requires_confirmation),
        timeout_ms=milliseconds(who, "timeout", function.timeout, usual["timeout_ms"].default),
        output_limit=positive(who, "output_limit", function.output_limit, usual["output_limit"].default),
        wants_key=spec.wants_key,
    )  # fmt: skip


def _described(entrypoint: Callable[..., Any]) -> "FunctionSpec":
    try:
        return _remembered(entrypoint)
    except TypeError:
        if getattr(entrypoint, "__hash__", None) is not None:
            raise
    from actalog_tools.functions import describe

    return describe(entrypoint)  # an object that has no hash


@lru_cache(maxsize=1024)
def _remembered(entrypoint: Callable[..., Any]) -> "FunctionSpec":
    """Reading a signature takes longer than all else in a definition."""
    from actalog_tools.functions import describe

    return describe(entrypoint)
