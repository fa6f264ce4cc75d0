"""JSON that a model or a person wrote: carried as its text (protocol 11.1), read to be shown."""

import json
import re
from typing import Any

import orjson

from actalog_contracts.strict_json import MAX_DEPTH, BadInput, check_depth

_LONG = re.compile("[0-9]{19}")  # fewer digits fit
_LEAST, _MOST = -(2**63), 2**64 - 1


class TooLong(ValueError):
    """an integer beyond 64 bits, which would become another number: it has to be written as text"""

    def __str__(self) -> str:
        return str(type(self).__doc__)


def read(text: str) -> Any:
    """The value.

    Raises:
        ValueError: it is not JSON that every reader takes, and a message can carry: it has NaN, half
            of a surrogate pair, or more levels than the border lets in.
        TooLong: it has an integer that orjson would round.
    """
    value = orjson.loads(text)
    if text.count("{") + text.count("[") > MAX_DEPTH:
        try:
            check_depth(text)
        except BadInput as error:
            raise ValueError(error.message) from None
    if _LONG.search(text):
        json.loads(text, parse_int=_integer)
    return value


def _integer(digits: str) -> int:
    if len(digits) > 20 or not _LEAST <= int(digits) <= _MOST:
        raise TooLong
    return int(digits)


def read_or_text(text: str) -> Any:
    """The value; the text itself where it is no JSON."""
    try:
        return read(text)
    except ValueError:
        return text
