"""A shape, as an author gives it: a pydantic class, or a JSON Schema."""

from collections.abc import Mapping
from typing import Any, cast

from actalog.errors import BadDefinition
from actalog_core.json_schemas import fault


def json_schema(given: Any, *, name: str) -> dict[str, Any]:
    """The JSON Schema.

    Raises:
        BadDefinition: it is neither, or the JSON Schema is none.
    """
    if isinstance(given, type) and hasattr(cast("Any", given), "model_json_schema"):
        return cast("Any", given).model_json_schema()
    if isinstance(given, Mapping):
        return _checked(dict(cast("Mapping[str, Any]", given)), name)
    raise BadDefinition(f"{name} must be a pydantic class or a JSON Schema, not {given!r}.")


def _checked(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """As it is. The library, where it is installed, knows all of the newest draft."""
    if (wrong := fault(schema)) is not None:
        raise BadDefinition(f"{name} is no JSON Schema: {wrong}.")
    try:
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import SchemaError
    except ImportError:
        return schema
    try:
        Draft202012Validator.check_schema(schema)
    except (SchemaError, RecursionError) as error:
        said = error.message if isinstance(error, SchemaError) else "it is nested too deeply"
        raise BadDefinition(f"{name} is no JSON Schema: {said}.") from error
    return schema
