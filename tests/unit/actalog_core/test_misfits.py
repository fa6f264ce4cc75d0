"""What does not fit is named; what was said is not repeated."""

import pytest
from pydantic import BaseModel, ValidationError

from actalog_core.errors import Undecodable
from actalog_core.events import decode
from actalog_core.misfits import misfit, some


class Shape(BaseModel):
    a: int
    b: int
    c: int
    d: int
    e: int


def test_a_few_fields_are_named_and_no_value():
    with pytest.raises(ValidationError) as caught:
        Shape.model_validate(dict.fromkeys("abcde", "sk-planted"))
    told = str(misfit("shape", caught.value))
    assert "shape: a: Input should be a valid integer" in told
    assert "and 2 more" in told
    assert "planted" not in told


@pytest.mark.parametrize(
    "payload",
    [
        b'{"call_id": 7, "text": "sk-planted"}', b'{"text": "sk-planted',
        b'{"call_id": {"sk-planted": 1}}',
    ],
)  # fmt: skip
def test_an_event_that_cannot_be_read_is_not_repeated(payload: bytes):
    with pytest.raises(Undecodable) as caught:
        decode("model.replied.v1", payload)
    assert "planted" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("names", "told"),
    [([], "nothing"), (["a"], "a"), (["a", "b"], "a, b"), (["a"] * 20, ", ".join("a" * 20)),
     (["a"] * 22, ", ".join("a" * 20) + " and 2 more")],
)  # fmt: skip
def test_of_many_names_some_are_told(names: list[str], told: str):
    assert some(names) == told
