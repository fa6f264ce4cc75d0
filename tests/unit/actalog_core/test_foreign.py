"""What models write is not always JSON, and not all that one reader takes for JSON can be carried."""

import json
from typing import Any

import pytest

from actalog_contracts.tasks import RequirementCall
from actalog_core.foreign import read, read_or_text

NOT_CARRIED = [
    '{"a": NaN}', '{"a": -Infinity}', '{"a": 1e400}', r'{"a": "\ud800"}', "{", "", "no",
    '{"a": 18446744073709551616}', "[-9223372036854775809]", f'["{"1" * 19}", {"9" * 5_000}]',
    '{"a":' * 101 + "1" + "}" * 101, "[" * 5_000 + "]" * 5_000,
]  # fmt: skip


@pytest.mark.parametrize("text", NOT_CARRIED)
def test_what_some_reader_does_not_take_is_text(text: str):
    with pytest.raises(ValueError):  # noqa: PT011 - each says it in its own words
        read(text)
    assert read_or_text(text) == text


CARRIED: list[Any] = [
    {}, [], "x", None, 1.5, [2**64 - 1, -(2**63)], {"a": "9" * 40}, 1e30, 0.1 + 0.2, {"a": "{" * 500}, {"a": [1, {"b": "é"}]}, [[1]] * 500,
]  # fmt: skip


@pytest.mark.parametrize("value", CARRIED)
def test_everything_else_is_read(value: Any):
    assert read(json.dumps(value)) == value


def test_what_is_read_can_be_written_into_a_message_and_read_again():
    deepest = '{"a":' * 100 + "1" + "}" * 100
    told = RequirementCall(id="c", name="t", arguments=read(deepest), digest="d")
    assert RequirementCall.model_validate_json(told.model_dump_json()) == told
