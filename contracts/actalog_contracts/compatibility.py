"""What a change of a schema breaks for those who already use it.

Breaks: a field that is removed, a field that is newly required, a type that is narrowed (fewer
types, fewer values, tighter bounds); in what the platform writes, also a field that is no longer
always there. A new optional field, a new value and a wider type break nobody who keeps the rule
that unknown things are ignored.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from actalog_contracts.catalogue import Direction

Kind = Literal["removed", "newly required", "narrowed", "no longer promised"]
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Break:
    """A breaking change. `path` is where, e.g. `error.code`; "" is the message itself."""

    kind: Kind
    path: str
    said: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.path or '(the message)'}: {self.said}"


def breaks(old: Schema, new: Schema, direction: Direction) -> list[Break]:
    """What `new` breaks for those who know `old`."""
    found = _Comparison(old, new).compare(old, new, "")
    told = [one for one in found if direction == "outbound" or one.kind != "no longer promised"]
    return list(dict.fromkeys(told))


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old, self._new = old, new
        self._seen: set[tuple[str, str]] = set()  # schemas may contain themselves

    def compare(self, old: Schema, new: Schema, path: str) -> Iterator[Break]:
        pair = (str(old.get("$ref")), str(new.get("$ref")))
        if "$ref" in old and "$ref" in new:
            if pair in self._seen:
                return
            self._seen.add(pair)
        accepted = list(_alternatives(new, self._new))
        for one in _alternatives(old, self._old):
            fitting = [other for other in accepted if _same_kind(one, other)]
            if not fitting:
                yield Break("narrowed", path, f"{_name(one)} is no longer taken")
                continue
            # Among several of one kind (two patterns of text), the least breaking is meant.
            yield from min((list(self._details(one, f, path)) for f in fitting), key=len)

    def _details(self, old: Schema, new: Schema, path: str) -> Iterator[Break]:
        yield from _bounds(old, new, path)
        yield from self._fields(old, new, path)
        for name, inner in (("items", "[]"), ("additionalProperties", ".*")):
            one, other = old.get(name, True), new.get(name, True)
            if other is False and one is not False:
                yield Break("narrowed", path, "unknown fields are no longer taken")
            elif isinstance(other, Mapping) and one is not False:
                known = one if isinstance(one, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]
                yield from self.compare(known, other, path + inner)  # pyright: ignore[reportUnknownArgumentType]

    def _fields(self, old: Schema, new: Schema, path: str) -> Iterator[Break]:
        before, after = old.get("properties", {}), new.get("properties", {})
        must, must_now = set(old.get("required", ())), set(new.get("required", ()))
        for name, field in before.items():
            where = f"{path}.{name}".lstrip(".")
            if name not in after:
                yield Break("removed", where, "the field is gone")
                continue
            if name in must_now - must:
                yield Break("newly required", where, "it could be left out before")
            if name in must - must_now:
                yield Break("no longer promised", where, "it was always there before")
            yield from self.compare(field, after[name], where)
        for name in sorted(must_now - set(before)):
            where = f"{path}.{name}".lstrip(".")
            yield Break("newly required", where, "nobody sends it yet")


def _alternatives(schema: Schema, root: Schema) -> Iterator[Schema]:
    """The schema without references and choices: each shape it takes by itself."""
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        yield from _alternatives(root.get("$defs", {}).get(name, {}), root)
    elif choices := schema.get("anyOf") or schema.get("oneOf"):
        for choice in choices:
            yield from _alternatives(choice, root)
    elif isinstance(schema.get("type"), list):
        for kind in schema["type"]:
            yield {**schema, "type": kind}
    else:
        yield schema


def _same_kind(old: Schema, new: Schema) -> bool:
    if not new or new.keys() <= {"description", "default", "title"}:
        return True  # anything is taken
    if (old.get("type"), new.get("type")) == ("integer", "number"):
        return True
    return old.get("type") == new.get("type") and _tag(new) in (_tag(old), None)


def _tag(schema: Schema) -> object:
    """What tells the shapes of a union apart."""
    return schema.get("properties", {}).get("type", {}).get("const")


def _name(schema: Schema) -> str:
    return str(_tag(schema) or schema.get("type") or "anything")


def _bounds(old: Schema, new: Schema, path: str) -> Iterator[Break]:
    if (values := _values(new)) is not None:
        before = _values(old)
        gone = "any value" if before is None else [one for one in before if one not in values]
        if gone:
            yield Break("narrowed", path, f"{gone} is no longer taken")
    for name in UPPER:
        if name in new and (name not in old or new[name] < old[name]):
            yield Break("narrowed", path, f"{name} is {new[name]}, it was {old.get(name)}")
    for name in LOWER:
        if name in new and (name not in old or new[name] > old[name]):
            yield Break("narrowed", path, f"{name} is {new[name]}, it was {old.get(name)}")
    for name in ("pattern", "format"):
        if name in new and new[name] != old.get(name):
            yield Break("narrowed", path, f"{name} is {new[name]}, it was {old.get(name)}")


def _values(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")
