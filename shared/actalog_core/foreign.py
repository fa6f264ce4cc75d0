"""JSON that a model or a person wrote: carried as its text (protocol 11.1), read to be shown."""

from typing import Any

import orjson

from actalog_contracts.strict_json import MAX_DEPTH, BadInput, check_depth


def read(text: str) -> Any:
    """The value.

    Raises:
        ValueError: it is not JSON that every reader takes, and a message can carry: it has NaN, half
            of a surrogate pair, or more levels than the border lets in.
    """
    value = orjson.loads(text)
    if text.count("{") + text.count("[") > MAX_DEPTH:
        try:
            check_depth(text)
        except BadInput as error:
            raise ValueError(error.message) from None
    return value


def read_or_text(text: str) -> Any:
    """The value; the text itself where it is no JSON."""
    try:
        return read(text)
    except ValueError:
        return text
