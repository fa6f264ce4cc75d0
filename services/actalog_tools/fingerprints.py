"""Which code a callable is: the same source has the same fingerprint in every process."""

import functools
import inspect
import textwrap
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from actalog_core.canonical import content_digest


def fingerprint(function: Callable[..., Any]) -> str:
    """`sha256:<hex>` of the callable's source; of its compiled code where there is no source."""
    code = innermost(function)
    try:
        text = textwrap.dedent(inspect.getsource(code))
    except (OSError, TypeError):
        compiled = getattr(code, "__code__", None)
        text = "\n".join(_compiled(compiled)) if compiled else _named(code)
    return content_digest(text.encode("utf-8", "replace"))


def innermost(function: Any) -> Any:
    """The author's own function: without decorators that say what they wrap, partials, methods
    and objects that are called."""
    while True:
        if isinstance(function, functools.partial):
            function = function.func  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        elif hasattr(function, "__wrapped__"):
            function = inspect.unwrap(function)  # pyright: ignore[reportUnknownArgumentType]
        elif inspect.ismethod(function):
            function = function.__func__
        elif inspect.isroutine(function) or inspect.isclass(function):
            return function  # pyright: ignore[reportUnknownVariableType]
        elif inspect.ismethod(call := getattr(function, "__call__", None)):  # noqa: B004
            function = call
        else:
            return function


def _compiled(code: CodeType) -> Iterator[str]:
    """What the code does, without the file and line it stands in."""
    yield code.co_code.hex()
    yield " ".join((*code.co_names, *code.co_varnames))
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _compiled(constant)
        else:
            yield repr(constant)


def _named(function: object) -> str:
    kind = type(function)
    name = getattr(function, "__qualname__", kind.__qualname__)
    return f"{getattr(function, '__module__', kind.__module__)}.{name}"
