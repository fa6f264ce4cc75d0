"""Patterns of authors: refused when they are none, or when a text could keep them busy for ever."""

import re
import warnings
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any

from actalog_core.errors import Permanent

MOST_LENGTH = 500
MOST_WORK = 3  # repetitions that a match may have to combine: work is WINDOW ** MOST_WORK
WINDOW, OVERLAP = 400, 200  # code points: a match of up to OVERLAP is never cut in two
_FEW = 3  # that many times is as good as written out
# Python's own parser of patterns: private by name, and the only one that reads them as `re` does.
parser: Any = import_module("re._parser")
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT")


class BadPattern(Permanent):
    """A pattern of a guardrail cannot be used."""


@lru_cache(1_000)
def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, case ignored.

    Raises:
        BadPattern: it is no regular expression, too long, or could take for ever.
    """
    if len(pattern) > MOST_LENGTH:
        raise BadPattern(f"It has {len(pattern)} characters; at most {MOST_LENGTH} are taken.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            found = re.compile(pattern, re.IGNORECASE)
            tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        raise BadPattern(f"{pattern!r} is no regular expression: {error}") from error
    if _work(tree) > MOST_WORK:
        raise BadPattern(
            f"{pattern!r} repeats what repeats, or too much: a text could keep it busy for ever."
            " Write the inner part out, or bound it."
        )
    return found


def occurs(pattern: re.Pattern[str], text: str) -> bool:
    """Whether it is in the text, looked for in windows: time in proportion to the text."""
    starts = range(0, max(1, len(text) - OVERLAP), WINDOW - OVERLAP)
    return any(pattern.search(text, start, start + WINDOW) for start in starts)


def _work(tree: Any) -> int:
    """How many repetitions can be combined in matching this."""
    total = 0
    for op, argument in tree:
        if str(op) == "GROUPREF":
            return MOST_WORK + 1
        if str(op) in _REPEATS:
            low, high, body = argument
            inside = _work(body)
            varies = high != low and high > _FEW
            if varies and (inside or _branches(body)):
                return MOST_WORK + 1
            total += inside * min(high, MOST_WORK + 1) + varies
        else:
            total += sum(_work(part) for part in _parts(argument))
    return total


def _branches(tree: Any) -> bool:
    return any(
        str(op) == "BRANCH" or any(_branches(part) for part in _parts(argument))
        for op, argument in tree
    )


def _parts(argument: Any) -> Iterator[Any]:
    """The patterns in what an operation is given, however deep they lie."""
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, (list, tuple)):
        for one in argument:  # pyright: ignore[reportUnknownVariableType]
            yield from _parts(one)
