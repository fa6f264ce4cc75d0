"""The author's callables as tools, by their path in the App."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from actalog_tools.attempt import Tool
from actalog_tools.functions import describe


class Offered(Mapping[str, Tool]):
    """A view: what is added to the callables later, in a notebook for example, is offered too,
    and a path that got another callable gives the new one.

    Raises:
        BadFunction: a callable that cannot be described; of those there are now, at once.
    """

    def __init__(self, callables: Mapping[str, Callable[..., Any]]) -> None:
        self._callables = callables
        self._described: dict[str, tuple[Callable[..., Any], Tool]] = {}
        for path in callables:
            _ = self[path]

    def __getitem__(self, path: str) -> Tool:
        function = self._callables[path]
        known = self._described.get(path)
        if known is None or known[0] is not function:
            known = self._described[path] = (function, Tool(function, describe(function)))
        return known[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._callables)

    def __len__(self) -> int:
        return len(self._callables)
