"""Numbers of cards and bank accounts: by their form, their issuer and their check digits."""

import re
from collections.abc import Iterator

from actalog_guardrails.rules.finding import Finding

_DIGITS = re.compile(r"\d+")
# Between two groups: as they are printed, typed, or wrapped.
_GAP = re.compile(r"[ \t]{1,2}|[ \t]?[-./_][ \t]?|[ \t]?\r?\n[ \t]?")
WIDEST = 4  # code points
LONGEST, SHORTEST = 19, 13  # digits of a card number (ISO/IEC 7812-1)
HALF = 8
_IBAN_START = re.compile(r"(?<![A-Za-z0-9])([A-Za-z]{2}) ?\d{2}")
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28,
    "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18,
    "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24,
    "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28, "TL": 23, "TN": 24,
    "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip
"""Total length by country: SWIFT's IBAN registry."""


def luhn(digits: str) -> bool:
    """Whether the check digit of a card number fits (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def issued(digits: str) -> bool:
    """Whether a card network issues numbers that begin so and are that long."""
    count, two, four = len(digits), int(digits[:2]), int(digits[:4])
    if two // 10 == 4:
        return count in (13, 16, 19)
    if 51 <= two <= 55 or 2221 <= four <= 2720:
        return count == 16
    if two in (34, 37):
        return count == 15
    if two in (36, 38, 39) or 3000 <= four <= 3059:
        return 14 <= count <= LONGEST
    if 3528 <= four <= 3589:
        return 16 <= count <= LONGEST
    return two == 50 or 56 <= two <= 69


def cards(text: str) -> Iterator[Finding]:
    """Unbroken, in groups as they are printed (the first has four digits), or in two halves."""
    groups = [found.span() for found in _DIGITS.finditer(text)]
    at = 0
    while at < len(groups):
        last = _card_from(text, groups, at)
        if last is not None:
            yield Finding("card", groups[at][0], groups[last][1])
            at = last
        at += 1


def _card_from(text: str, groups: list[tuple[int, int]], first: int) -> int | None:
    """The last group of a card number that begins with this one: the longest that holds."""
    start, end = groups[first]
    if start and _goes_on(text[start - 1]):
        return None
    if end - start not in (4, HALF):
        whole = SHORTEST <= end - start <= LONGEST and not _fraction(text, start, end)
        return first if whole and _holds(text, text[start:end], end) else None
    digits, best, lines = text[start:end], None, 0
    for at in range(first + 1, len(groups)):
        here, before = groups[at], groups[at - 1][1]
        if here[0] - before > WIDEST or not _GAP.fullmatch(text, before, here[0]):
            break
        lines += text.count("\n", before, here[0])
        digits += text[here[0] : min(here[1], here[0] + LONGEST + 1)]
        if len(digits) > LONGEST or lines > 1:  # a column of numbers is no card
            break
        halves = end - start == 4 or here[1] - here[0] == HALF
        if len(digits) >= SHORTEST and halves and _holds(text, digits, here[1]):
            best = at
    return best


def _goes_on(one: str) -> bool:
    """Whether it belongs to the same word. Where words have no spaces between them, a number
    stands right beside other letters."""
    return one == "_" or (one.isascii() and one.isalnum())


def _fraction(text: str, start: int, end: int) -> bool:
    """A part of a decimal number is no card."""
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    return (before[-1:] in (".", ",") and before[:1].isdigit()) or (
        after[:1] == "." and after[1:].isdigit()
    )


def _holds(text: str, digits: str, end: int) -> bool:
    if _goes_on(text[end : end + 1]):
        return False
    return len(set(digits)) > 1 and issued(digits) and luhn(digits)


def iban_holds(text: str) -> bool:
    """Whether length and check digits fit (ISO 13616: mod 97 of the rearranged digits is 1)."""
    if len(text) != IBAN_LENGTHS.get(text[:2]):
        return False
    return int("".join(str(int(one, 36)) for one in text[4:] + text[:4])) % 97 == 1


def ibans(text: str) -> Iterator[Finding]:
    """The registry knows where each ends, whatever word stands behind it."""
    for found in _IBAN_START.finditer(text):
        said, end = _letters(text, found.start(), IBAN_LENGTHS.get(found.group(1).upper(), 0))
        if said and not _goes_on(text[end : end + 1]) and iban_holds(said):
            yield Finding("iban", found.start(), end)


def _letters(text: str, start: int, wanted: int) -> tuple[str, int]:
    """So many letters and digits from here, with gaps between them; and their end."""
    said: list[str] = []
    at = start
    while len(said) < wanted and at < len(text):
        one = text[at]
        if one.isascii() and one.isalnum():
            said.append(one.upper())
            at += 1
        elif (gap := _GAP.match(text, at)) is not None and gap.end() < len(text):
            at = gap.end()
            if not text[at].isalnum():
                break
        else:
            break
    return ("".join(said), at) if len(said) == wanted else ("", at)
