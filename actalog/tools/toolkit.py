"""A group of tools that share an object: a connection, a client, a folder."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from actalog.errors import BadDefinition
from actalog.given import listed
from actalog.parameters import refuse
from actalog.tools.function import Function, as_function
from actalog.unsupported import TOOLKIT_NOT_YET

AnyTool = Function[..., Any] | Callable[..., Any]


class Toolkit:
    """Tools under one name. Subclasses give their methods as `tools`, or `register` them."""

    def __new__(cls, *args: Any, **given: Any) -> Self:
        if cls is Toolkit and not given.keys() <= PARAMETERS:
            refuse("Toolkit", given, known=PARAMETERS, not_yet=TOOLKIT_NOT_YET)
        return object.__new__(cls)

    def __init__(
        self,
        name: str = "toolkit",
        tools: Sequence[AnyTool] = (),
        *,
        include_tools: Sequence[str] | None = None,
        exclude_tools: Sequence[str] | None = None,
        requires_confirmation_tools: Sequence[str] = (),
        timeout: float | None = None,
    ) -> None:
        self.name = name
        self.include_tools = include_tools
        self.exclude_tools = exclude_tools
        self.requires_confirmation_tools = requires_confirmation_tools
        self.timeout = timeout
        self._tools: list[Function[..., Any]] = []
        for one in listed(f"toolkit {name!r}", "tools", tools):
            self.register(one)

    def register(self, function: AnyTool, name: str | None = None) -> None:
        """Add a tool."""
        made = as_function(function)
        self._tools.append(made.over(made.entrypoint, name=name) if name else made)

    def functions(self) -> Sequence[Function[..., Any]]:
        """The tools that were not excluded, with what the toolkit declares for them.

        Raises:
            BadDefinition: a list names a tool that the toolkit does not have, or it was not made.
        """
        if not hasattr(self, "_tools"):
            raise BadDefinition(f"{type(self).__name__}.__init__ must call super().__init__(...).")
        named = {_name(one): one for one in self._tools}
        if len(named) != len(self._tools):
            raise BadDefinition(f"toolkit {self.name!r} has two tools of one name.")
        lists = (self.include_tools, self.exclude_tools, self.requires_confirmation_tools)
        for wanted in (name for names in lists for name in names or ()):
            if wanted not in named:
                raise BadDefinition(f"toolkit {self.name!r} has no tool {wanted!r}.")
        chosen = [
            (name, one) for name, one in named.items()
            if (self.include_tools is None or name in self.include_tools)
            and name not in (self.exclude_tools or ())
        ]  # fmt: skip
        return [self._declared(name, one) for name, one in chosen]

    def _declared(self, name: str, one: Function[..., Any]) -> Function[..., Any]:
        asks = one.requires_confirmation or name in self.requires_confirmation_tools
        timeout = self.timeout if one.timeout is None else one.timeout
        return one.over(one.entrypoint, requires_confirmation=asks, timeout=timeout)


def _name(function: Function[..., Any]) -> str:
    return function.name or getattr(function.entrypoint, "__name__", "?")


PARAMETERS: frozenset[str] = frozenset({"name", "tools", *(Toolkit.__init__.__kwdefaults__ or {})})
