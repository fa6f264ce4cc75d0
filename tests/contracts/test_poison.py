"""What comes from outside and cannot be read is refused, with the reason and the field."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actalog_contracts.base import MAX_ID
from actalog_contracts.border import MAX_DEPTH, MAX_INTEGER, BadInput, decode, parse
from tests.contracts.corpus import FOLDER, Poison, poison


@pytest.mark.parametrize("case", poison(), ids=lambda case: case.name)
def test_each_poison_is_refused_as_expected(case: Poison):
    with pytest.raises(BadInput) as told:
        decode(case.value, case.headers)
    assert (told.value.code, told.value.field) == (case.code, case.field)
    assert case.says in told.value.message


def test_no_file_of_the_corpus_is_forgotten():
    names = {case.name for case in poison() if case.value is not None}
    assert names == {path.stem for path in FOLDER.glob("*.bin")}


@pytest.mark.parametrize("case", poison(), ids=lambda case: case.name)
def test_a_refusal_stays_short_whatever_was_sent(case: Poison):
    with pytest.raises(BadInput) as told:
        decode(case.value, case.headers)
    assert len(told.value.message) < 500
    assert len(told.value.field or "") <= MAX_ID
    assert all(len(text) <= MAX_ID for text in told.value.readable.values())


def carried(text: str) -> bool:
    """By walking everything, slowly: whether the border may take this text."""

    def fine(value: Any, depth: int) -> bool:
        match value:
            case str():
                return not any(one == "\0" or "\ud800" <= one <= "\udfff" for one in value)
            case bool() | None:
                return True
            case int():
                return abs(value) <= MAX_INTEGER
            case float():
                return math.isfinite(value)
            case list():
                return depth < MAX_DEPTH and all(fine(one, depth + 1) for one in value)  # pyright: ignore[reportUnknownVariableType]
            case dict():
                items: list[tuple[str, Any]] = list(value.items())  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
                return depth < MAX_DEPTH and all(
                    fine(name, depth) and fine(item, depth + 1) for name, item in items
                )
            case _:
                return False

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        parsed = json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return False
    return isinstance(parsed, dict) and fine(parsed, 0)


numbers = st.sampled_from(
    ["1", "-0.5", "9007199254740991", "9007199254740992", "-9007199254740992", "1e308", "1e309",
     "-1E+400", "1e-400", "9" * 400 + ".0", "NaN", "Infinity", "4111111111111111"]
)  # fmt: skip
texts = st.sampled_from(
    ['"a"', '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\\\ud800"', '"[[{"', '"\\"["', '"']
)
values = st.recursive(
    numbers | texts | st.sampled_from(["null", "true", "[" * 99 + "]" * 99, "[" * 101, "]"]),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda some: "[" + ",".join(some) + "]")
        | st.lists(st.tuples(st.sampled_from(['"a"', '"b"', '"\\u0061"']), inner), max_size=3).map(
            lambda some: "{" + ",".join(f"{name}:{value}" for name, value in some) + "}"
        )
    ),
    max_leaves=8,
)


@given(values.map(lambda value: '{"x":' + value + "}"))
def test_the_quick_reader_takes_exactly_what_a_slow_walk_would_take(text: str):
    try:
        parse(text.encode())
        taken = True
    except BadInput:
        taken = False
    assert taken == carried(text)
