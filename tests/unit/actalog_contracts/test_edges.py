"""What is just within the limits of what comes from outside, and what is just beyond."""

import json
import time
from typing import Any

import pytest

from actalog_contracts import topics
from actalog_contracts.base import MAX_ID
from actalog_contracts.border import MAX_BYTES, BadInput, decode, parse
from actalog_contracts.tasks import TaskSubmit

TASK: dict[str, Any] = {"target": "agent:a", "input": "hello"}


def read(value: bytes) -> TaskSubmit:
    message = decode(value, {}).message
    assert isinstance(message, TaskSubmit)
    return message


def test_a_message_of_exactly_the_limit_is_taken():
    value = json.dumps(TASK).encode()
    assert read(value + b" " * (MAX_BYTES - len(value))).input == "hello"
    with pytest.raises(BadInput) as refused:
        read(value + b" " * (MAX_BYTES - len(value) + 1))
    assert refused.value.code == "too_large"


def test_numbers_are_carried_as_they_are():
    numbers = {"half": 0.5, "large": 1e300, "whole": 2**53 - 1, "less": -(2**53 - 1)}
    assert read(json.dumps({**TASK, "metadata": numbers}).encode()).metadata == numbers


@pytest.mark.parametrize(("over", "told"), [(0, True), (1, False)])
def test_a_refusal_names_no_run_whose_id_is_longer_than_ids_are(over: int, told: bool):
    run_id = "r" * (MAX_ID + over)
    with pytest.raises(BadInput) as refused:
        read(json.dumps({"target": 7, "input": "hello", "run_id": run_id}).encode())
    assert ("run_id" in refused.value.readable) is told


@pytest.mark.timeout(20)
def test_many_names_of_which_the_last_stands_twice_take_no_time():
    """Within the limit of a message: to look each up among all others took minutes."""
    names = ",".join(f'"{n}":0' for n in [*range(100_000), 99_999])
    began = time.process_time()
    with pytest.raises(BadInput, match="'99999' stands twice"):
        read(b"{" + names.encode() + b"}")
    assert time.process_time() - began < 5


@pytest.mark.timeout(20)
def test_many_values_under_long_names_take_no_time():
    """Paths were written for each of them: gigabytes, of one message."""
    name = "n" * 500_000
    values = ",".join(["0"] * 200_000)
    value = f'{{"{name}": [{values}, "\\ud800"]}}'.encode()
    began = time.process_time()
    with pytest.raises(BadInput, match="lone surrogates"):
        read(value)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(("value", "field"), [
    ({"a": {"b": [1, {"c": 2**60}]}}, "a.b[1].c"), ({"a": [[2**60]]}, "a[0][0]"),
    ({"": {"b": 2**60}}, "b"), ({".a": 2**60}, "a"), ({"a": {"\x00": 1}}, "a"),
])  # fmt: skip
def test_what_cannot_be_carried_is_named_by_its_path(value: dict[str, Any], field: str):
    with pytest.raises(BadInput) as refused:
        parse(json.dumps(value).encode())
    assert refused.value.field == field


def test_a_field_behind_a_schema_registrys_frame_is_named_as_any_other():
    framed = b"\x00\x00\x00\x00\x07" + json.dumps({**TASK, "metadata": {"n": 2**60}}).encode()
    with pytest.raises(BadInput) as refused:
        read(framed)
    assert refused.value.field == "metadata.n"
    assert "schema registry" in refused.value.message


def test_the_platforms_own_topics_are_those_of_the_table_with_their_dead_letters():
    names = topics.own_names("p")
    assert {"p.tasks", "p.results", "p.tools.commands", "p.tasks.dlq", "p.checkpoints"} <= names
    assert all(name.startswith("p.") for name in names)
    assert len(names) == 2 * len(topics.TOPICS) + 1
