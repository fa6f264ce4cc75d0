"""JSON of a form."""

import json
from functools import lru_cache
from typing import Any, NoReturn

from actalog_core.errors import Permanent, SettingMissing

PLACE_LENGTH = 200


class BadSchema(Permanent):
    """A schema of a guardrail cannot be used."""


@lru_cache(256)
def validator(schema: str) -> Any:
    """What checks values by this JSON Schema. No schema is fetched from anywhere.

    Raises:
        SettingMissing: the library is not installed.
        BadSchema: it is no JSON Schema.
    """
    try:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError
        from referencing import Registry
    except ImportError as error:
        raise SettingMissing(
            "Checks of a format need jsonschema: install actalog[guardrails]."
        ) from error
    try:
        told = json.loads(schema)
        Draft202012Validator.check_schema(told)
    except (ValueError, RecursionError, SchemaError) as error:
        said = error.message if isinstance(error, SchemaError) else str(error)
        raise BadSchema(said[:PLACE_LENGTH]) from error
    return Draft202012Validator(told, registry=Registry())


def problem(text: str, schema: str) -> str | None:
    """Why a text is not JSON of this schema, in the schema's words: the text is not quoted."""
    checks = validator(schema)
    try:
        value: object = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return "format: the text is not JSON"
    try:
        error = next(iter(checks.iter_errors(value)), None)
    except RecursionError:
        return "format: the JSON is nested too deeply"
    except Exception as failed:  # a reference that leads nowhere has no class of its own here
        raise BadSchema(type(failed).__name__) from failed
    if error is None:
        return None
    place = "/".join(str(part) for part in error.absolute_schema_path)[:PLACE_LENGTH]
    return f"format: the JSON does not fit the schema at {place}"


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
