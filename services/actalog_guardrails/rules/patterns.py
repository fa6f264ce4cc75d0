"""Patterns of authors, looked for in time in proportion to the text: by Rust's engine of regular
expressions, which pydantic brings. What only Python's engine reads (looking around) is refused when
a text could keep it busy for ever."""

import re
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any

from pydantic_core import SchemaError, SchemaValidator, core_schema

from actalog_core.errors import Permanent

MOST_LENGTH = 500
# Of what Python's engine looks for. Repetitions that a match may have to combine: work is
# WINDOW ** (MOST_WORK + 1), since it may begin anywhere; and choices, each of which doubles it.
MOST_WORK, MOST_CHOICES = 2, 8
WINDOW, OVERLAP = 400, 200  # code points: a match of up to OVERLAP is never cut in two
_FEW = 3  # that many times is as good as written out
# Python's own parser of patterns: private by name, and the only one that reads them as `re` does.
parser: Any = import_module("re._parser")
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")


class BadPattern(Permanent):
    """A pattern of a guardrail cannot be used."""


@lru_cache(1_000)
def looked_for(pattern: str) -> Callable[[str], bool]:
    """What tells whether a text has the pattern, case ignored.

    Raises:
        BadPattern: it is no regular expression, too long, or could take for ever.
    """
    if (found := _fast(f"(?i){pattern}")) is not None:
        return found
    slow = compiled(pattern, re.IGNORECASE)
    return lambda text: occurs(slow, text)


@lru_cache(1_000)
def of_values(pattern: str) -> Callable[[str], bool]:
    """The same of a schema's pattern: as it is written, and what it says of an end is of the
    text's. What is made raises BadPattern, too, of a text that is too long for Python's engine."""
    if (found := _fast(pattern)) is not None:
        return found
    slow = compiled(pattern)

    def fits(text: str) -> bool:
        if len(text) > WINDOW:
            raise BadPattern(
                f"{pattern!r} looks around, which more than {WINDOW} characters forbid."
            )
        return slow.search(text) is not None

    return fits


def _fast(pattern: str) -> Callable[[str], bool] | None:
    """By Rust's engine; None: it is no pattern, too large, or none of this engine."""
    try:
        rule = core_schema.str_schema(pattern=pattern, regex_engine="rust-regex")
        return SchemaValidator(rule).isinstance_python
    except SchemaError:
        return None


@lru_cache(1_000)
def compiled(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """The pattern for Python's engine.

    Raises:
        BadPattern: it is no regular expression, too long, or could take for ever.
    """
    if len(pattern) > MOST_LENGTH:
        raise BadPattern(f"It has {len(pattern)} characters; at most {MOST_LENGTH} are taken.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", FutureWarning)  # of what it may mean some day
            found = re.compile(pattern, flags)
            tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError, Warning) as error:
        raise BadPattern(f"{pattern!r} is no regular expression: {error}") from error
    work, choices = _costs(tree)
    if work > MOST_WORK or choices > MOST_CHOICES:
        raise BadPattern(
            f"{pattern!r} looks around and repeats what repeats, or too much: a text could keep it"
            " busy for ever. Write it without (?=...) and its like, the inner part out, or bound it."
        )
    return found


def occurs(pattern: re.Pattern[str], text: str) -> bool:
    """Whether it is in the text, looked for in windows: time in proportion to the text."""
    for start in range(0, max(1, len(text) - OVERLAP), WINDOW - OVERLAP):
        found = pattern.search(text, start, start + WINDOW)
        # At the end of a window `$`, a word's end and what must not follow may hold by mistake:
        # what begins so late is whole in the next one.
        if found and (found.start() < start + WINDOW - OVERLAP or start + WINDOW >= len(text)):
            return True
    return False


def _costs(tree: Any) -> tuple[int, int]:
    """How many repetitions can be combined in matching this, and how many choices."""
    work = choices = 0
    for op, argument in tree:
        if str(op).startswith("GROUPREF"):
            return MOST_WORK + 1, 0
        if str(op) in _REPEATS:
            low, high, body = argument
            inside = _costs(body)
            times = min(high, MOST_CHOICES + 1)
            many = high != low and high > _FEW
            work += inside[0] * times + many
            choices += inside[1] * times + (0 if many else high - low)
        else:
            parts = [_costs(part) for part in _parts(argument)]
            work += sum(part[0] for part in parts)
            choices += sum(part[1] for part in parts)
            choices += max(0, len(parts) - 1) if str(op) == "BRANCH" else 0
    return work, choices


def _parts(argument: Any) -> Iterator[Any]:
    """The patterns in what an operation is given, however deep they lie."""
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, (list, tuple)):
        for one in argument:  # pyright: ignore[reportUnknownVariableType]
            yield from _parts(one)
