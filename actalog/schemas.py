"""A shape, as an author gives it: a pydantic class, or a JSON Schema."""

from collections.abc import Mapping
from typing import Any, cast

from actalog.errors import BadDefinition


def json_schema(given: Any, *, name: str) -> dict[str, Any]:
    """The JSON Schema.

    Raises:
        BadDefinition: it is neither.
    """
    if isinstance(given, type) and hasattr(cast("Any", given), "model_json_schema"):
        return cast("Any", given).model_json_schema()
    if isinstance(given, Mapping):
        return dict(cast("Mapping[str, Any]", given))
    raise BadDefinition(f"{name} must be a pydantic class or a JSON Schema, not {given!r}.")
