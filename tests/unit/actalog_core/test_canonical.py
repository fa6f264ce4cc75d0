import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from actalog_core import canonical

keys = st.text(st.characters(max_codepoint=127), max_size=8)
texts = st.text(st.characters(exclude_categories=["Cs"]))
numbers = st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER)
plain = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=20,
)


@given(plain)
def test_canonical_bytes_are_those_of_rfc_8785(value: object):
    assert canonical.canonical(value) == rfc8785.dumps(value)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "value",
    [1.0, 2**53, -(2**53), {"é": 1}, {1: 2}, [[1.5]], "\ud800", {"a": 1.5}, {"a": [2**53]},
     {"a": {"b": {"é": 1}}}, [{"a": "\ud800"}], ({"a": 0.5},)],
)  # fmt: skip
def test_what_has_no_single_canonical_form_is_refused(value: object):
    with pytest.raises(TypeError):
        canonical.canonical(value)


@pytest.mark.parametrize("value", [2**53 - 1, -(2**53 - 1)])
def test_11_1_the_largest_integers_that_all_languages_have_are_told(value: int):
    assert canonical.canonical({"n": [value]}) == b'{"n":[%d]}' % value


def test_two_lists_of_parts_never_hash_the_same_text():
    assert canonical.sha256_parts(b"ab", b"c") != canonical.sha256_parts(b"a", b"bc")


def test_a_keyed_digest_depends_on_the_key():
    assert canonical.keyed_digest(b"one", b"4111") != canonical.keyed_digest(b"two", b"4111")


@given(st.text())
def test_text_of_models_can_always_be_stored(text: str):
    cleaned = canonical.clean_text(text)
    assert "\x00" not in cleaned
    assert cleaned.encode().decode() == cleaned


@given(texts.filter(lambda text: "\x00" not in text))
def test_good_text_is_left_as_it_is(text: str):
    assert canonical.clean_text(text) == text
