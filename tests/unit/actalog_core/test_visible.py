"""What others wrote, on a terminal: nothing is obeyed, nothing is hidden."""

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actalog_core.visible import exact, visible


@pytest.mark.parametrize("text", [
    "", "Order 1042 left on Tuesday.", "a\nb\tc", "Grüße, 你好, שלום, नमस्ते", "👩\u200d💻 👋🏽 ❤\ufe0f",
    "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "1\u00a0000 €",
])  # fmt: skip
def test_what_is_harmless_is_shown_as_it_is(text: str):
    assert visible(text) == text


@pytest.mark.parametrize(("text", "shown"), [
    ("\x1b[2J", "\\u001b[2J"), ("\x9b2J", "\\u009b2J"), ("a\rb", "a\\u000db"), ("\x7f", "\\u007f"),
    ("safe\u202eexe.", "safe\\u202eexe."), ("\u2066", "\\u2066"), ("a\u200bb", "a\\u200bb"),
    ("\u2028", "\\u2028"), ("\ufeff", "\\ufeff"), ("\U000e0041", "\\udb40\\udc41"),
    ("\ud800", "\\ud800"), ("\x00", "\\u0000"),
])  # fmt: skip
def test_what_a_terminal_would_obey_or_hide_is_escaped(text: str, shown: str):
    assert visible(text) == shown
    assert exact(text) == shown


@pytest.mark.parametrize(("text", "shown"), [
    ("p\u0430ypal", "p\\u0430ypal"), ("\u0391dmin", "\\u0391dmin"), ("\uff41dmin", "\\uff41dmin"),
    ("a\u200db", "a\\u200db"), ("a\u00a0b", "a\\u00a0b"), ("a\ufe0f", "a\\ufe0f"),
    ("a\u3164", "a\\u3164"), ("a\nb", "a\\u000ab"), ("\U0001d41admin", "\\ud835\\udc1admin"),
])  # fmt: skip
def test_what_is_decided_upon_is_shown_to_the_character(text: str, shown: str):
    assert exact(text) == shown


@pytest.mark.parametrize(
    "text", ["привет", "Ελλάδα", "café", "order_номер", "你好", "naïve Straße"]
)
def test_words_of_one_script_are_read_as_they_are(text: str):
    assert exact(text) == text


@given(st.text())
def test_nothing_is_obeyed_and_json_stays_what_it_is(text: str):
    told = json.dumps({text: [text]}, ensure_ascii=False)
    for shown in (visible(told), exact(told)):
        assert json.loads(shown) == {text: [text]}
    assert not any(
        unicodedata.category(one) in ("Cc", "Cf", "Zl", "Zp") for one in visible(text)
        if one not in "\n\t\u200c\u200d"
    )  # fmt: skip
    assert all(one.isprintable() for one in exact(text))
