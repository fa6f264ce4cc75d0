"""Personal data by form and checksum: what can be told from other numbers for certain.

Every pattern has a bounded length and no nested repetition, so a text costs time in proportion
to its length, whatever it holds.
"""

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Mapping

from actalog_guardrails.rules.finding import Finding, apart

CARD = re.compile(r"(?<![\w.-])\d(?:[ -]?\d){12,18}(?![\w-])")
IBAN = re.compile(
    r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?![A-Za-z0-9])", re.IGNORECASE
)
EMAIL = re.compile(
    r"(?<![\w.+%-])[\w.+%-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}(?![\w-])"
)
SSN = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
# With a country code, or in the forms that people write national numbers in.
PHONE = re.compile(
    r"(?<![\w.+-])(?:"
    r"\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,6}"
    r"|00\d{2}(?:[ .-]?\d{2,4}){2,5}"
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}"
    r"|\d{3}-\d{3}-\d{4}"
    r"|\d{3}\.\d{3}\.\d{4}"
    r"|0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,5}"
    r")(?![\w-])"
)
IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)")
IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{2,39}(?::\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])")
IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DK": 18, "DO": 28,
    "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
    "GL": 18, "GR": 27, "GT": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
    "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20,
    "LV": 21, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MR": 27, "MT": 31, "MU": 30, "NL": 18,
    "NO": 15, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "SA": 24,
    "SC": 31, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "ST": 25, "SV": 28, "TL": 23, "TN": 24,
    "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20,
}  # fmt: skip
"""Total length by country: SWIFT's IBAN registry."""


def luhn(digits: str) -> bool:
    """Whether the check digit of a card number fits (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban_holds(text: str) -> bool:
    """Whether length and check digits fit (ISO 13616: mod 97 of the rearranged digits is 1)."""
    plain = text.replace(" ", "").upper()
    if len(plain) != IBAN_LENGTHS.get(plain[:2]):
        return False
    return int("".join(str(int(one, 36)) for one in plain[4:] + plain[:4])) % 97 == 1


def _cards(text: str) -> Iterator[Finding]:
    for found in CARD.finditer(text):
        digits = re.sub(r"\D", "", found.group())
        if len(set(digits)) > 1 and digits[0] in "23456" and luhn(digits):
            yield Finding("card", *found.span())


def _ibans(text: str) -> Iterator[Finding]:
    for found in IBAN.finditer(text):
        start, said = found.start(), found.group()
        # A word behind the number looks like more of it: the registry knows where it ends.
        wanted, end = IBAN_LENGTHS.get(said[:2].upper(), 0), start
        for one in said:
            if wanted == 0:
                break
            wanted -= one != " "
            end += 1
        whole = end == len(text) or not text[end].isalnum()
        if end > start and whole and iban_holds(text[start:end]):
            yield Finding("iban", start, end)


def _phones(text: str) -> Iterator[Finding]:
    for found in PHONE.finditer(text):
        if 7 <= sum(one.isdigit() for one in found.group()) <= 15:  # ITU-T E.164: at most 15
            yield Finding("phone", *found.span())


def _ips(text: str) -> Iterator[Finding]:
    for pattern in (IPV4, IPV6):
        for found in pattern.finditer(text):
            said = found.group().rstrip(":") if pattern is IPV6 else found.group()
            if pattern is IPV6 and said.count(":") < 2:
                continue
            try:
                ipaddress.ip_address(said)
            except ValueError:
                continue
            yield Finding("ip", found.start(), found.start() + len(said))


def _plain(kind: str, pattern: re.Pattern[str]) -> Callable[[str], Iterator[Finding]]:
    return lambda text: (Finding(kind, *found.span()) for found in pattern.finditer(text))


FINDERS: Mapping[str, Callable[[str], Iterator[Finding]]] = {
    "card": _cards,
    "iban": _ibans,
    "email": _plain("email", EMAIL),
    "phone": _phones,
    "ssn": _plain("ssn", SSN),
    "ip": _ips,
}


def find(text: str, entities: Collection[str]) -> tuple[Finding, ...]:
    """Personal data of these kinds, in order, without overlaps. Unknown kinds find nothing."""
    return apart(found for kind in entities if kind in FINDERS for found in FINDERS[kind](text))
