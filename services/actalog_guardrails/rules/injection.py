"""Texts that try to give the model orders. Deterministic and advisory: what an agent may do is
decided by its tools and confirmations, not by this."""

import base64
import re
import unicodedata
from collections.abc import Iterator, Sequence

from actalog_guardrails.rules import patterns
from actalog_guardrails.rules.finding import Finding
from actalog_guardrails.rules.orders import ORDERS

# Letters of other scripts that look like Latin ones.
_LOOKALIKES = str.maketrans("\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0455\u0458\u0501\u051b\u03b1\u03bf\u03c1\u03b9\u03bd\u03ba\u0131",
                            "aeopcyxisjdlaopivki")  # fmt: skip
_DIGITS = str.maketrans("013457@$", "oieastas")  # as letters are written with digits
_LEET = re.compile(r"[a-z][013457@$]|[013457@$][a-z]")
_MARKED = re.compile(r"[*_\"`(){}~-]+")  # marks of emphasis, and what stands for a space
_SPACED = re.compile(r"(?<!\w)(?:\w[ .*_-]){4,}\w(?!\w)")
_TAGS = re.compile("[\U000e0020-\U000e007e]+")  # letters that nobody sees, and models read
BASE64 = re.compile(r"[A-Za-z0-9+/_-]{16,}(?:\r?\n[A-Za-z0-9+/_-]{4,})*")
SHORTEST = 24  # characters of base64


def plain(text: str) -> str:
    """As the patterns want it: compatibility forms, no accents, nothing hidden (formats, tags,
    selectors), lower case, single spaces. Lines stay lines."""
    if not text.isascii():
        text = "".join(filter(_shown, unicodedata.normalize("NFKD", text)))
    return re.sub(r"[^\S\n]+", " ", text.lower())


def _shown(one: str) -> bool:
    return unicodedata.category(one) not in ("Cf", "Mn", "Me")


def find(text: str, extra_patterns: Sequence[str] = ()) -> tuple[Finding, ...]:
    """One finding over the whole text when it tries to give orders: normalising moves offsets.

    Raises:
        BadPattern: one of the author's patterns cannot be used.
    """
    said = plain(text)
    if _orders(said) or _hidden(text) or _by_author(text, said, extra_patterns):
        return (Finding("prompt_injection", 0, len(text)),)
    return tuple(_encoded(text))


def _orders(said: str) -> bool:
    """In any of the ways in which the same words can be read."""
    return any(_ordered(one) for one in _readings(said))


def _readings(said: str) -> Iterator[str]:
    yield said
    if "\n" in said:  # wrapped anywhere
        yield re.sub(r" ?\n ?", " ", said)
    if _MARKED.search(said):
        yield re.sub(r" {2,}", " ", _MARKED.sub(" ", said))
    latin = said if said.isascii() else said.translate(_LOOKALIKES)
    if latin is not said:
        yield latin
    if _LEET.search(latin):
        yield latin.translate(_DIGITS)
    if _SPACED.search(latin):
        yield _SPACED.sub(lambda found: re.sub(r"[ .*_-]", "", found.group()), latin)


def _hidden(text: str) -> bool:
    """Orders in what nobody sees, or with that in the place of spaces."""
    if text.isascii():
        return False
    tagged = "".join(chr(ord(one) - 0xE0000) for part in _TAGS.findall(text) for one in part)
    if tagged and _orders(plain(tagged)):
        return True
    spaced = "".join(" " if unicodedata.category(one) == "Cf" else one for one in text)
    return spaced != text and _orders(plain(spaced))


def _ordered(said: str) -> bool:
    return any(
        any(word in said for word in words) and pattern.search(said) is not None
        for words, pattern in ORDERS
    )


def _by_author(text: str, said: str, extra_patterns: Sequence[str]) -> bool:
    """In the text as it came, too: a pattern may have accents."""
    return any(occurs(said) or occurs(text) for occurs in map(patterns.looked_for, extra_patterns))


def _encoded(text: str) -> Iterator[Finding]:
    """Orders in base64, of either alphabet, also over several lines."""
    for found in BASE64.finditer(text):
        if found.end() - found.start() < SHORTEST:
            continue
        letters = found.group().replace("\r", "").replace("\n", "")
        letters = letters.replace("-", "+").replace("_", "/")
        letters = letters[: len(letters) - (len(letters) % 4 == 1)]
        said = base64.b64decode(letters + "==").decode("utf-8", "replace")
        if _orders(plain(said)):
            yield Finding("prompt_injection", *found.span())
