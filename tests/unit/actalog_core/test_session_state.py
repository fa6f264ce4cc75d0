"""Session state changes by operations (protocol 10)."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actalog_contracts.runs import StateOp
from actalog_core.session_state import apply, changes, read_ops, write_ops

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
states = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), json_values)


@given(states, states)
def test_the_changes_between_two_states_lead_from_one_to_the_other(
    before: dict[str, Any], after: dict[str, Any]
):
    state = json.loads(json.dumps(before))
    for op in read_ops(write_ops(changes(before, after))):
        apply(state, op)
    assert json.dumps(state, sort_keys=True) == json.dumps(after, sort_keys=True)


def test_eight_runs_that_set_eight_keys_leave_eight_keys():
    state: dict[str, Any] = {}
    seen: list[tuple[StateOp, ...]] = [changes({}, {f"k{at}": at}) for at in range(8)]
    for ops in seen:
        for op in ops:
            apply(state, op)
    assert state == {f"k{at}": at for at in range(8)}


@pytest.mark.parametrize("begun", [[], ["begun"], [None, 1]])
def test_two_that_append_to_one_list_both_stay(begun: list[Any]):
    state: dict[str, Any] = {"log": begun}
    for ops in [changes(state, {"log": [*begun, one]}) for one in ("a", "b")]:
        for op in ops:
            apply(state, op)
    assert state == {"log": [*begun, "a", "b"]}


@pytest.mark.parametrize(
    ("before", "after"), [([1], [True, 2]), ("a", ["a", "b"]), (None, ["a"]), (["a", "b"], ["a"])]
)
def test_what_is_no_longer_the_list_that_it_was_is_set(before: Any, after: Any):
    (op,) = changes({"log": before}, {"log": after})
    assert (op.op, json.loads(op.value or "")) == ("set", after)


def test_numbers_are_incremented_and_what_does_not_fit_changes_nothing():
    state: dict[str, Any] = {"n": 1, "text": "x"}
    for op in (
        StateOp(op="increment", key="n", value="2"),
        StateOp(op="increment", key="new", value="5"),
        StateOp(op="increment", key="text", value="1"),
        StateOp(op="append", key="text", value="1"),
        StateOp(op="delete", key="nobody"),
    ):
        apply(state, op)
    assert state == {"n": 3, "new": 5, "text": "x"}


def test_lone_surrogates_become_what_an_event_can_have():
    ops = changes({"list": [1]}, {"list": [1, "a\ud83d"], "k\ud83d": {"\udc00": "\ud83d\ude00"}})
    state: dict[str, Any] = {"list": [1]}
    for op in read_ops(write_ops(ops)):
        apply(state, op)
    assert state == {"list": [1, "a\ufffd"], "k\ufffd": {"\ufffd": "\U0001f600"}}


@pytest.mark.parametrize("key", [5, None, (1, 2)])
def test_a_key_that_is_no_text_is_told(key: Any):
    with pytest.raises(TypeError, match=f"the key {re.escape(repr(key))}, which is no text"):
        changes({"a": 1}, {"a": 1, key: 2})


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan")])
def test_a_value_without_a_json_form_is_told_with_its_key(value: object):
    with pytest.raises(TypeError, match="session_state\\['cart'\\]"):
        changes({}, {"cart": value})
