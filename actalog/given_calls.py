"""What a method was given, looked at before anything is done with it: as `actalog.given` for calls."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar, cast

from actalog.errors import BadCall
from actalog_contracts.base import NO_CONTROLS

T = TypeVar("T")


def text(name: str, given: Any) -> str:
    """Text.

    Raises:
        BadCall: it is something else.
    """
    return of_kind(name, given, str, called="text")


def of_kind(name: str, given: Any, kind: type[T] | tuple[type[T], ...], *, called: str = "") -> T:
    """One of that class, or of one of these.

    Raises:
        BadCall: it is something else.
    """
    if not isinstance(given, kind):
        wanted = called or f"a {getattr(kind, '__name__', kind)}"
        raise BadCall(f"{name} must be {wanted}, not {type(given).__name__}.")
    return given


def each_of_kind(name: str, given: Any, kind: type[T]) -> Sequence[T]:
    """A list of them; empty where none is given.

    Raises:
        BadCall: it is something else, or has something else in it.
    """
    if given is None:
        return ()
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        raise BadCall(f"{name} must be a list of {kind.__name__}, not {type(given).__name__}.")
    each = cast("Sequence[Any]", given)
    return [of_kind(f"{name}[{at}]", one, kind) for at, one in enumerate(each)]


def run_id(given: Any) -> str:
    """The id of a run. Nothing is ever told of another thing, and so it would be waited for ever.

    Raises:
        BadCall: it can be none.
    """
    if not re.match(NO_CONTROLS, text("run_id", given)):
        raise BadCall(f"run_id: {given!r} is no id of a run.")
    return given


def after(given: Any) -> int:
    """The number of the event behind which it goes on; 0: at the first.

    Raises:
        BadCall: it is something else.
    """
    if not isinstance(given, int) or given < 0:
        raise BadCall(f"after={given!r}; give the number of an event, or 0.")
    return given
