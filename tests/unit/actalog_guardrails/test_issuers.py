"""Whose numbers are taken for cards: the ranges that networks issue, to their edges."""

import pytest

from actalog_guardrails.rules.cards import cards, luhn


def number(begins: str, count: int) -> str:
    """A number of so many digits with a check digit that fits."""
    body = (begins + "1357924680135792468")[: count - 1]
    (fits,) = [body + digit for digit in "0123456789" if luhn(body + digit)]
    return fits


def found(text: str) -> list[str]:
    return [text[one.start : one.end] for one in cards(text)]


@pytest.mark.parametrize(
    ("network", "begins", "counts", "never"),
    [
        ("Visa", "4000", (13, 16, 19), (14, 15, 17, 18)),
        ("Visa", "4999", (13, 16, 19), (14, 15, 17, 18)),
        ("Mastercard", "5100", (16,), (13, 15, 17, 19)),
        ("Mastercard", "5599", (16,), (13, 15, 17, 19)),
        ("Mastercard", "2221", (16,), (13, 15, 17, 19)),
        ("Mastercard", "2720", (16,), (13, 15, 17, 19)),
        ("American Express", "3400", (15,), (13, 14, 16)),
        ("American Express", "3799", (15,), (13, 14, 16)),
        ("Diners Club", "3000", (14, 16, 19), (13,)),
        ("Diners Club", "3059", (14, 16, 19), (13,)),
        ("Diners Club", "3600", (14, 16, 19), (13,)),
        ("Diners Club", "3800", (14, 16, 19), (13,)),
        ("Diners Club", "3999", (14, 16, 19), (13,)),
        ("JCB", "3528", (16, 17, 18, 19), (13, 14, 15)),
        ("JCB", "3589", (16, 17, 18, 19), (13, 14, 15)),
        ("Maestro", "5018", (13, 16, 19), ()),
        ("Maestro", "5600", (13, 16, 19), ()),
        ("Discover", "6011", (16, 19), ()),
        ("UnionPay", "6200", (16, 19), ()),
        ("Maestro", "6999", (13, 16, 19), ()),
    ],
)
def test_numbers_of_a_network_are_found_in_each_of_its_lengths_and_in_no_other(
    network: str, begins: str, counts: tuple[int, ...], never: tuple[int, ...]
):
    for count in counts:
        assert found(f"pay with {number(begins, count)}.") == [number(begins, count)], network
    for count in never:
        assert found(f"pay with {number(begins, count)}.") == [], network


@pytest.mark.parametrize(
    "begins", ["1000", "2220", "2721", "3060", "3300", "3500", "3527", "3590", "7000", "8000", "9"]
)
def test_numbers_that_nobody_issues_are_no_cards(begins: str):
    for count in range(13, 20):
        assert found(f"order {number(begins, count)}") == []


@pytest.mark.parametrize(
    "around", ["3.{}", "0,{}", "{}.50", "x{}", "{}x", "_{}", "{}_", "id{}", "{}7"]
)
def test_a_part_of_a_longer_number_or_word_is_no_card(around: str):
    assert found(around.format(number("4111", 16))) == []


@pytest.mark.parametrize("around", ["{}.", "{},50", "no. {}", "{}. 5", "号{}号", "({})", ",{}"])
def test_a_card_at_the_edge_of_a_sentence_is_found(around: str):
    assert found(around.format(number("4111", 16))) == [number("4111", 16)]
