"""A value for a JSON Schema, taken from a text by simple rules. The same in, the same out."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from actalog_testing.scripted import words

DEEPEST = 8  # a schema may contain itself
FORMATS = {
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "email": "scripted@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
}
TOLD = ("text", "memory", "content", "fact", "note")  # names that a remembered fact may have


def value_for(
    schema: Mapping[str, Any], text: str, *, name: str = "", root: Any = None, depth: int = 0
) -> Any:
    """A plausible value that satisfies the schema.

    Knows $ref within the schema, const, enum, anyOf, oneOf, allOf, types, formats and bounds;
    a `pattern` is not solved.
    """
    root = schema if root is None else root
    schema = _resolved(schema, root)
    if "const" in schema:
        return schema["const"]
    if options := schema.get("enum"):
        if name == "op":
            return options[0]  # what a fact asks for is to be added, whatever words it has
        return next((o for o in options if isinstance(o, str) and _names(text, o)), options[0])
    for choice in ("anyOf", "oneOf"):
        if options := schema.get(choice):
            some = [option for option in options if option.get("type") != "null"] or options
            return value_for(some[0], text, name=name, root=root, depth=depth + 1)
    match _type(schema):
        case "object":
            return _object(schema, text, root, depth)
        case "array":
            return _array(schema, text, name, root, depth)
        case "integer" | "number" as kind:
            return _number(schema, text, whole=kind == "integer")
        case "boolean":
            return bool(schema.get("default", True))
        case "null":
            return None
        case _:
            return _string(schema, text, name)


def schema_like(example: Any) -> dict[str, Any]:
    """The schema of things like the example. A text of dots stands for any text."""
    match example:
        case dict():
            fields: dict[str, Any] = {name: schema_like(one) for name, one in example.items()}  # pyright: ignore[reportUnknownVariableType]
            return {"type": "object", "properties": fields, "required": [*fields]}
        case list():
            return {"type": "array", "items": schema_like(example[0] if example else "...")}  # pyright: ignore[reportUnknownArgumentType]
        case str():
            return {"type": "string"} if not example.strip(".") else {"enum": [example]}
        case bool():
            return {"type": "boolean"}
        case _:
            return {"type": "number"}


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(DEEPEST):
        if (ref := schema.get("$ref")) is None:
            break
        found: Any = root
        for part in str(ref).removeprefix("#").strip("/").split("/"):
            found = found.get(part, {}) if part else found
        schema = found
    merged = dict(schema)
    for part in schema.get("allOf") or ():
        more = _resolved(part, root)
        properties = {**merged.get("properties", {}), **more.get("properties", {})}
        required = [*merged.get("required", ()), *more.get("required", ())]
        merged |= {**more, "properties": properties, "required": required}
    return merged


def _type(schema: Mapping[str, Any]) -> str:
    told = schema.get("type")
    if isinstance(told, list):
        return next((str(one) for one in told if one != "null"), "null")  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    return str(told or ("object" if "properties" in schema else "string"))


def _object(schema: Mapping[str, Any], text: str, root: Any, depth: int) -> dict[str, Any]:
    properties: Mapping[str, Any] = schema.get("properties") or {}
    needed: Sequence[str] = schema.get("required") or ()
    wanted = needed if depth >= DEEPEST else [*properties]
    return {
        name: value_for(properties.get(name, {}), text, name=name, root=root, depth=depth + 1)
        for name in wanted
    }


def _array(schema: Mapping[str, Any], text: str, name: str, root: Any, depth: int) -> list[Any]:
    items = _resolved(schema.get("items") or {}, root)
    least = int(schema.get("minItems", 0))
    if items.get("type") == "string" and not {"enum", "const"} & set(items):
        found = list(dict.fromkeys(words.content(text).lower().split()))[:3]
        found += ["scripted"] * (least - len(found))
        return [FORMATS.get(str(items.get("format"))) or _bounded(items, one) for one in found]
    told = [] if depth >= DEEPEST else words.facts(text)[:3]
    if not told and (least or not _remembers(items, root)):
        told = [text] * max(1, least) if depth < DEEPEST else [text] * least
    told += [text] * (least - len(told))
    return [value_for(items, one, name=name, root=root, depth=depth + 1) for one in told]


def _remembers(items: Mapping[str, Any], root: Any) -> bool:
    """Whether the items look like memories: nothing to remember is then an empty list."""
    options: Sequence[Mapping[str, Any]] = items.get("anyOf") or items.get("oneOf") or [items]
    names = {name for one in options for name in _resolved(one, root).get("properties", {})}
    return not names.isdisjoint(TOLD)


def _number(schema: Mapping[str, Any], text: str, *, whole: bool) -> float:
    found = words.NUMBER.search(text)
    value = float(found[0]) if found else float(schema.get("default") or 0)
    low = schema.get("minimum", schema.get("exclusiveMinimum", -math.inf) + 1)
    high = schema.get("maximum", schema.get("exclusiveMaximum", math.inf) - 1)
    value = min(max(value, low), high)
    return int(value) if whole else value


def _string(schema: Mapping[str, Any], text: str, name: str) -> str:
    if told := FORMATS.get(str(schema.get("format"))):
        return told
    if name == "id" or name.endswith("_id"):
        found = words.IDENTIFIER.search(text)
        value = found[1] if found else ""
    elif name in TOLD:
        value = words.short(text, 300)
    else:
        value = f"(scripted model) {words.short(text, 200)}"
    return _bounded(schema, value)


def _bounded(schema: Mapping[str, Any], value: str) -> str:
    most = int(schema.get("maxLength", 2_000))
    return value[:most].ljust(int(schema.get("minLength", 0)), ".")


def _names(text: str, option: str) -> bool:
    return words.stems(option) <= words.stems(text) and bool(option)
