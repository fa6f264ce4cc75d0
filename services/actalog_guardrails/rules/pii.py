"""Personal data by form and checksum: what can be told from other numbers for certain.

Every pattern has a bounded length and no nested repetition, so a text costs time in proportion
to its length, whatever it holds.
"""

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Mapping

from actalog_guardrails.rules.cards import cards, ibans
from actalog_guardrails.rules.finding import Finding, apart
from actalog_guardrails.rules.folding import folded

EMAIL = re.compile(
    r"""(?:(?<![\w.+%-])[\w.+%-][\w.'\u2019+%-]{0,255}|"[^"\n@]{1,64}")@(?:"""
    r"(?:[^\W_](?:[\w-]{0,62})\.){1,8}"
    r"(?:xn--[A-Za-z0-9-]{2,59}|[A-Za-z]{2,24}(?![A-Za-z])|[^\W\d_]{2,24})"
    r"|\[(?:IPv6:)?[0-9A-Fa-f:.]{2,45}\])"
)
# From here on words are of ASCII: other letters may stand right beside a number.
SSN = re.compile(
    r"(?<![\w-])(?!000|666|9\d\d)\d{3}([- ])(?!00)\d{2}\1(?!0000)\d{4}(?![\w-])", re.ASCII
)
# With a country code, then also wrapped; or in the forms that people write national numbers in.
_BETWEEN = r"(?:[ \t]?[./-][ \t]?|[ \t]{1,2}|[ \t]?\r?\n[ \t]?)?"
_PAIRS = r"\d\d(?: \d\d){2,3}"
PHONE = re.compile(
    r"(?<![\w.+-])(?:"
    rf"\+\d{{1,3}}(?:{_BETWEEN}(?:\(\d{{1,4}}\)|\d{{1,4}}+)){{2,6}}"
    rf"|(?<!\d )00\d{{2}}(?:{_BETWEEN}\d{{2,4}}){{2,5}}"
    r"|(?:1[ .-])?(?:\(\d{3}\)[ -]?\d{3}[ .-]\d{4}|\d{3}-\d{3}-\d{4}|\d{3}\.\d{3}\.\d{4})"
    # Of North America, where neither part begins with 0 or 1.
    r"|(?<!\d )(?:1 )?[2-9]\d\d [2-9]\d\d \d{4}(?! ?\d)"
    r"|0[1-9](?:[ .-]\d\d){4}"
    rf"|\(0\d{{1,4}}\)(?: ?[/-] ?| ?)(?:\d{{3,8}}(?:[ -]\d{{2,5}})?|{_PAIRS})"
    rf"|(?<!\d )0\d{{2,4}}(?:(?: ?[/-] ?| )\d{{3,4}}[ -]?\d{{3,5}}| ?[/-] ?{_PAIRS})"
    r")(?![\w-])",
    re.ASCII,
)
FOUND = "\x1e"
ROUNDS = 5  # so many that were pasted without anything between them are parted
SHORTEST, LONGEST = 7, 15  # digits of a telephone number (ITU-T E.164: at most 15)
WHOLE = 10  # with so many, and its country's code, it does not go on in the next line
IPV4 = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w]|\.\d)", re.ASCII)
IPV6 = re.compile(r"(?<![\w:.])[0-9A-Fa-f:]{2,39}(?::\d{1,3}(?:\.\d{1,3}){3})?(?![\w:])", re.ASCII)
_VERSION = re.compile(
    r"\b(?:v(?:ersion|er)?|build|release|firmware|section|chapter|clause|article|oid)[ .:]{0,2}$",
    re.IGNORECASE,
)


def _phones(text: str) -> Iterator[Finding]:
    at = 0
    while (found := PHONE.search(text, at)) is not None:
        said = _one_number(found.group())
        at = found.start() + len(said)
        if SHORTEST <= _digits(said) <= LONGEST:
            yield Finding("phone", found.start(), at)


def _one_number(said: str) -> str:
    """Without what stands in the next line, unless the number must go on there."""
    first, wraps, more = said.partition("\n")
    wrapped = f"{first}{wraps}{more.partition(wraps)[0]}" if wraps else said
    alone = _digits(first) >= WHOLE or _digits(wrapped) > LONGEST
    return first.rstrip() if wraps and alone else wrapped.rstrip()


def _digits(said: str) -> int:
    return sum(one.isdigit() for one in said)


def _ips(text: str) -> Iterator[Finding]:
    for found in IPV4.finditer(text):
        before = text[max(0, found.start() - 12) : found.start()]
        if _address(found.group()) and not _VERSION.search(before):
            yield Finding("ip", *found.span())
    for found in IPV6.finditer(text):
        said = found.group().rstrip(":") if not found.group().endswith("::") else found.group()
        if said.count(":") >= 2 and any(one.isdigit() for one in said) and _address(said):
            yield Finding("ip", found.start(), found.start() + len(said))


def _address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _plain(kind: str, pattern: re.Pattern[str]) -> Callable[[str], Iterator[Finding]]:
    return lambda text: (Finding(kind, *found.span()) for found in pattern.finditer(text))


_emails = _plain("email", EMAIL)
FINDERS: Mapping[str, Callable[[str], Iterator[Finding]]] = {
    "card": cards,
    "iban": ibans,
    "email": lambda text: _emails(text) if "@" in text else iter(()),
    "phone": _phones,
    "ssn": _plain("ssn", SSN),
    "ip": _ips,
}


def find(text: str, entities: Collection[str]) -> tuple[Finding, ...]:
    """Personal data of these kinds, in order, without overlaps. Unknown kinds find nothing."""
    plain = folded(text)
    finders = [FINDERS[kind] for kind in entities if kind in FINDERS]
    found, said = list[Finding](), plain.text
    for _ in range(ROUNDS):
        more = apart(one for finder in finders for one in finder(said))
        if not more:
            break
        found += more
        said = _without(said, more)
    return apart(map(plain.original, found))


def _without(text: str, found: Collection[Finding]) -> str:
    """With what belongs to no word in the place of what was found, so that what stands right beside
    it begins a word of its own."""
    parts: list[str] = []
    at = 0
    for one in found:
        parts += [text[at : one.start], FOUND * one.length]
        at = one.end
    return "".join([*parts, text[at:]])
