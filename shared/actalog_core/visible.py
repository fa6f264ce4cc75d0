"""Text of others on a terminal: what it would obey or hide is shown as an escape.

Models, tools and senders choose what is shown to a person: `ESC [2J` clears the screen, U+202E turns the
rest of a line around, and a command that nobody can see may be approved.
"""

import re
import unicodedata
from collections.abc import Callable

OBEYED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # controls, formats, half pairs, line ends
KEPT = frozenset("\n\t\u200c\u200d")  # Persian and emoji are written with the joiners
WORD = re.compile(r"[^\W\d_]+")
# Scripts whose letters pass for ours in a word that has some of ours.
ALIKE = frozenset({"ARMENIAN", "CHEROKEE", "COPTIC", "CYRILLIC", "FULLWIDTH", "GREEK",
                   "MATHEMATICAL"})  # fmt: skip
# Letters and marks that are shown as nothing.
EMPTY = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0"
                   "\U000e0100-\U000e01ef]")  # fmt: skip


def visible(text: str) -> str:
    """The text, with JSON's escapes for what a terminal would obey: JSON stays JSON and means the
    same."""
    if text.isprintable():
        return text
    return _with_escapes(text, _obeyed)


def exact(text: str) -> str:
    """What a person decides upon: nothing in it can be passed over, or be taken for something
    else. A space is a space, and letters of other scripts do not pass for those around them."""
    if text.isascii() and text.isprintable():
        return text
    return _with_escapes(WORD.sub(_told_apart, text), _hidden)


def _obeyed(one: str) -> bool:
    return unicodedata.category(one) in OBEYED and one not in KEPT


def _hidden(one: str) -> bool:
    return not one.isprintable() or EMPTY.match(one) is not None


def _told_apart(word: re.Match[str]) -> str:
    text = word[0]
    if text.isascii() or not any(one.isascii() for one in text):
        return text
    return _with_escapes(text, _alike)


def _alike(one: str) -> bool:
    return unicodedata.name(one, "").partition(" ")[0] in ALIKE


def _with_escapes(text: str, wanted: Callable[[str], bool]) -> str:
    return "".join([_escape(one) if wanted(one) else one for one in text])


def _escape(one: str) -> str:
    r"""As JSON has it: `\u202e`, beyond U+FFFF two halves."""
    units = one.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))
