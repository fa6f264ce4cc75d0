"""`@tool`: a function with what the platform must know about it."""

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Generic, Literal, ParamSpec, TypeVar, cast, overload

from actalog.errors import BadDefinition
from actalog.parameters import refuse
from actalog.unsupported import TOOL_NOT_YET

P = ParamSpec("P")
R = TypeVar("R")
Effect = Literal["read_only", "idempotent", "reconciled", "once"]
Reconciler = Callable[..., Any]


class Function(Generic[P, R]):
    """A tool. Calling it calls the function, so that it can be tested as what it is.

    `effect` is what the author declares about running it again after a crash: a `read_only` or
    `idempotent` tool is run again with the same key; of a `reconciled` one its `reconciler` is
    asked first; any other is never repeated by itself.
    `timeout` is in seconds, `output_limit` in code points given to the model.
    `isolated`: it runs in a process of its own, which may take `memory_mb` (1,048,576 bytes each)
    more than it has when the call begins; 1024 where it is None.
    """

    __name__: str

    def __init__(
        self,
        entrypoint: Callable[P, R],
        *,
        name: str | None = None,
        description: str | None = None,
        requires_confirmation: bool = False,
        effect: Effect = "once",
        reconciler: Reconciler | None = None,
        timeout: float | None = None,
        output_limit: int | None = None,
        isolated: bool = False,
        memory_mb: int | None = None,
    ) -> None:
        update_wrapper(self, entrypoint)
        self.entrypoint = entrypoint
        self.name = name
        self.description = description
        self.requires_confirmation = requires_confirmation
        self.effect: Effect = effect
        self.reconciler = reconciler
        self.timeout = timeout
        self.output_limit = output_limit
        self.isolated = isolated
        self.memory_mb = memory_mb

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.entrypoint(*args, **kwargs)

    def __get__(self, owner: object, kind: type | None = None) -> "Function[..., R]":
        """A tool that is a method: bound to its object."""
        if owner is None:
            return self
        return self.over(self.entrypoint.__get__(owner, kind))  # type: ignore[attr-defined]

    def over(self, entrypoint: Callable[..., R], **changes: Any) -> "Function[..., R]":
        """The same tool over another callable, or with other declarations."""
        kept: dict[str, Any] = {
            "name": self.name, "description": self.description,
            "requires_confirmation": self.requires_confirmation, "effect": self.effect,
            "reconciler": self.reconciler,
            "timeout": self.timeout, "output_limit": self.output_limit,
            "isolated": self.isolated, "memory_mb": self.memory_mb,
        }  # fmt: skip
        return Function(entrypoint, **(kept | changes))

    def __repr__(self) -> str:
        return f"Function({self.name or getattr(self.entrypoint, '__name__', '?')})"


_DECLARED: dict[str, object] = Function.__init__.__kwdefaults__ or {}
KNOWN = frozenset((*_DECLARED, "read_only", "idempotent")) - {"effect"}


def as_function(given: Callable[..., Any]) -> Function[..., Any]:
    """A tool as it is; a plain function as a tool that declares nothing."""
    if isinstance(given, Function):
        return cast("Function[..., Any]", given)
    return Function(given)


def _effect(declared: dict[str, Any]) -> Effect:
    """What the author declares about running it again; what is no parameter of a Function goes."""
    chosen: list[Effect] = []
    if declared.pop("read_only", False):
        chosen.append("read_only")
    if declared.pop("idempotent", False):
        chosen.append("idempotent")
    if (reconciler := declared.get("reconciler")) is not None:
        if not callable(reconciler):
            raise BadDefinition(f"reconciler={reconciler!r} cannot be called.")
        chosen.append("reconciled")
    if len(chosen) > 1:
        raise BadDefinition("a tool is read_only or idempotent or has a reconciler: one of them.")
    return chosen[0] if chosen else "once"


def _check_memory(declared: dict[str, Any]) -> None:
    given: Any = declared.get("memory_mb")
    if given is None:
        return
    if not declared.get("isolated"):
        raise BadDefinition("memory_mb= limits a tool with isolated=True, and no other.")
    if not isinstance(given, int) or isinstance(given, bool) or given <= 0:
        raise BadDefinition(f"memory_mb={given!r}; give a positive whole number.")


@overload
def tool(function: Callable[P, R], /) -> Function[P, R]: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    requires_confirmation: bool = False,
    read_only: bool = False,
    idempotent: bool = False,
    reconciler: Reconciler | None = None,
    timeout: float | None = None,
    output_limit: int | None = None,
    isolated: bool = False,
    memory_mb: int | None = None,
) -> Callable[[Callable[P, R]], Function[P, R]]: ...
def tool(function: Callable[..., Any] | None = None, /, **declared: Any) -> Any:
    """Make a function a tool, bare or with arguments.

    Raises:
        NotSupported, UnknownParameter: an argument of another name.
        BadDefinition: more than one of read_only, idempotent and reconciler, something that
            cannot be called, or a limit of memory that is none.
    """
    if not declared.keys() <= KNOWN:
        refuse("tool", declared, known=KNOWN, not_yet=TOOL_NOT_YET)
    effect = _effect(declared)
    _check_memory(declared)

    def make(entrypoint: Callable[..., Any]) -> Function[..., Any]:
        if not callable(entrypoint):
            raise BadDefinition(f"@tool stands on {entrypoint!r}, which cannot be called.")
        return Function(entrypoint, effect=effect, **declared)

    return make if function is None else make(function)
