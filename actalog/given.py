"""What an author gave, looked at before anything is made of it: what is of a wrong kind is told with
the name it was given under, and not by the library that stumbles over it."""

import math
from collections.abc import Collection, Mapping
from typing import Any, cast

from actalog.errors import BadDefinition

MOST = 2**53 - 1  # what numbers of messages may be (protocol 11.1)
CENTURY_MS = 100 * 366 * 86_400_000  # a deadline is a time, and times end with the year 9999


def text(who: str, name: str, given: Any) -> str:
    """Text.

    Raises:
        BadDefinition: it is something else.
    """
    if not isinstance(given, str):
        raise BadDefinition(f"{who}: {name} must be text, not {type(given).__name__}.")
    return given


def flag(who: str, name: str, given: Any) -> bool:
    """True or False.

    Raises:
        BadDefinition: it is something else.
    """
    if not isinstance(given, bool):
        raise BadDefinition(f"{who}: {name}={given!r}; give True or False.")
    return given


def positive(who: str, name: str, given: Any, usual: int | None = None) -> int:
    """A whole number above 0; where none is given what is usual, if anything is.

    Raises:
        BadDefinition: it is something else.
    """
    if given is None and usual is not None:
        return usual
    if given is None or not _whole(given) or not 0 < given <= MOST:
        raise BadDefinition(f"{who}: {name}={given!r}; give a positive number.")
    return given


def times(who: str, name: str, given: Any) -> int:
    """How often: 0 or more.

    Raises:
        BadDefinition: it is something else.
    """
    if not _whole(given) or not 0 <= given < MOST:
        raise BadDefinition(f"{who}: {name}={given!r}; give a whole number, 0 or more.")
    return given


def milliseconds(who: str, name: str, seconds: Any, usual: int) -> int:
    """Seconds as whole milliseconds; what is usual where none are given.

    Raises:
        BadDefinition: they are no number, or come to less than one millisecond, or to more than a
            century.
    """
    if seconds is None:
        return usual
    number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
    if not number or not math.isfinite(seconds) or not 1 <= round(seconds * 1000) <= CENTURY_MS:
        raise BadDefinition(f"{who}: {name}={seconds!r}; give a positive number of seconds.")
    return round(seconds * 1000)


def listed(who: str, name: str, given: Any) -> Collection[Any]:
    """A list, a tuple, or what else can be looked through more than once; empty where none is given.

    Raises:
        BadDefinition: it is something else, as one thing that stands without its list.
    """
    if given is None:
        return ()
    if isinstance(given, (str, bytes, Mapping)) or not isinstance(given, Collection):
        raise BadDefinition(f"{who}: {name} must be a list, not {given!r}.")
    return cast("Collection[Any]", given)


def _whole(given: Any) -> bool:
    return isinstance(given, int) and not isinstance(given, bool)
