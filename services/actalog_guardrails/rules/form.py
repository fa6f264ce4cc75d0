"""Length, and JSON of a form."""

import json
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator

PATH_LENGTH = 200


@lru_cache(256)
def _validator(schema: str) -> Any:
    return Draft202012Validator(json.loads(schema))


def problem(text: str, schema: str) -> str | None:
    """Why a text is not JSON of this schema, without quoting it; None when it is."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):
        return "the text is not JSON"
    error = next(iter(_validator(schema).iter_errors(value)), None)
    if error is None:
        return None
    place = "/".join(str(part) for part in error.absolute_path)[:PATH_LENGTH] or "the whole"
    return f"{place} does not fit the schema ({error.validator})"
