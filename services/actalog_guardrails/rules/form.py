"""JSON of a form."""

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NoReturn, cast

from actalog_core.errors import Permanent, SettingMissing
from actalog_guardrails.rules import patterns

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
        from jsonschema import Draft202012Validator, validators
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
    if isinstance(told, dict):  # a reference to the whole would get the library's own class by it
        cast("dict[str, Any]", told).pop("$schema", None)
    bounded = cast("Any", validators).extend(Draft202012Validator, _BOUNDED)
    return bounded(told, registry=cast("Any", Registry)())


# The library's own look for patterns with Python's engine: where an author repeats what repeats, one
# answer would keep the service busy for ever.


def _pattern(asked: Any, pattern: str, value: Any, schema: Any) -> Iterator[Exception]:
    if isinstance(value, str) and not patterns.of_values(pattern)(value):
        yield _misfit()


def _pattern_properties(asked: Any, wanted: Any, value: Any, schema: Any) -> Iterator[Exception]:
    if not isinstance(value, dict):
        return
    for pattern, inner in wanted.items():
        fits = patterns.of_values(pattern)
        for name in filter(fits, _names(value)):
            yield from asked.descend(value[name], inner, path=name, schema_path=pattern)


def _additional_properties(asked: Any, inner: Any, value: Any, schema: Any) -> Iterator[Exception]:
    if not isinstance(value, dict):
        return
    known = schema.get("properties", {})
    told = [patterns.of_values(one) for one in schema.get("patternProperties", {})]
    for name in _names(value):
        if name not in known and not any(fits(name) for fits in told):
            yield from asked.descend(value[name], inner, path=name)


_BOUNDED: Mapping[str, Any] = {
    "pattern": _pattern, "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
}  # fmt: skip


def _names(value: Any) -> list[str]:
    return list(value)


def _misfit() -> Exception:
    from jsonschema.exceptions import ValidationError

    return ValidationError("")


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
    except patterns.BadPattern as bad:
        raise BadSchema(str(bad.args[0])[:PLACE_LENGTH]) from bad
    except Exception as failed:  # a reference that leads nowhere has no class of its own here
        raise BadSchema(type(failed).__name__) from failed
    if error is None:
        return None
    place = "/".join(str(part) for part in error.absolute_schema_path)[:PLACE_LENGTH]
    return f"format: the JSON does not fit the schema at {place}"


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
