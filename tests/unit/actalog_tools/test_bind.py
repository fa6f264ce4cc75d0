"""Arguments are validated before anything runs, and a fault is told so that a model can mend it."""

import contextlib
import datetime
import enum
import json
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel

from actalog_tools.functions import ArgumentsRefused, bind, describe


class Item(BaseModel):
    name: str
    count: int = 1


class Size(enum.Enum):
    SMALL = "s"


def order(
    order_id: str, count: int = 1, items: list[Item] | None = None, size: Size = Size.SMALL,
    on: datetime.date | None = None, pair: tuple[int, int] = (0, 0), item: Item | None = None,
) -> None: ...  # fmt: skip


def bound(arguments: str, function: Callable[..., Any] = order, **special: Any) -> dict[str, Any]:
    return bind(describe(function), arguments, special)


def refused(arguments: str, function: Callable[..., Any] = order) -> str:
    with pytest.raises(ArgumentsRefused) as told:
        bound(arguments, function)
    return str(told.value)


def test_values_are_read_as_the_function_s_types():
    told = bound(
        json.dumps(
            {"order_id": "a", "items": [{"name": "x"}], "size": "s", "on": "2026-11-24",
             "pair": [1, 2]}
        )
    )  # fmt: skip
    assert told == {
        "order_id": "a", "items": [Item(name="x")], "size": Size.SMALL,
        "on": datetime.date(2026, 11, 24), "pair": (1, 2),
    }  # fmt: skip


def test_what_was_left_out_is_left_to_the_function():
    assert bound('{"order_id": "a"}') == {"order_id": "a"}


@pytest.mark.parametrize(
    ("sent", "meant"),
    [
        ('{"order_id": 1042}', {"order_id": "1042"}),
        ('{"order_id": "a", "count": "3"}', {"order_id": "a", "count": 3}),
        ('{"order_id": "a", "count": 3.0}', {"order_id": "a", "count": 3}),
        (r'"{\"order_id\": \"a\"}"', {"order_id": "a"}),
        (r'{"order_id": "a", "pair": "[1, 2]"}', {"order_id": "a", "pair": (1, 2)}),
        (r'{"order_id": "a", "item": "{\"name\": \"x\"}"}',
         {"order_id": "a", "item": Item(name="x")}),
    ],
)  # fmt: skip
def test_what_models_send_is_read_where_it_is_clear(sent: str, meant: dict[str, Any]):
    assert bound(sent) == meant


@pytest.mark.parametrize("sent", ["", "  ", "{}", "null"])
def test_nothing_is_an_empty_object(sent: str):
    def now() -> None: ...

    assert bound(sent, now) == {}


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        ("{", "not JSON"), ("[1]", "must be a JSON object"), ('"text"', "not JSON"),
        ("{}", "order_id: Field required"), ('{"order_id": null}', "order_id: Input should be"),
        ('{"order_id": "a", "count": "many"}', 'count: Input should be a valid integer'),
        ('{"order_id": "a", "items": [{"count": 1}]}', "items.0.name: Field required"),
        ('{"order_id": "a", "colour": "red"}', "colour: Extra inputs are not permitted"),
        ('{"order_id": "\\ud800"}', "Invalid JSON"), ("[" * 100_000, "not JSON"),
    ],
)  # fmt: skip
def test_a_fault_names_what_is_wrong(sent: str, said: str):
    assert said in refused(sent)


def test_a_fault_shows_the_schema_and_what_was_given_but_not_all_of_it():
    told = refused(json.dumps({"order_id": "a", "count": "x" * 5_000}))
    assert '(given: "xxx' in told
    assert '"order_id"' in told
    assert len(told) < 4_000


def test_an_optional_parameter_without_default_may_be_left_out():
    def find(note: str | None) -> None: ...

    assert bound("{}", find) == {"note": None}


def test_parameters_of_odd_names_are_given_by_their_names():
    def odd(schema: str, _x: int = 1) -> None: ...

    assert bound('{"schema": "a", "_x": 2}', odd) == {"schema": "a", "_x": 2}


def test_keyword_parameters_take_the_rest():
    def search(query: str, **filters: Any) -> None: ...

    assert bound('{"query": "a", "colour": "red"}', search) == {"query": "a", "colour": "red"}


def test_the_platform_s_values_are_given_and_a_model_cannot_send_them():
    def refund(order_id: str, idempotency_key: str) -> None: ...

    assert bound('{"order_id": "a"}', refund, idempotency_key="k")["idempotency_key"] == "k"
    with pytest.raises(ArgumentsRefused, match="idempotency_key: Extra inputs"):
        bound('{"order_id": "a", "idempotency_key": "mine"}', refund, idempotency_key="k")


def test_a_validator_of_the_author_that_breaks_is_a_refusal():
    def broken(value: str) -> str:
        raise KeyError(value)

    def find(order_id: Annotated[str, AfterValidator(broken)]) -> None: ...

    assert "KeyError" in refused('{"order_id": "a"}', find)


@given(st.text() | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["order_id", "count", "items", "item"]), inner
    ),
).map(json.dumps))  # fmt: skip
def test_whatever_a_model_sends_is_bound_or_refused(arguments: str):
    with contextlib.suppress(ArgumentsRefused):
        told = bind(SPEC, arguments, {})
        assert isinstance(told["order_id"], str)


SPEC = describe(order)
