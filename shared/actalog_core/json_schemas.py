"""Whether what somebody sent as a JSON Schema can be one.

Looked at before a model is asked with it, in services that wait for nothing: the library that knows
all of the standard takes most of a millisecond for each property. What any draft from 4 to 2020-12
allows is let through; keywords that none of them has mean nothing, and are let through as well.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

PLACE_LENGTH = 200  # of what is told
TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})
_SCHEMA = (
    "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "not",
    "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
_SCHEMAS = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("$defs", "definitions", "dependentSchemas", "patternProperties", "properties")
_COUNTS = (
    "maxContains", "maxItems", "maxLength", "maxProperties", "minContains", "minItems",
    "minLength", "minProperties",
)  # fmt: skip
_TEXTS = ("$id", "$ref", "$schema", "description", "format", "pattern", "title")


def fault(schema: Any) -> str | None:
    """What is wrong with it, and where; None: nothing that a reader of schemas would stumble over."""
    waiting: list[tuple[str, Any]] = [("", schema)]  # where, what
    while waiting:
        at, one = waiting.pop()
        if isinstance(one, bool):
            continue
        if not isinstance(one, Mapping):
            return f"{at or 'it'}: a schema is an object, true or false"
        told = cast("Mapping[str, Any]", one)
        for name, value in told.items():
            where = (f"{at}.{name}" if at else name)[:PLACE_LENGTH]
            if wrong := _wrong(name, value):
                return f"{where}: {wrong}"
            waiting += ((f"{where}{more}", inner) for more, inner in _inner(name, value))
    return None


def _wrong(name: str, value: Any) -> str | None:
    """What is wrong with the value of a keyword, apart from the schemas in it."""
    wanted = _WANTED.get(name)
    if wanted is None or wanted[0](value):
        return None
    return wanted[1]


def _inner(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The schemas in the value of a keyword, with where they are."""
    if name in _SCHEMA or (name == "items" and not isinstance(value, list)):
        yield "", value
    elif name in _SCHEMAS or name == "items":
        yield from ((f".{at}", one) for at, one in enumerate(cast("list[Any]", value)))
    elif name in _NAMED or name == "dependencies":
        named = cast("Mapping[str, Any]", value)
        told = ((f".{key}", one) for key, one in named.items())
        yield from (one for one in told if name in _NAMED or not isinstance(one[1], list))


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in cast("list[Any]", value))


def _type(value: Any) -> bool:
    told = [value] if isinstance(value, str) else value
    return _texts(told) and bool(told) and TYPES.issuperset(told)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(value: Any) -> bool:
    return _number(value) and value >= 0 and (isinstance(value, int) or value.is_integer())


def _object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _lists_of_text(value: Any) -> bool:
    return _object(value) and all(map(_texts, value.values()))


def _dependencies(value: Any) -> bool:
    return _object(value) and all(_texts(one) for one in value.values() if isinstance(one, list))


def _of(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


_WANTED: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "type": (_type, f"one or several of {', '.join(sorted(TYPES))}"),
    "required": (_texts, "a list of names"),
    "enum": (_of(list), "a list"),
    "dependentRequired": (_lists_of_text, "an object of lists of names"),
    "dependencies": (_dependencies, "an object of schemas or lists of names"),
    "uniqueItems": (_of(bool), "true or false"),
    "multipleOf": (lambda value: _number(value) and value > 0, "a number above 0"),
    **dict.fromkeys(("minimum", "maximum"), (_number, "a number")),
    # Draft 4 has true or false there.
    **dict.fromkeys(
        ("exclusiveMinimum", "exclusiveMaximum"),
        (lambda value: isinstance(value, int | float), "a number"),
    ),
    **dict.fromkeys(_COUNTS, (_count, "a whole number, 0 or more")),
    **dict.fromkeys(_TEXTS, (_of(str), "text")),
    **dict.fromkeys(_NAMED, (_object, "an object of schemas")),
    **dict.fromkeys(
        _SCHEMAS, (lambda value: isinstance(value, list) and value != [], "a list of schemas")
    ),
}  # fmt: skip
