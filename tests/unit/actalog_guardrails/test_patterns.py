"""Patterns of authors and of their schemas: no text keeps one busy for ever."""

import json
from typing import Any

import pytest

from actalog_contracts.definitions import FormatCheck, InjectionCheck
from actalog_guardrails import core
from actalog_guardrails.rules import form, patterns

ENDLESS = (
    "^(a+)+$",
    "^(?:a|aa)+$",
    "^(?:aa?)+$",
    "^(?:a?){60}a{60}$",
    r"^(\w+ ?)+$",
    "^.*a.*a.*a.*a!a$",
)
LONG = "a" * 5_000


@pytest.mark.parametrize("pattern", ENDLESS)
def test_what_repeats_what_repeats_is_answered_at_once(pattern: str):
    schema = json.dumps({"properties": {"a": {"pattern": pattern}}})
    assert form.problem(json.dumps({"a": f"{LONG}!"}), schema) == (
        "format: the JSON does not fit the schema at properties/a/pattern"
    )
    names = json.dumps({"patternProperties": {pattern: False}, "additionalProperties": False})
    assert form.problem(json.dumps({f"{LONG}!": 1}), names) == (
        "format: the JSON does not fit the schema at additionalProperties"
    )
    assert core.verdict(f"{LONG}!", [InjectionCheck(extra_patterns=(pattern,))]).kind == "passed"


def test_a_reference_to_the_whole_schema_is_bounded_as_well():
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "pattern": "^(a+)+$", "items": {"$ref": "#"},
    }  # fmt: skip
    assert form.problem(json.dumps([f"{LONG}!"]), json.dumps(schema)) == (
        "format: the JSON does not fit the schema at items/pattern"
    )


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ({"x-a": "1"}, {"patternProperties": {"^x-": {"type": "integer"}}}),
        ({"y": 1}, {"patternProperties": {"^x-": {}}, "additionalProperties": {"type": "string"}}),
        ({"x-a": 1, "b": 2}, {"patternProperties": {"^x-": {}}, "additionalProperties": False}),
        ({"a": "012345"}, {"properties": {"a": {"pattern": r"^(?!0)\d{6}$"}}}),
        ({"a": "12\n"}, {"properties": {"a": {"pattern": r"^\d+$"}}}),
        ({"a": "X"}, {"properties": {"a": {"pattern": "^x$"}}}),
    ],
)
def test_what_does_not_fit_a_pattern_of_the_schema_is_blocked(value: Any, schema: Any):
    check = FormatCheck(json_schema=json.dumps(schema))
    assert core.verdict(json.dumps(value), [check]).kind == "blocked"


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        ({"x-a": 1, "b": 2},
         {"properties": {"b": {}}, "patternProperties": {"^x-": {}}, "additionalProperties": False}),
        ({"y": "1"}, {"patternProperties": {"^x-": {}}, "additionalProperties": {"type": "string"}}),
        ("anything", True),
        ([1], {"patternProperties": {"^x-": False}, "additionalProperties": False, "pattern": "x"}),
        ({"a": "112345"}, {"properties": {"a": {"pattern": r"^(?!0)\d{6}$"}}}),
        ({"a": "snake_case"}, {"properties": {"a": {"pattern": "^[a-z]+(_[a-z]+)*$"}}}),
        ({"a": "a[0]"}, {"properties": {"a": {"pattern": r"^[a-z[\]0-9]+$"}}}),
    ],
)  # fmt: skip
def test_what_fits_the_patterns_of_a_schema_passes(value: Any, schema: Any):
    assert form.problem(json.dumps(value), json.dumps(schema)) is None


@pytest.mark.parametrize(
    ("pattern", "length"), [("^(?!b)(a+)+$", 2), (r"^(?=a)\w+$", 500), (r"^(\w)\1$", 2)]
)
def test_what_looks_around_and_could_take_for_ever_is_not_passed(pattern: str, length: int):
    schema = json.dumps(
        {"pattern": pattern, "type": ["object", "array"], "items": {"pattern": pattern}}
    )
    with pytest.raises(form.BadSchema):
        form.problem(json.dumps(["a" * length]), schema)


@pytest.mark.parametrize(
    "pattern",
    ["(", r"(\w+)\1", "(?<!x)(a+)+", "(?=x)(?:ab|a|b)*c", "(?!x).*a.*b.*c.*d", "(?=x)(?:a*b*)*",
     "(?=x)(a{1,9}){1,9}", "(?!x)(?:aa?)+b", "(?!x)" + "a?" * 20, "(?!x)(?:a?){20}",
     "(?!x)(?:a|ab){9}", "(?=x)" + "x" * 496],
)  # fmt: skip
def test_a_pattern_that_cannot_be_used_is_told(pattern: str):
    with pytest.raises(patterns.BadPattern):
        patterns.looked_for(pattern)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("act as if", "ACT AS IF"), (r"ignore .* rules", "ignore the rules"),
     (r"(?:\w+ ){0,3}rules?", "all the rules"), (r"\bfoo(?:bar|baz)?\b", "foobaz"),
     ("a{3}", "aaa"), ("L\u00d6SCHE", "l\u00f6sche"), (r"(?<!not )ignore (?:all|any) rules?", "ignore all rules"),
     ("(?!x)" + "a?" * 8, ""), (r"(?=a)\w+ \w+x", "a bx")],
)  # fmt: skip
def test_a_pattern_that_people_write_is_taken(pattern: str, text: str):
    assert patterns.looked_for(pattern)(text)


@pytest.mark.parametrize("before", range(380, 400))
@pytest.mark.parametrize("pattern", [r"(?<!x)cat\b", "cat(?!egory)", "(?<!x)cat$"])
def test_where_a_window_ends_no_word_does(pattern: str, before: int):
    text = "y" * before + " category" + " y" * 500
    assert not patterns.looked_for(pattern)(text)
    assert patterns.looked_for(pattern)(text + " cat")


@pytest.mark.parametrize("before", [0, 199, 200, 399, 400, 401, 1_000])
@pytest.mark.parametrize("length", [1, 100, 198])
def test_what_is_looked_for_in_windows_is_never_cut_in_two(before: int, length: int):
    assert patterns.looked_for("(?<!x)b(?:a+)c")(" " * before + f"b{'a' * length}c" + " " * 700)
