"""Personal data as people type, paste and wrap it, in any script; and what only looks like it."""

import time

import pytest

from actalog_contracts.definitions import PiiCheck
from actalog_guardrails import core
from actalog_guardrails.rules import pii
from actalog_guardrails.rules.folding import folded

EVERY = tuple(pii.FINDERS)
WIDE = {ord("0") + one: chr(0xFF10 + one) for one in range(10)}
ARABIC = {ord("0") + one: chr(0x660 + one) for one in range(10)}
FOUND: dict[str, tuple[str, ...]] = {
    "card": (
        "4111-1111-1111-1111", "4111\u20131111\u20131111\u20131111", "4111 - 1111 - 1111 - 1111",
        "4111  1111  1111  1111", "4111\t1111\t1111\t1111", "4111/1111/1111/1111",
        "4111\u00a01111\u202f1111\u20111111", "41111111 11111111", "4111 1111\n1111 1111",
        "4111 1111 1111 \r\n1111", "4111111111111111".translate(WIDE), "4111\u200b1111\u200b1111\u200b1111",
        "4111111111111111".translate(ARABIC),
        "4111 1111\u20281111 1111", "4111 1111\u2029 1111 1111", "4111 1111\x851111 1111",
        "4\ufe0f\u20e31\ufe0f\u20e311 1111 1111 1111",
        "41111111\u00ad11111111", "3782 822463 10005", "3056 930902 5904", "2223003122003222",
    ),
    "iban": (
        "DE89 3704 0044 0532 0130 00", "DE 89 3704 0044 0532 0130 00",
        "DE89\n3704\n0044\n0532\n0130\n00", "\uff24\uff2589370400440532013000",
        "LY83 002 048 000020100120361", "RU03 0445 2522 5408 1781 0538 0913 1041 9",
        "SD8811123456789012", "MT84 MALT 0110 0001 2345 MTLC AST0 01S",
        "GB29\u2013NWBK\u20136016\u20131331\u20139268\u201319",
    ),
    "email": (
        '"odd name"@example.com', "user@[192.168.1.1]", "user@[IPv6:2001:db8::1]",
        "joe@example.xn--p1ai", "joe\uff20example.com", "-joe@example.com", "...joe@example.com",
        "\u7528\u6237@\u4f8b\u5b50.\u516c\u53f8", "j\u00f6rg@m\u00fcller.de", "joe\u200b@example.com",
        "jose\u0301@example.com", "joe@mu\u0308ller.de", "o\u2019brien@example.com",
        "\u0930\u093e\u092e@\u0909\u0926\u093e\u0939\u0930\u0923.\u092d\u093e\u0930\u0924",
        "a" * 70 + "@example.com", "first.last+tag@sub.example.co.uk",
    ),
    "phone": (
        "+1\u2011555\u2011123\u20114567", "\uff0b49 30 901820", "+1\u00a0555\u00a0123\u00a04567",
        "1-800-555-0199", "(030) 901820", "06 12 34 56 78", "+49 30/901820", "+49 (0)30 901820",
        "030/901820", "(555)123-4567", "0033123456789", "(555)-123-4567", "415 555 2671", "1 415 555 2671",
        "+49 170 - 1234567", "+49 (0)30 / 90 18 20", "+49  170  1234567", "+49\t170\t1234567",
        "030 / 901820", "0170 - 1234567", "030 / 90 18 20", "(030) 90 18 20", "(030) / 901820",
        "+49 170\n1234567", "+49 30 1234\r\n567", "0049 170\n1234567",
    ),
    "ssn": ("123\u201145\u20116789", "123\u201345\u20136789", "\uff11\uff12\uff13-45-6789"),
    "ip": ("8.8.8.8", "::ffff:192.0.2.128", "2001:db8::1", "fe80::1", "64:ff9b::192.0.2.33"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "said"), [(k, one) for k, all in FOUND.items() for one in all])
@pytest.mark.parametrize(
    ("before", "after"),
    [("", ""), ("It is ", ", thanks"), ("\u53f7\u7801\u662f", "\u8c22\u8c22"), ("(", ")")],
)
def test_it_is_found_in_whatever_form_and_script(kind: str, said: str, before: str, after: str):
    if kind == "email" and not before.isascii():
        before, after = before + " ", " " + after  # letters of any script may be a part of it
    text = before + said + after
    found = [one for one in pii.find(text, EVERY) if one.kind == kind]
    assert [text[one.start : one.end] for one in found] == [said]
    assert core.verdict(text, [PiiCheck()]).text == f"{before}[{kind.upper()}]{after}"


