"""Each class of breaking change is named; what breaks nobody is not."""

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actalog_contracts.catalogue import catalogue
from actalog_contracts.compatibility import breaks
from actalog_contracts.schemas import schema_of

TEXT: dict[str, Any] = {"type": "string"}


def thing(required: tuple[str, ...] = ("id",), **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"id": TEXT, **properties},
        "required": list(required),
        "additionalProperties": True,
    }


def told(
    old: dict[str, Any], new: dict[str, Any], to: Literal["inbound", "outbound"] = "inbound"
) -> list[str]:
    return [f"{one.kind} {one.path}".strip() for one in breaks(old, new, to)]


def test_a_removed_field_breaks():
    assert told(thing(a=TEXT), thing()) == ["removed a"]


def test_a_removed_field_of_a_part_is_named_by_its_path():
    old, new = thing(parts={"type": "array", "items": thing(a=TEXT)}), thing()
    new["properties"]["parts"] = {"type": "array", "items": thing()}
    assert told(old, new) == ["removed parts[].a"]


def test_a_field_that_is_newly_required_breaks_whether_new_or_old():
    assert told(thing(), thing(("id", "a"), a=TEXT)) == ["newly required a"]
    assert told(thing(a=TEXT), thing(("id", "a"), a=TEXT)) == ["newly required a"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (TEXT, {"type": "integer"}),
        ({"anyOf": [TEXT, {"type": "null"}]}, TEXT),
        ({"type": ["string", "null"]}, TEXT),
        ({"type": "number"}, {"type": "integer"}),
        ({}, TEXT),
        ({"enum": ["a", "b"]}, {"enum": ["a"]}),
        (TEXT, {"type": "string", "enum": ["a"]}),
        ({"const": "a"}, {"const": "b"}),
        (TEXT, {"type": "string", "maxLength": 5}),
        ({"type": "string", "maxLength": 9}, {"type": "string", "maxLength": 5}),
        ({"type": "string", "minLength": 1}, {"type": "string", "minLength": 2}),
        ({"type": "integer", "minimum": 0}, {"type": "integer", "minimum": 1}),
        (TEXT, {"type": "string", "pattern": "^a"}),
        (thing(), {**thing(), "additionalProperties": False}),
        (thing(), {**thing(), "additionalProperties": TEXT}),
        ({"type": "array"}, {"type": "array", "items": TEXT}),
    ],
)
def test_a_narrowed_type_breaks(old: dict[str, Any], new: dict[str, Any]):
    kinds = {one.kind for one in breaks(thing(a=old), thing(a=new), "inbound")}
    assert kinds == {"narrowed"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (thing(), thing(a=TEXT)),
        (thing(a=TEXT), thing(a={"anyOf": [TEXT, {"type": "null"}]})),
        (thing(a={"type": "integer"}), thing(a={"type": "number"})),
        (thing(a={"enum": ["a"]}), thing(a={"enum": ["a", "b"]})),
        (thing(a={"type": "string", "maxLength": 5}), thing(a=TEXT)),
        (thing(a=TEXT), thing(a={})),
        (thing(a={**TEXT, "description": "old"}), thing(a={**TEXT, "description": "new"})),
        ({**thing(), "additionalProperties": False}, thing()),
    ],
)
def test_what_grows_breaks_nobody(old: dict[str, Any], new: dict[str, Any]):
    assert told(old, new) == told(old, new, "outbound") == []


def test_a_field_no_longer_promised_breaks_readers_only():
    old, new = thing(("id", "a"), a=TEXT), thing(a=TEXT)
    assert told(old, new, "inbound") == []
    assert told(old, new, "outbound") == ["no longer promised a"]


def tagged(name: str, **properties: Any) -> dict[str, Any]:
    return thing(("id",), type={"const": name, "type": "string"}, **properties)


def test_members_of_a_union_are_compared_by_their_type():
    old = {"oneOf": [tagged("a", x=TEXT), tagged("b")]}
    assert told(old, {"oneOf": [tagged("b"), tagged("c"), tagged("a", x=TEXT)]}) == []
    assert told(old, {"oneOf": [tagged("a"), tagged("b")]}) == ["removed x"]
    assert told(old, {"oneOf": [tagged("a", x=TEXT)]}) == ["narrowed"]


def test_references_are_followed_and_may_go_in_circles():
    def tree(**more: Any) -> dict[str, Any]:
        node = thing(next={"$ref": "#/$defs/Node"}, **more)
        return {**thing(root={"$ref": "#/$defs/Node"}), "$defs": {"Node": node}}

    assert told(tree(a=TEXT), tree(a=TEXT)) == []
    assert told(tree(a=TEXT), tree()) == ["removed root.a"]


@pytest.mark.parametrize("entry", catalogue().values(), ids=lambda entry: entry.type)
def test_today_breaks_nothing_of_today(entry: Any):
    schema = schema_of(entry)
    assert breaks(schema, schema, entry.direction) == []


@given(st.sampled_from(list(catalogue().values())), st.data())
def test_any_field_taken_away_is_noticed(entry: Any, data: st.DataObject):
    old, new = schema_of(entry), schema_of(entry)
    name = data.draw(st.sampled_from(sorted(new["properties"])))
    del new["properties"][name]
    found = breaks(old, new, entry.direction)
    assert ("removed", name) in [(one.kind, one.path) for one in found]
    assert all(str(one).startswith(one.kind) for one in found)
