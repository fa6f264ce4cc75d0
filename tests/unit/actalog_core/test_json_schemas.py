"""What is sent as a JSON Schema and can be none is told by its place; what can be is let through."""

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from pydantic import BaseModel

from actalog_core.json_schemas import fault


class Line(BaseModel):
    name: str
    count: int | None = None


class Order(BaseModel):
    """An order."""

    lines: list[Line]
    notes: dict[str, Line | str] = {}
    pair: tuple[int, str] = (1, "a")


WRONG: list[tuple[Any, str]] = [
    ([], "it: a schema is an object"), ("x", "it: a schema is"), (None, "it: a schema is"),
    ({"type": "nonsense"}, "type: one or several of array, boolean"),
    ({"type": 3}, "type: one"), ({"type": []}, "type: one"), ({"type": [3]}, "type: one"),
    ({"type": ["object", "strin"]}, "type: one"), ({"type": {}}, "type: one"),
    ({"properties": []}, "properties: an object of schemas"),
    ({"properties": {"a": 3}}, "properties.a: a schema is an object, true or false"),
    ({"properties": {"a": {"items": {"type": "int"}}}}, "properties.a.items.type: one"),
    ({"items": 3}, "items: a schema"), ({"items": [{"type": "x"}]}, "items.0.type: one"),
    ({"required": "a"}, "required: a list of names"), ({"required": [1]}, "required: a list"),
    ({"required": True}, "required: a list"), ({"enum": "ab"}, "enum: a list"),
    ({"anyOf": {}}, "anyOf: a list of schemas"), ({"oneOf": []}, "oneOf: a list of schemas"),
    ({"allOf": [{}, 7]}, "allOf.1: a schema"), ({"not": "x"}, "not: a schema"),
    ({"$defs": {"A": {"$ref": 3}}}, "$defs.A.$ref: text"),
    ({"additionalProperties": "no"}, "additionalProperties: a schema"),
    ({"minimum": "3"}, "minimum: a number"), ({"maximum": True}, "maximum: a number"),
    ({"exclusiveMinimum": "3"}, "exclusiveMinimum: a number"),
    ({"multipleOf": 0}, "multipleOf: a number above 0"),
    ({"maxLength": -1}, "maxLength: a whole number"), ({"minItems": 1.5}, "minItems: a whole"),
    ({"minItems": float("inf")}, "minItems: a whole"), ({"minItems": True}, "minItems: a whole"), ({"uniqueItems": 1}, "uniqueItems: true or"),
    ({"description": 3}, "description: text"), ({"pattern": None}, "pattern: text"),
    ({"dependentRequired": {"a": "b"}}, "dependentRequired: an object of lists of names"),
    ({"dependencies": {"a": [3]}}, "dependencies: an object of schemas or lists"),
    ({"dependencies": {"a": 3}}, "dependencies.a: a schema"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "told"), WRONG)
def test_what_is_no_schema_is_told_with_its_place(schema: Any, told: str):
    assert (fault(schema) or "").startswith(told)
    with pytest.raises(SchemaError):
        Draft202012Validator.check_schema(schema)


FINE: list[Any] = [
    {}, True, {"type": "object"}, {"type": ["string", "null"]}, Line.model_json_schema(),
    Order.model_json_schema(), {"const": 3, "default": [], "examples": [1], "x-ours": object},
    {"items": [{"type": "string"}], "additionalItems": False},
    {"exclusiveMinimum": True, "minimum": 3}, {"exclusiveMaximum": 3.5}, {"maxLength": 3.0},
    {"maxLength": 10**400},
    {"dependencies": {"a": ["b"], "c": {"type": "object"}}}, {"enum": [None, {"type": "x"}]},
    {"dependentRequired": {"a": ["b"]}}, {"properties": {"type": {"type": "string"}}},
    {"if": {"required": ["a"]}, "then": {}, "else": False}, {"nullable": True, "type": "string"},
    {"prefixItems": [{}], "items": False, "uniqueItems": True, "multipleOf": 0.1},
    {"$ref": "#/$defs/A", "$defs": {"A": {"title": "A", "format": "uuid", "pattern": "(?u)x"}}},
]  # fmt: skip


@pytest.mark.parametrize("schema", FINE)
def test_what_any_draft_allows_is_let_through(schema: Any):
    assert fault(schema) is None


def test_a_deep_one_is_looked_through_like_any_other():
    deep: dict[str, Any] = {"type": "nonsense"}
    for _ in range(5_000):
        deep = {"not": deep}
    assert "not.not" in (told := fault(deep) or "")
    assert len(told) < 300