@pytest.mark.parametrize(
    "text",
    [
        "4111\n1111\n1111\n1111", "4111 1111\n\n1111 1111", "2026\n2027\n2028\n2029",
        "a4111111111111111b", "41111111 1111 1111", "see section 3.1.4.1", "chapter 1.2.3.4 of it",
        "UUID 123e4567-e89b-12d3-a456-426614174000", "12:34:56:78", "00:1a:2b:3c:4d:5e",
        "000-12-3456", "900-12-3456", "123-00-4567", "123-45-0000", "std::vector<int>", "a::b",
        "100 000 000 000", "00 12 34 56 78", "IMEI 490154203237518", "10.0.0.256", "DE89 ways",
        "415 155 2671", "115 555 2671", "1 415 555 26711", "200 300 400 5000", "007 10 20 30",
        "+12\n34\n56\n789", "12 415 555 2671",
        "coordinates 52.5200 13.4050", "a \u2013 b", "\u0661\u0662\u0663", "\u4e2d\u6587",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_left_alone(text: str):
    assert pii.find(text, EVERY) == ()


@pytest.mark.parametrize(
    "text",
    ['["4111 1111", "1111 1111"]', "[4111, 1111, 1111, 1111]", '{"a": "DE89 3704", "b": "0044"}'],
)
def test_a_number_does_not_go_on_in_the_next_string(text: str):
    assert core.verdict(text, [PiiCheck()]).text == text


@pytest.mark.parametrize(
    "text",
    [
        # Maestro's have any length between 12 and 19 digits; these fit but for that.
        "6012 3452", "6012 3456 7894", "6000 3000 4000 5000 6009",
        "4111 1111\n1111\n1111",  # a column
        "GB82WEST12345698765432x", "DE89370400440532013000_1",
        "+1 23 456", "+123 4567 8901 2345 6",
    ],
)  # fmt: skip
def test_what_is_too_short_too_long_or_goes_on_is_none(text: str):
    assert pii.find(text, EVERY) == ()


@pytest.mark.parametrize("text", ["+1 234 567", "+123 4567 8901 2345"])
def test_the_shortest_and_the_longest_of_telephones(text: str):
    assert [(one.kind, one.length) for one in pii.find(text, EVERY)] == [("phone", len(text))]


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("+49 170 1234567\n2. Next", "[PHONE]\n2. Next"),
        ("+49 170 1234567\n+49 170 7654321", "[PHONE]\n[PHONE]"),
        ("+49 170 1234567\n030 901820", "[PHONE]\n[PHONE]"),
        ("+49 170 1234567 \r\n4711", "[PHONE] \r\n4711"),
        ("+354 551 234\n555-123-4567", "[PHONE]\n[PHONE]"),
        ("+49 170\n1234\n567", "[PHONE]\n567"),
    ],
)
def test_a_telephone_number_that_is_whole_does_not_go_on_in_the_next_line(text: str, used: str):
    assert core.verdict(text, [PiiCheck()]).text == used


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("Ann ann@mail.example+49 170 1234567", "Ann [EMAIL][PHONE]"),
        ("ann@mail.example078-05-1120", "[EMAIL][SSN]"),
        ("4111 1111 1111 1111+49 170 1234567", "[CARD][PHONE]"),
        ("+49 170 1234567+49 170 7654321+49 170 1111111", "[PHONE][PHONE][PHONE]"),
        ('["\\u00e9 ann@mail.example8.8.8.8"]', '["\u00e9 [EMAIL][IP]"]'),
    ],
)
def test_what_was_pasted_without_anything_between_is_parted(text: str, used: str):
    assert core.verdict(text, [PiiCheck()]).text == used


@pytest.mark.parametrize(
    "said", ["+" + "1" * 26 + "a ", "+1  1  1  1  1  1  1a ", "+1" + "\n1" * 30]
)
def test_what_is_nearly_a_telephone_number_holds_nobody_up(said: str):
    text = said * (400_000 // len(said))
    began = time.process_time()
    assert pii.find(text, EVERY) == ()
    assert time.process_time() - began < 4  # 10 s where the digits were parted in every way


def test_what_stands_beside_a_mask_in_an_escaped_string_stays_readable():
    told = core.verdict('{"a":"\\u00e9t\\u00e9 a@b.example"}', [PiiCheck()])
    assert told.text == '{"a":"\u00e9t\u00e9 [EMAIL]"}'


def test_a_number_that_is_wrapped_within_a_string_is_found():
    assert core.verdict('["4111 1111\\n1111 1111"]', [PiiCheck()]).text == '["[CARD]"]'


def test_characters_that_stand_for_several_move_no_mask():
    told = core.verdict("\u338f \ufb01 \u33a2 a@b.example \u338f", [PiiCheck()])
    assert told.text == "\u338f \ufb01 \u33a2 [EMAIL] \u338f"


def test_spans_stand_where_the_text_had_them():
    text = "\U0001f469\u200d\U0001f4bb: 078\u201105\u20111120, a\u200b@b.example"
    told = core.verdict(text, [PiiCheck()])
    assert [text[one.start : one.end] for one in told.spans] == [
        "078\u201105\u20111120", "a\u200b@b.example",
    ]  # fmt: skip
    assert told.text == "\U0001f469\u200d\U0001f4bb: [SSN], [EMAIL]"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain",
        "\u00e9t\u00e9",
        "\u200b",
        "\U0001d7d9",
        "\U0001f600 x",
        "5 \u338f",
        "\ufb01n",
        "e\u0301",
    ],
)
def test_a_folded_text_has_a_place_for_each_character(text: str):
    told = folded(text)
    places = range(len(text)) if told.places is None else told.places
    assert len(told.text) == len(places)
