"""The author's callables as tools, by their path in the App."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from actalog_tools.attempt import Tool
from actalog_tools.functions import describe
from actalog_tools.isolated.addresses import address_of

MEMORY_MB = 1024  # of an isolated tool that says nothing


class Offered(Mapping[str, Tool]):
    """A view: what is added to the callables later, in a notebook for example, is offered too,
    and a path that got another callable gives the new one.

    Raises:
        BadFunction: a callable that cannot be described, or that is isolated and that no other
            process can import; of those there are now, at once.
    """

    def __init__(
        self, callables: Mapping[str, Callable[..., Any]], *, app: str | None = None
    ) -> None:
        self._callables, self._app = callables, app
        self._described: dict[str, tuple[Callable[..., Any], Tool]] = {}
        for path in callables:
            _ = self[path]

    def __getitem__(self, path: str) -> Tool:
        function = self._callables[path]
        known = self._described.get(path)
        if known is None or known[0] is not function:
            known = self._described[path] = (function, self._tool(path, function))
        return known[1]

    def _tool(self, path: str, function: Callable[..., Any]) -> Tool:
        spec = describe(function)
        if not getattr(function, "isolated", False):
            return Tool(function, spec)
        apart = address_of(function, path=path, app=self._app)
        return Tool(function, spec, apart, getattr(function, "memory_mb", None) or MEMORY_MB)

    def __iter__(self) -> Iterator[str]:
        return iter(self._callables)

    def __len__(self) -> int:
        return len(self._callables)
